"""Builds the packaged coastline of the figures; run once by hand, its result is kept.

``python -m chamnet.report.build_coastline land-110m.json`` writes ``coastline.csv`` (line,
longitude, latitude) from Natural Earth 4.1 land at 1:110 million (public domain), as the npm
package ``world-atlas`` 2.0.2 holds it.
"""

import argparse
from pathlib import Path

import geopandas as gpd
import numpy as np

from chamnet.budget.build_gcp_mask import cut_at_antimeridian

SEAM = 179.9


def build_lines(path: str | Path) -> list[np.ndarray]:
    """Outlines north of 60 S, (point, 2) longitude and latitude, without the cut itself."""
    parts = gpd.read_file(path, layer="land").explode(ignore_index=True)
    parts = parts[parts.geometry.bounds["miny"] > -60]
    cut = gpd.GeoSeries(parts.geometry.map(cut_at_antimeridian)).explode(ignore_index=True)
    lines = [np.asarray(polygon.exterior.coords) for polygon in cut]
    return [piece for line in lines for piece in _without_seam(line) if len(piece) > 1]


def _without_seam(line: np.ndarray) -> list[np.ndarray]:
    on_seam = np.abs(line[:, 0]) > SEAM
    breaks = np.flatnonzero(on_seam[1:] & on_seam[:-1]) + 1
    return np.split(line, breaks)


def main() -> None:
    """Read the file named on the command line and write the packaged table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("land", help="land-110m.json of the npm package world-atlas")
    rows = ["line,longitude,latitude"]
    for number, line in enumerate(build_lines(parser.parse_args().land)):
        rows += [f"{number},{longitude:.2f},{latitude:.2f}" for longitude, latitude in line]
    (Path(__file__).parent / "coastline.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
