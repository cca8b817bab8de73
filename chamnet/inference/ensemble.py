"""The members on a shard of cells: daily fluxes, their monthly means, and their spread."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr

from chamnet.data.context import ContextShard
from chamnet.inference.batches import Batcher
from chamnet.inference.inputs import Inputs
from chamnet.model.member import Member
from chamnet.timeaxis import month_lengths


def predict_cells(
    inputs: Inputs,
    data: tuple[list[np.ndarray], np.ndarray, ContextShard, np.ndarray | None],
    members: Mapping[str, Member],
    batcher: Batcher,
    *,
    daily: bool,
) -> tuple[dict[str, xr.Dataset], int]:
    """Fluxes of cells by every member, while their drivers are in memory.

    Parameters
    ----------
    inputs : of the year
    data : drivers, attributes, contexts and prior flux of the cells, as ``inputs.read`` gives them
    members : networks by name
    batcher : runs them
    daily : give the daily mean and spread over members too

    Returns
    -------
    regions of the stores ``monthly`` and, where asked for, ``daily``; and how many cells are
    NaN, for a NaN in their drivers, attributes or the target year's embedding
    """
    drivers, attributes, context, told = data
    any_member = next(iter(members.values()))
    outputs = batcher.map(
        FluxFunction(
            tuple(members.values()),
            year=inputs.year,
            calendar=inputs.drivers.calendar,
            mean_factor=inputs.mean_factor,
            has_response=any_member.has_response(context.seasons),
            has_prior=told is not None,
            daily=daily,
        ),
        attributes,
        context.embeddings.swapaxes(0, 1),  # float32 a batch at a time, in the member
        context.seasons.swapaxes(0, 1),
        context.mask,
        *drivers,
        *([] if told is None else [told]),
    )
    is_nan = ~(are_finite(*drivers, attributes) & context.mask[:, -1])
    for output in outputs:
        output[is_nan] = np.nan
    return build_regions(outputs), int(is_nan.sum())


@dataclasses.dataclass(frozen=True)
class FluxFunction:
    """What is computed of a batch of cells; equal for all shards of a year that are alike.

    Attributes
    ----------
    members : networks
    year, calendar : of the drivers
    mean_factor : that restores the mean; None leaves each member its own
    has_response : whether a response was measured at any of the cells
    has_prior : whether the last array is the prior flux of the year
    daily : give the daily mean and spread over members too
    """

    members: tuple[Member, ...]
    year: int
    calendar: str
    mean_factor: float | None
    has_response: bool
    has_prior: bool
    daily: bool

    def __call__(
        self,
        attributes: torch.Tensor,
        embeddings: torch.Tensor,
        seasons: torch.Tensor,
        mask: torch.Tensor,
        *days: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Monthly means (B, member, 12), and where asked for daily mean and spread (B, T)."""
        drivers, told = (days[:-1], days[-1]) if self.has_prior else (days, None)
        weather = torch.stack(drivers, dim=-1)  # B, T, D
        fluxes = [
            member.predict(
                weather,
                attributes,
                embeddings[:, m],
                seasons[:, m],
                mask,
                mean_factor=self.mean_factor,
                has_response=self.has_response,
                told=told,
            )
            for m, member in enumerate(self.members)
        ]
        flux = torch.stack(fluxes, dim=1)  # B, member, T
        monthly = mean_by_month(flux, month_lengths(self.year, calendar=self.calendar))
        if not self.daily:
            return (monthly,)
        return monthly, flux.mean(1), _spread(flux)


def mean_by_month(flux: torch.Tensor, lengths: np.ndarray) -> torch.Tensor:
    """Monthly means of daily fluxes, by the days that each month has.

    Parameters
    ----------
    flux : (..., time), any units
    lengths : (12,), days; they sum to the size of time
    """
    months = torch.split(flux.double(), lengths.tolist(), dim=-1)
    return torch.stack([month.mean(-1) for month in months], dim=-1)


def are_finite(*arrays: np.ndarray) -> np.ndarray:
    """Cells (cell,) of which every number of every array (cell, ...) is finite."""
    rows = [np.isfinite(array).reshape(len(array), -1).all(axis=1) for array in arrays]
    return np.logical_and.reduce(rows)


def _spread(flux: torch.Tensor) -> torch.Tensor:
    """Standard deviation over members, (B, T); 0 where there is one."""
    return flux.std(1, correction=min(1, flux.shape[1] - 1))


def build_regions(outputs: Sequence[np.ndarray]) -> dict[str, xr.Dataset]:
    """Regions by store, of monthly means (cell, member, month) and daily mean and spread."""
    monthly = outputs[0].transpose(1, 2, 0)
    regions = {"monthly": xr.Dataset({"flux": (("member", "time", "cell"), monthly)})}
    if len(outputs) > 1:
        names = ("flux_daily_mean", "flux_daily_sd")
        regions["daily"] = xr.Dataset(
            {name: (("cell", "time"), x) for name, x in zip(names, outputs[1:], strict=True)}
        )
    return regions
