"""Names of the regions of the Global Carbon Project, and other spellings of them."""

GCP_REGIONS = (
    "Central_America",
    "Northern_South_America",
    "Brazil",
    "Southwest_South_America",
    "Northern_Africa",
    "Equatorial_Africa",
    "Southern_Africa",
    "South_Asia",
    "Southeast_Asia",
    "Oceania",
    "USA",
    "Europe",
    "Central_Asia",
    "Middle_East",
    "China",
    "Korean_Japan",
    "Canada",
    "Russia",
)
ALIASES = {
    "mideast": "Middle_East",
    "korea_and_japan": "Korean_Japan",
    "korea_japan": "Korean_Japan",
    "south_east_asia": "Southeast_Asia",
    "united_states": "USA",
    "australasia": "Oceania",
    "global": "globe",
    "world": "globe",
    "<30n": "90S-30N",
    "90s_30n": "90S-30N",
    "30n_60n": "30N-60N",
    "30_60n": "30N-60N",
    "60n_90n": "60N-90N",
    "60_90n": "60N-90N",
}


def known_name(name: object) -> str:
    """Name as the reference table has it; spaces, hyphens and other spellings are mended."""
    plain = str(name).strip().replace(" ", "_").replace("-", "_")
    known = {region.lower(): region for region in GCP_REGIONS} | ALIASES
    return known.get(plain.lower(), plain)
