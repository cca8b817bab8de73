"""What the preview finds: rows of the table, problems, and what the picture shows."""

import contextlib
import dataclasses

import numpy as np
import xarray as xr

from chamnet.errors import noting


@dataclasses.dataclass
class Findings:
    """What is read from where, and everything that would be refused.

    Attributes
    ----------
    rows : of the table: what, source, period, grid, calendar, and a note
    problems : what the run would refuse, one sentence each, in the order of the stages
    maps : title to a map that the picture shows, (latitude, longitude)
    towers : a row a tower: site, latitude, longitude, first and last date, measured days
    chambers : (place, 2), latitude and longitude
    n_cells, n_years : of the target grid, and of the drivers
    bytes_in, bytes_out : read from the sources, and written by the run, uncompressed
    """

    rows: list[dict[str, str]] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    maps: dict[str, xr.DataArray] = dataclasses.field(default_factory=dict)
    towers: list[dict] = dataclasses.field(default_factory=list)
    chambers: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 2)))
    n_cells: int = 0
    n_years: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, what: str, source: str, **columns: object) -> None:
        """Add a row: what it is, its file or folder, and columns by their names."""
        row = {name: str(columns.get(name, "")) for name in ("period", "grid", "calendar", "note")}
        self.rows.append({"what": what, "source": source} | row)

    def refuse(self, message: str) -> None:
        """Note a problem, each once."""
        if message not in self.problems:
            self.problems.append(message)

    def noting(self) -> contextlib.AbstractContextManager[None]:
        """Note what is raised on purpose, and what cannot be read, and go on."""
        return noting(self.problems, also=(OSError,))
