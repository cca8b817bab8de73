"""Options of what a run gives: budgets, regions, exports; and what all sections are made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import pydantic
from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Target = Literal["emission", "consumption"]
RegionSystem = Literal[
    "globe", "gcp_bands", "gcp_regions", "zhang_bands", "north45", "koppen", "srex"
]


class Section(pydantic.BaseModel):
    """A part of the configuration; an option it does not know is refused."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


def refuse_twice(names: Sequence[str], *, option: str) -> None:
    """Check that no name comes up twice.

    Raises
    ------
    ValueError
        If one does.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{option} {twice} come up twice, expected each once")


class RegionFile(Section):
    """A region system of the user's own."""

    name: Name = Field(description="name of the system in every table")
    path: str = Field(
        description="GeoJSON, shapefile or GeoPackage of polygons that do not overlap"
    )
    column: str = Field("name", description="column that names the regions")

    def files(self) -> list[str]:
        """The path, and where it is a shapefile the files of its name beside it."""
        path = Path(self.path)
        if path.suffix.lower() != ".shp":
            return [self.path]
        beside = (p for p in path.parent.glob("*") if p.stem == path.stem and p != path)
        return [self.path, *sorted(map(str, beside))]


class DroppedMember(Section):
    """A network that is left out of budgets and maps, and why."""

    target: Target = Field(description="of the member")
    member: str = Field(pattern=r"^\d{2}$", description="number of the network: 00, 01, ...")
    reason: str = Field(min_length=3, description="why, as the tables then say")


class BudgetConfig(Section):
    """Integration and uncertainty."""

    n_draws: int = Field(
        1000, ge=500, le=1_000_000, description="draws of member, extent and bias field"
    )
    region_systems: list[RegionSystem] = Field(
        ["globe", "gcp_bands", "gcp_regions"], min_length=1, description="systems of regions"
    )
    gcp_mask: str | None = Field(
        None, description="GCP2023_regions_mask.nc of the user, read instead of ours"
    )
    gcp_workbook: str | None = Field(
        None,
        description="Global_methane_budget_*.xlsx of the user, read instead of our table",
    )
    region_files: list[RegionFile] = Field(
        [], description="region systems from GeoJSON or shapefiles, beside those above"
    )
    dropped_members: list[DroppedMember] = Field(
        [], description="networks that are left out of budgets and maps, each with its reason"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        names = [file.name for file in self.region_files]
        twice = sorted({n for n in names if names.count(n) > 1 or n in get_args(RegionSystem)})
        if twice:
            raise ValueError(f"region_files: names {twice} are of other systems, or come up twice")
        return self

    def region_paths(self) -> list[str]:
        """Files that regions are read from."""
        own = [path for file in self.region_files for path in file.files()]
        return [path for path in (self.gcp_mask, *own) if path]


class PublicationConfig(Section):
    """Who publishes the maps, under which name and licence, as their attributes then say."""

    doi: str | None = Field(
        None, pattern=r"^10\.\d{4,9}/\S+$", description="DOI of the product, once it has one"
    )
    creator: str | None = Field(None, min_length=2, description="person or group that made it")
    institution: str | None = Field(None, min_length=2, description="where it was made")
    licence: str = Field("CC-BY-4.0", min_length=2, description="of the maps, as SPDX names it")
    input_licences: dict[str, str] = Field(
        {},
        description="licence and citation of an input, by its path as the options name it; "
        "places and known reanalyses bring theirs",
    )


class ExportsConfig(Section):
    """Maps as NetCDF, GeoTIFF, STAC and for ILAMB, under the target ``exports``."""

    variables: list[str] | None = Field(
        None,
        min_length=1,
        description="variables of maps.zarr that are written as GeoTIFFs, one a month; null: "
        "those there are of wetland_ch4_flux, soil_ch4_consumption_flux and ch4_net_flux",
    )
