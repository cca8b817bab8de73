"""Options of the inputs that lie in place: maps, towers and chambers."""

from typing import Literal, Self

import pydantic
from pydantic import Field

from chamnet.config_products import Name, Section, refuse_twice


class ProxiesConfig(Section):
    """Stand-ins from data packages: land cover, elevation and a proxy of wetland extent."""

    folder: str | None = Field(
        None, description="folder the stand-ins are written to; null: you bring your own"
    )
    step_deg: Literal[0.25, 0.5] = Field(
        0.5, description="width of the pixels of elevation and wetlands, degrees"
    )


class AttributeSource(Section):
    """A raster of something that does not change in time."""

    name: Name = Field(description="name of the attribute, or prefix of its classes")
    path: str = Field(description="GeoTIFF of any CRS, or NetCDF")
    variable: str | None = Field(None, description="variable, where the file is a NetCDF")
    kind: Literal["continuous", "fractions", "units"] = Field(
        "continuous",
        description="area mean, area fraction of each class, or area mean of a column of a table "
        "of the mapping units that the codes are, as of HWSD",
    )
    table: str | None = Field(None, description="for units: CSV of the mapping units")
    key: str = Field("MU_GLOBAL", description="for units: column of the codes")
    column: str | None = Field(None, description="for units: column of the values")
    weight: str | None = Field(
        "SHARE", description="for units: column of the share of each row in its unit"
    )
    scale: float = Field(1.0, description="factor that the stored number is multiplied with")
    units: str = Field("1", description="units after scaling")
    classes: dict[str, list[int]] = Field(
        {}, description="for fractions: name of each group and the codes in it"
    )


class AttributesConfig(Section):
    """What does not change at a place or a cell."""

    sources: list[AttributeSource] = Field([], description="rasters, replaced whole")
    land_fraction: str | None = Field(
        None, description="raster of land fraction; None: from land_cover"
    )
    land_cover: str | None = Field(
        None, description="raster of IGBP classes, 0 or 17 = water, 15 = ice"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        refuse_twice([source.name for source in self.sources], option="attributes.sources: names")
        return self

    def files(self) -> list[str]:
        """Rasters, and tables of their mapping units."""
        own = [path for source in self.sources for path in (source.path, source.table)]
        return [path for path in (self.land_cover, self.land_fraction, *own) if path]


class WetlandLayer(Section):
    """A map of fractions of the cell's area: NetCDF, Zarr, or GeoTIFF of any CRS."""

    path: str = Field(description="NetCDF or Zarr; GeoTIFF for a static map")
    variable: str = Field("Fw", description="variable of the fraction; not of a GeoTIFF")
    kind: Literal["monthly", "climatology", "static"] = Field(
        "monthly", description="each month of each year, 12 months of any year, or one map"
    )
    scale: float = Field(1.0, gt=0, description="factor to a fraction, such as 0.01 for percent")
    classes: list[int] = Field(
        [], description="codes of a GeoTIFF of classes that count; empty: the raster has fractions"
    )


class SubtractedLayer(WetlandLayer):
    """What a map of wetlands holds and what is none: open water, or rice."""

    name: Literal["open_water", "rice"] = Field(description="what it is of")


class WetlandSource(WetlandLayer):
    """A map of wetland extent."""

    name: Name = Field(description="name of the extent in every product")
    subtract: list[SubtractedLayer] = Field(
        [],
        description="layers taken off the map: neither wetland nor upland soil; none: as it is",
    )


class WetlandsConfig(Section):
    """Wetland extent; every map gives budgets of its own."""

    sources: list[WetlandSource] = Field([], description="maps, replaced whole")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        refuse_twice([source.name for source in self.sources], option="wetlands.sources: names")
        return self

    def files(self) -> list[str]:
        """Maps, and layers that are taken off them."""
        return [layer.path for source in self.sources for layer in (source, *source.subtract)]


class TowersConfig(Section):
    """Towers: methane emission."""

    folder: str | None = Field(
        None, description="folder of FLUXNET-CH4 or AmeriFlux BASE files; zips too"
    )
    sites: str | None = Field(
        None, description="site table: SITE_ID, LAT, LON, SITE_CLASSIFICATION"
    )
    licences: str | None = Field(None, description="table of data policy and DOI by site")
    drivers: Literal["reanalysis", "tower"] = Field(
        "reanalysis", description="where the places' drivers come from; cells have reanalysis only"
    )
    first_year: int | None = Field(
        None, ge=1800, le=2200, description="first year read, with drivers: tower; null: drivers'"
    )
    last_year: int | None = Field(
        None, ge=1800, le=2200, description="last year read, with drivers: tower; null: drivers'"
    )
    lowest_nmol_m2_s: float = Field(
        -200.0, description="daily fluxes below are dropped and counted"
    )
    highest_nmol_m2_s: float = Field(
        1000.0, description="daily fluxes above are dropped and counted"
    )
    flux_units: Literal["nmol m-2 s-1", "mg C m-2 d-1"] = Field(
        "nmol m-2 s-1",
        description="unit of the daily FCH4 columns, where no half-hourly file of the site tells",
    )
    min_coverage: float = Field(
        0.25, gt=0, le=1, description="share of a day's half-hours that make a measured day"
    )
    factors: dict[str, dict[str, float]] = Field(
        {},
        description="by site and column, what a column in a wrong unit is multiplied by, such as "
        "{FI-Lom: {P_F: 0.1}}",
    )
    cluster_km: float = Field(100.0, ge=0, description="sites within this distance share a cluster")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        first, last = self.first_year, self.last_year
        if first is not None and last is not None and last < first:
            raise ValueError(f"towers.last_year {last} is before towers.first_year {first}")
        return self

    def files(self) -> list[str]:
        """Folder of towers and tables of sites."""
        return [path for path in (self.folder, self.sites, self.licences) if path]


class ChambersConfig(Section):
    """Chambers: methane consumption of upland soil."""

    path: str | None = Field(None, description="table of chambers")
    kind: Literal["smud", "plain", "cosore"] = Field("smud", description="layout of the table")
    columns: dict[str, str] = Field(
        {}, description="for plain: name of a column in chamnet to its name in the table"
    )
    units: Literal[
        "ug C m-2 h-1", "ug CH4 m-2 h-1", "mg CH4 m-2 d-1", "mg C m-2 d-1", "nmol m-2 s-1"
    ] = Field("ug C m-2 h-1", description="for plain: units of the flux")
    positive: Literal["uptake", "emission"] = Field(
        "uptake", description="for plain: what a positive flux is"
    )
    highest_ug_c_m2_h: float = Field(
        250.0, gt=0, description="rows with any month beyond, either sign, are dropped and counted"
    )
    normals: str | None = Field(
        None,
        description="NetCDF of monthly normals that gives the drivers where there is no reanalysis",
    )
    cluster_km: float = Field(
        100.0, ge=0, description="places within this distance share a cluster"
    )

    def files(self) -> list[str]:
        """Table of chambers, and normals."""
        return [path for path in (self.path, self.normals) if path]
