"""Builds the packaged mask of the 18 GCP regions; run once by hand, its result is kept.

``python -m chamnet.budget.build_gcp_mask countries-10m.json`` writes ``gcp_regions_1deg.tif``
from the countries of Natural Earth 4.1 (public domain), as the npm package ``world-atlas``
2.0.2 holds them in TopoJSON (``npm pack world-atlas``). Each 1 degree cell takes the region
with the largest share of its area, sea the code 0; the coast is filled when the mask is read.

The Global Methane Budget prints its regions as a map, not as a list of countries. The list
below is ours, after that map; where a country could lie in two of them (Turkey, the
Caucasus, Mongolia, Afghanistan, Papua New Guinea, the Sahel) a user's own
``GCP2023_regions_mask.nc`` settles it. Greenland and Antarctica are in no region.
"""

import argparse
import json
import logging
import unicodedata
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
import shapely.affinity

from chamnet.budget.weights import covered_share
from chamnet.errors import InputError

logger = logging.getLogger(__name__)

COUNTRIES = {
    "Central_America": "Mexico Guatemala Belize El_Salvador Honduras Nicaragua Costa_Rica Panama "
    "Cuba Haiti Dominican_Rep. Jamaica Bahamas Puerto_Rico Trinidad_and_Tobago Barbados Dominica "
    "Saint_Lucia Grenada St._Vin._and_Gren. Antigua_and_Barb. St._Kitts_and_Nevis Montserrat "
    "Anguilla Cayman_Is. Turks_and_Caicos_Is. British_Virgin_Is. U.S._Virgin_Is. Aruba Curacao "
    "Sint_Maarten St-Martin St-Barthelemy Bermuda USNB_Guantanamo_Bay Clipperton_I. "
    "Bajo_Nuevo_Bank Serranilla_Bank",
    "Northern_South_America": "Colombia Venezuela Guyana Suriname",
    "Brazil": "Brazil Brazilian_I.",
    "Southwest_South_America": "Peru Ecuador Bolivia Chile Argentina Paraguay Uruguay "
    "Falkland_Is. S._Geo._and_the_Is. S._Geo._and_S._Sandw._Is. S._Patagonian_Ice_Field",
    "Northern_Africa": "Algeria Egypt Libya Morocco Tunisia W._Sahara Mauritania Mali Niger Chad "
    "Sudan Eritrea Djibouti Senegal Gambia Guinea Guinea-Bissau Sierra_Leone Liberia "
    "Cote_d'Ivoire Ghana Burkina_Faso Togo Benin Nigeria Cabo_Verde Bir_Tawil",
    "Equatorial_Africa": "Cameroon Central_African_Rep. Eq._Guinea Gabon Congo Dem._Rep._Congo "
    "S._Sudan Ethiopia Somalia Somaliland Kenya Uganda Rwanda Burundi Tanzania "
    "Sao_Tome_and_Principe Seychelles",
    "Southern_Africa": "Angola Zambia Malawi Mozambique Zimbabwe Botswana Namibia South_Africa "
    "Lesotho eSwatini Madagascar Comoros Mauritius Saint_Helena Fr._S._Antarctic_Lands",
    "South_Asia": "India Pakistan Bangladesh Nepal Bhutan Sri_Lanka Maldives Afghanistan "
    "Siachen_Glacier Br._Indian_Ocean_Ter.",
    "Southeast_Asia": "Indonesia Malaysia Philippines Thailand Vietnam Myanmar Cambodia Laos "
    "Singapore Brunei Timor-Leste Spratly_Is. Scarborough_Reef",
    "Oceania": "Australia New_Zealand Papua_New_Guinea Fiji Solomon_Is. Vanuatu New_Caledonia "
    "Samoa Tonga Kiribati Micronesia Marshall_Is. Palau Nauru Tuvalu Niue Cook_Is. Guam "
    "N._Mariana_Is. American_Samoa Fr._Polynesia Wallis_and_Futuna_Is. Norfolk_Island "
    "Pitcairn_Is. Ashmore_and_Cartier_Is. Coral_Sea_Is. Indian_Ocean_Ter. "
    "Heard_I._and_McDonald_Is.",
    "USA": "United_States_of_America U.S._Minor_Outlying_Is.",
    "Europe": "Albania Andorra Austria Belarus Belgium Bosnia_and_Herz. Bulgaria Croatia Cyprus "
    "N._Cyprus Cyprus_U.N._Buffer_Zone Akrotiri Dhekelia Czechia Denmark Estonia Finland Aland "
    "Faeroe_Is. France Germany Greece Guernsey Hungary Iceland Ireland Isle_of_Man Italy Jersey "
    "Kosovo Latvia Liechtenstein Lithuania Luxembourg Macedonia Malta Moldova Monaco Montenegro "
    "Netherlands Norway Poland Portugal Romania San_Marino Serbia Slovakia Slovenia Spain "
    "Gibraltar Sweden Switzerland Ukraine United_Kingdom Vatican St._Pierre_and_Miquelon",
    "Central_Asia": "Kazakhstan Kyrgyzstan Tajikistan Turkmenistan Uzbekistan Mongolia Armenia "
    "Azerbaijan Georgia Baikonur",
    "Middle_East": "Turkey Syria Lebanon Israel Palestine Jordan Iraq Iran Kuwait Saudi_Arabia "
    "Bahrain Qatar United_Arab_Emirates Oman Yemen",
    "China": "China Taiwan Hong_Kong Macao",
    "Korean_Japan": "North_Korea South_Korea Japan",
    "Canada": "Canada",
    "Russia": "Russia",
}
NO_REGION = ("Greenland",)  # and Antarctica, south of 60 S
# Far parts of France, by a point near their middle: the region, latitude, longitude.
OVERSEAS = (
    ("Northern_South_America", 4.0, -53.0),
    ("Southern_Africa", -21.1, 55.5),
    ("Southern_Africa", -12.8, 45.1),
    ("Central_America", 15.5, -61.3),
)


