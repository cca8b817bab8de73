"""What the variables of the published maps are: names, units, methods, words of CF and ACDD."""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from typing import Any

import numpy as np

from chamnet.units import FLUX_UNITS

MAP = ("time", "latitude", "longitude")
MAP_BY_EXTENT = ("extent", *MAP)
PLACE = ("latitude", "longitude")
WETLAND = (
    "surface_net_upward_mass_flux_of_methane_due_to_emission_from_wetland_biological_processes"
)
SOIL = "surface_downward_mass_flux_of_methane_due_to_non_wetland_soil_biological_consumption"
CELL_MEAN = "time: mean area: mean"
MASS_NOTE = "Mass is of CH4 (16.0425 g mol-1), not of carbon."
STATIC = ("cell_area", "land_fraction")
FILL: dict[str, Any] = {"_FillValue": None}


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the maps."""

    long_name: str
    units: str
    dims: tuple[str, ...]
    standard_name: str | None = None
    cell_methods: str | None = None
    comment: str | None = None
    content_type: str = "modelResult"
    further: tuple[tuple[str, Any], ...] = ()

    def attributes(self) -> dict[str, Any]:
        """Attributes of the variable in the store."""
        known = {
            "long_name": self.long_name,
            "units": self.units,
            "standard_name": self.standard_name,
            "cell_methods": self.cell_methods,
            "comment": self.comment,
            "coverage_content_type": self.content_type,
            "grid_mapping": "crs",
            "cell_measures": None if self.long_name.startswith("area of") else "area: cell_area",
        }
        return {k: v for k, v in known.items() if v is not None} | dict(self.further)


def _with_spread(name: str, variable: Variable) -> dict[str, Variable]:
    """The variable and its spread over members, each pointing at the other."""
    sd = dataclasses.replace(
        variable,
        long_name=f"spread over members of: {variable.long_name}",
        standard_name=variable.standard_name and f"{variable.standard_name} standard_error",
        comment="Sample standard deviation over members: the network's own spread, without "
        "calibration. Do not add it over cells; errors of neighbors are correlated.",
        content_type="qualityInformation",
    )
    linked = dataclasses.replace(variable, further=(("ancillary_variables", f"{name}_sd"),))
    return {name: linked, f"{name}_sd": sd}


def _applicability(target: str) -> Variable:
    return Variable(
        long_name=f"inside the driver space of the training places of {target}",
        units="1",
        dims=PLACE,
        content_type="qualityInformation",
        further=(
            ("flag_values", np.array([0.0, 1.0], dtype=np.float32)),
            ("flag_meanings", "outside inside"),
        ),
    )


VARIABLES: dict[str, Variable] = {
    **_with_spread(
        "wetland_ch4_flux",
        Variable(
            "net upward CH4 flux of wetland, per area of wetland",
            FLUX_UNITS,
            MAP,
            WETLAND,
            "time: mean area: mean where wetland",
            "Per m2 of wetland, as a tower would see it; given also where there is no wetland. "
            + MASS_NOTE,
        ),
    ),
    **_with_spread(
        "soil_ch4_consumption_flux",
        Variable(
            "CH4 consumption of upland soil, per area of upland soil",
            FLUX_UNITS,
            MAP,
            SOIL,
            "time: mean area: mean where ice_free_land (without wetland)",
            "Positive downward, per m2 of upland soil (land without ice and wetland). " + MASS_NOTE,
        ),
    ),
    "wetland_fraction": Variable(
        "share of the cell's area that is wetland",
        "1",
        MAP_BY_EXTENT,
        "area_fraction",
        CELL_MEAN,
        "Share of the whole cell, not of its land. Area type: wetland.",
        "auxiliaryInformation",
    ),
    **_with_spread(
        "ch4_emission",
        Variable(
            "CH4 emission of wetland, per area of cell",
            FLUX_UNITS,
            MAP_BY_EXTENT,
            WETLAND,
            CELL_MEAN,
            "wetland_ch4_flux times wetland_fraction; its sum over cells times cell_area is "
            "the budget. " + MASS_NOTE,
        ),
    ),
    **_with_spread(
        "ch4_consumption",
        Variable(
            "CH4 consumption of upland soil, per area of cell",
            FLUX_UNITS,
            MAP_BY_EXTENT,
            SOIL,
            CELL_MEAN,
            "Positive downward: soil_ch4_consumption_flux times the share of upland soil. "
            + MASS_NOTE,
        ),
    ),
    **_with_spread(
        "ch4_net_flux",
        Variable(
            "net upward CH4 flux of wetland and upland soil, per area of cell",
            FLUX_UNITS,
            MAP_BY_EXTENT,
            None,
            CELL_MEAN,
            "ch4_emission less ch4_consumption; lakes, rivers and rice are not in it. " + MASS_NOTE,
        ),
    ),
    "cell_area": Variable(
        "area of the cell on the WGS84 ellipsoid",
        "m2",
        PLACE,
        "cell_area",
        content_type="coordinate",
    ),
    "land_fraction": Variable(
        "share of the cell's area that is land, ice included",
        "1",
        PLACE,
        "land_area_fraction",
        "area: mean",
        content_type="auxiliaryInformation",
    ),
    "applicability_emission": _applicability("emission"),
    "applicability_consumption": _applicability("consumption"),
}

COORDINATES: dict[str, dict[str, Any]] = {
    "time": {
        "standard_name": "time",
        "long_name": "start of the month",
        "axis": "T",
        "bounds": "time_bnds",
        "units_metadata": "leap_seconds: none",
        "coverage_content_type": "coordinate",
    },
    "latitude": {
        "standard_name": "latitude",
        "long_name": "latitude of the cell's center",
        "units": "degrees_north",
        "axis": "Y",
        "bounds": "lat_bnds",
        "coverage_content_type": "coordinate",
    },
    "longitude": {
        "standard_name": "longitude",
        "long_name": "longitude of the cell's center",
        "units": "degrees_east",
        "axis": "X",
        "bounds": "lon_bnds",
        "coverage_content_type": "coordinate",
    },
    "extent": {
        "long_name": "map of wetland extent",
        "coverage_content_type": "auxiliaryInformation",
    },
}

BOUNDS = {name: {"long_name": f"{name}_bounds"} for name in ("time", "latitude", "longitude")}


def grid_mapping() -> dict[str, Any]:
    """Attributes of the variable ``crs``: longitude and latitude on WGS 84."""
    import pyproj  # slow to import

    return {"long_name": "WGS 84", **pyproj.CRS.from_epsg(4326).to_cf()}


def global_attributes(
    *,
    latitude: np.ndarray,
    longitude: np.ndarray,
    years: list[int],
    synthetic: bool,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """Global attributes of CF-1.11 and ACDD-1.3; coverage as the coordinates have it."""
    version = importlib.metadata.version("chamnet")
    of_what = "SYNTHETIC DEMO DATA: " if synthetic else ""
    step = float(latitude[1] - latitude[0])
    period = f"{years[0]} to {years[-1]}"
    summary = (
        "Monthly methane emission of wetlands and consumption of upland soils, predicted by an "
        f"ensemble of CHAM-nets for {period} at {step:g} degrees, per area of its own surface and "
        "per area of cell, under each map of wetland extent."
    )
    if synthetic:
        summary = f"All inputs are synthetic: the numbers say nothing of the real world. {summary}"
    known = {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": f"{of_what}methane emission and consumption of the land surface, {period}",
        "summary": summary,
        "keywords": "methane, wetlands, soils, fluxes, emission, consumption, upscaling",
        "id": f"chamnet-maps-{str(extra.get('digest', ''))[:12]}",
        "naming_authority": "chamnet",
        "source": f"CHAM-net ensemble, chamnet {version}",
        "history": f"written by chamnet {version} (publish_maps)",
        "institution": "not stated",
        "creator_name": "not stated",
        "creator_type": "institution",
        "license": "CC-BY-4.0 for the maps; licences of the inputs apply",
        "comment": f"{MASS_NOTE} Lakes, rivers and rice are not in these fluxes. Longitude -180 to "
        "180, latitude ascending; cells without land are NaN.",
        "references": "see report.html of the run",
        "acknowledgment": "users of the maps cite the inputs' providers",
        "project": "chamnet",
        "processing_level": "4",
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "product_version": version,
        "cdm_data_type": "Grid",
        "synthetic": str(bool(synthetic)),
        "geospatial_lat_min": float(latitude.min()),
        "geospatial_lat_max": float(latitude.max()),
        "geospatial_lon_min": float(longitude.min()),
        "geospatial_lon_max": float(longitude.max()),
        "geospatial_bounds": "POLYGON ((-90 -180, -90 180, 90 180, 90 -180, -90 -180))",
        "geospatial_bounds_crs": "EPSG:4326",
        "geospatial_lat_units": "degrees_north",
        "geospatial_lon_units": "degrees_east",
        "geospatial_lat_resolution": f"{step:g} degree",
        "geospatial_lon_resolution": f"{step:g} degree",
        "time_coverage_start": f"{years[0]}-01-01T00:00:00Z",
        "time_coverage_end": f"{years[-1]}-12-01T00:00:00Z",
        "time_coverage_duration": f"P{years[-1] - years[0] + 1}Y",
        "time_coverage_resolution": "P1M",
    }
    return known | {k: v for k, v in extra.items() if v is not None}
