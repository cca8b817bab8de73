"""Physical constants and the sizes of units."""

CH4_MOLAR_MASS_G_PER_MOL = 16.0425
C_MOLAR_MASS_G_PER_MOL = 12.011
SECONDS_PER_DAY = 86_400
DAYS_PER_YEAR = 365.25  # Julian year, for conversions of rates only; budgets use real seconds
KG_PER_TG = 1e9
ZERO_CELSIUS_K = 273.15
WGS84_SEMI_MAJOR_AXIS_M = 6_378_137.0  # NIMA TR8350.2 (2000), table 3.1
WGS84_FLATTENING = 1 / 298.257223563
EARTH_RADIUS_M = 6_371_008.7714  # mean radius of WGS84, for distances only