def read_countries(path: str | Path) -> gpd.GeoDataFrame:
    """Polygons, one a row, with the region each lies in ("none" where in no region).

    Raises
    ------
    InputError
        If a country is in no list above.
    """
    parts = gpd.read_file(path, layer="countries").explode(ignore_index=True)
    parts = parts[parts["name"] != "Antarctica"]  # its ring goes round the pole
    parts["geometry"] = parts.geometry.map(cut_at_antimeridian)
    parts = parts[parts.geometry.area > 0].reset_index(drop=True)
    names = [_plain(name) for name in parts["name"]]
    regions = {country: region for region, text in COUNTRIES.items() for country in text.split()}
    regions |= dict.fromkeys(NO_REGION, "none")
    unknown = sorted(set(names) - set(regions))
    if unknown:
        raise InputError(f"{path}: countries {unknown} are in no region and not in NO_REGION")
    parts["region"] = [regions[name] for name in names]
    for region, latitude, longitude in OVERSEAS:
        centers = parts.geometry.representative_point()
        is_near = (abs(centers.y - latitude) < 3) & (abs(centers.x - longitude) < 3)
        parts.loc[is_near & (np.array(names) == "France"), "region"] = region
    return parts


def cut_at_antimeridian(polygon: shapely.Polygon) -> shapely.Geometry:
    """Polygon within [-180, 180] degrees east, where its ring jumps from one side to the other."""
    rings = [_unwrapped(ring) for ring in (polygon.exterior, *polygon.interiors)]
    whole = shapely.Polygon(rings[0], rings[1:]).buffer(0)  # rings that touch themselves
    parts = [
        shapely.affinity.translate(whole & shapely.box(west, -90, west + 360, 90), -180 - west)
        for west in (-540, -180, 180)
    ]
    return shapely.union_all(parts).buffer(0)  # areas only, no lines along the cut


def _unwrapped(ring: shapely.LinearRing) -> np.ndarray:
    points = np.asarray(ring.coords)
    return np.stack([np.unwrap(points[:, 0], period=360), points[:, 1]], axis=1)


def build_mask(countries: gpd.GeoDataFrame, *, step_deg: float = 1.0) -> np.ndarray:
    """Codes of the regions, (latitude, longitude), north first; 0 sea, 19 land of no region."""
    rows, columns = round(180 / step_deg), round(360 / step_deg)
    share = np.zeros((len(COUNTRIES) + 2, rows, columns))
    names = ["sea", *COUNTRIES, "none"]
    for region, polygons in countries.groupby("region"):
        share[names.index(str(region))] = covered_share(list(polygons.geometry), rows, columns)
    share[0] = 1e-6  # sea only where there is no land at all
    codes = share.argmax(axis=0).astype(np.uint8)
    codes[round(150 / step_deg) :] = names.index("none")  # Antarctica and its sea
    return codes


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return letters.replace(" ", "_")


def write_mask(codes: np.ndarray, path: str | Path) -> None:
    """Write the mask as a GeoTIFF whose tags name the codes."""
    import rasterio

    legend = {str(code): name for code, name in enumerate(COUNTRIES, start=1)}
    profile = {
        "driver": "GTiff",
        "height": codes.shape[0],
        "width": codes.shape[1],
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:4326",
        "compress": "deflate",
        "transform": rasterio.transform.from_bounds(
            -180, -90, 180, 90, codes.shape[1], codes.shape[0]
        ),
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(codes, 1)
        file.update_tags(
            legend=json.dumps(legend | {"0": "sea", "19": "none"}),
            source="Natural Earth 4.1 countries (public domain), npm world-atlas 2.0.2",
        )


def main() -> None:
    """Read the countries named on the command line and write the packaged mask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("countries", help="countries-10m.json of the npm package world-atlas")
    codes = build_mask(read_countries(parser.parse_args().countries))
    write_mask(codes, Path(__file__).parent / "gcp_regions_1deg.tif")
    logger.info("mask written: %d cells of land", int((codes > 0).sum()))


if __name__ == "__main__":
    main()
