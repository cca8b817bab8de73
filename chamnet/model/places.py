"""Predictions at places, in the context modes that scores are named by."""

import logging
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch

from chamnet.data.windows import PlaceData, read_response
from chamnet.errors import InputError, LeakError
from chamnet.model.checkpoint import Member
from chamnet.model.member import PRIOR

logger = logging.getLogger(__name__)

PLACES_PER_BATCH = 64
ABSENT = -1


def choose_context(
    has_drivers: np.ndarray, may_respond: np.ndarray, *, target: int, n_years: int
) -> np.ndarray:
    """Years before the target year that a context holds, oldest first.

    Those with a response that may be read come first, then the latest of the others.

    Parameters
    ----------
    has_drivers : (P, Y) of bool
    may_respond : (P, Y) of bool
        Whether there is a response that may be read.
    target : index of the target year
    n_years : earlier years at most

    Returns
    -------
    (P, n_years)
        Indices of years; -1 where there is none.
    """
    year = np.arange(has_drivers.shape[1])
    is_candidate = has_drivers & (year < target)
    rank = np.where(is_candidate, year + len(year) * may_respond, -1)
    best = np.argsort(rank, axis=1)[:, ::-1][:, :n_years]
    chosen = np.where(np.take_along_axis(rank, best, axis=1) >= 0, best, ABSENT)
    padding = np.full((len(chosen), n_years - chosen.shape[1]), ABSENT)
    return np.sort(np.concatenate([chosen, padding], axis=1), axis=1)


def predict_places(
    member: Member,
    data: PlaceData,
    *,
    mode: str,
    years: Sequence[int] | None = None,
    response_years: np.ndarray | None = None,
    n_context_years: int | None = None,
    restore_mean: bool = True,
    doubt_factor: float | None = None,
    places_per_batch: int = PLACES_PER_BATCH,
) -> np.ndarray:
    """Daily flux of each place and year.

    What was measured in a target year, or in a later one, is never read, in no mode.

    Parameters
    ----------
    member : trained network
    data : places; their windows give the responses of the context (measured ones alone)
    mode : what the context may hold of the responses
        ``zero_shot`` none; ``rolling`` and ``few_shot`` those of all years before the target
        year; ``frozen`` those of the ``response_years`` before it; ``prior`` the places' prior
        flux, of the target year too, and nothing that was measured.
    years : target years; None for all
        Years that a place has no drivers of stay NaN.
    response_years : (P, Y) of bool
        Years whose response may be read at all (the training years); needed by ``frozen``, and
        a further limit in the other modes.
    n_context_years : earlier years in a context at most; the member's own when None
    restore_mean : whether the mean is restored by the member's factor of the mode
    doubt_factor : of the doubt in what was measured; the member's of the mode when None
    places_per_batch : places in a forward pass

    Returns
    -------
    (P, Y, T), kg m-2 s-1
        NaN beyond the end of a short year and where nothing is predicted.

    Raises
    ------
    CheckpointError
        If the member was not trained for the mode, the drivers or the attributes, or for as
        many years.
    LeakError
        If ``frozen`` is asked for without the years that it may read.
    InputError
        If ``prior`` is asked for and there is no prior flux, or another mode and there is one.
    """
    check_response(data, mode)
    n_context = member.n_context_years if n_context_years is None else n_context_years
    member.check_fits(data.driver_names, data.attribute_names, mode=mode, n_context_years=n_context)
    pooled = _Pooled.of(member, data, mode=mode, response_years=response_years)
    factors = _Factors.of(member, mode, restore_mean=restore_mean, doubt_factor=doubt_factor)
    flux = np.full(data.drivers.shape[:3], np.nan)
    targets = data.years if years is None else years
    for target in np.flatnonzero(np.isin(data.years, list(targets))):
        chosen = choose_context(
            pooled.has_drivers, pooled.has_response, target=int(target), n_years=n_context
        )
        places = np.flatnonzero(pooled.has_drivers[:, target])
        for begin in range(0, len(places), places_per_batch):
            batch = places[begin : begin + places_per_batch]
            part = _predict_batch(member, data, pooled, batch, int(target), chosen[batch], factors)
            flux[batch, target, : part.shape[1]] = part
    return flux


def check_response(data: PlaceData, mode: str) -> None:
    """Refuse places whose contexts hold another kind of flux than the mode reads.

    Raises
    ------
    InputError
        If the mode is ``prior`` and there is no prior flux, or another one and there is.
    """
    if (mode == PRIOR) != (data.prior_flux is not None):
        has = "no prior flux" if data.prior_flux is None else "a prior flux"
        raise InputError(f"mode {mode!r}: the places of {data.target} come with {has}")


class _Factors(NamedTuple):
    """Of the mean and of the doubt."""

    mean_factor: float
    doubt_factor: float

    @classmethod
    def of(
        cls, member: Member, mode: str, *, restore_mean: bool, doubt_factor: float | None
    ) -> Self:
        """Those of a member in a mode."""
        own = member.doubt_factors.get(mode, 1.0)
        return cls(
            member.mean_factors.get(mode, 1.0) if restore_mean else 1.0,
            own if doubt_factor is None else doubt_factor,
        )


class _Pooled:
    """Every year of every place as the encoder reads it, as an earlier one and as the target."""

    def __init__(
        self, as_target: torch.Tensor, with_response: torch.Tensor, has_drivers: np.ndarray
    ) -> None:
        self.as_target = as_target  # (P, Y, bins, D + 2), without what was measured in it
        self.with_response = with_response
        self.has_drivers = has_drivers  # (P, Y)
        self.has_response = (with_response[..., -1] > 0).any(dim=-1).numpy()

    @classmethod
    def of(
        cls,
        member: Member,
        data: PlaceData,
        *,
        mode: str,
        response_years: np.ndarray | None,
    ) -> Self:
        """Pooled years of the data; what the mode forbids is left out here, before anything."""
        if mode == "frozen" and response_years is None:
            raise LeakError("mode 'frozen' needs response_years: the years it may read")
        response = read_response(data)
        if mode == "zero_shot":
            response[:] = np.nan
        if response_years is not None:
            response[~np.asarray(response_years, dtype=bool)] = np.nan
        pooled = [], []
        for index, n_steps in enumerate(data.n_steps):
            drivers = torch.from_numpy(data.drivers[:, index, :n_steps])
            year = torch.from_numpy(response[:, index, :n_steps])
            pooled[0].append(member.pool_year(drivers, year if mode == PRIOR else None))
            pooled[1].append(member.pool_year(drivers, year))
        return cls(torch.stack(pooled[0], 1), torch.stack(pooled[1], 1), data.has_drivers)


def _predict_batch(
    member: Member,
    data: PlaceData,
    pooled: _Pooled,
    batch: np.ndarray,
    target: int,
    chosen: np.ndarray,
    factors: _Factors,
) -> np.ndarray:
    """Flux (n, T) of the places of a batch in the target year."""
    if (chosen >= target).any():
        raise LeakError(f"a context of {data.years[target]} holds the target year or a later one")
    rows = torch.from_numpy(batch)
    earlier = pooled.with_response[rows[:, None], torch.from_numpy(chosen)]  # (n, K, bins, D + 2)
    itself = pooled.as_target[rows, target].unsqueeze(1)
    is_there = np.concatenate([chosen != ABSENT, np.ones((len(batch), 1), dtype=bool)], axis=1)
    n_steps = int(data.n_steps[target])
    told = {}
    if data.prior_flux is not None:
        told = {"told": torch.from_numpy(data.prior_flux[batch, target, :n_steps])}
    flux = member.predict_pooled(
        torch.from_numpy(data.drivers[batch, target, :n_steps]),
        torch.from_numpy(data.attributes[batch]),
        torch.cat([earlier, itself], dim=1),
        torch.from_numpy(is_there),
        **factors._asdict(),
        **told,
    )
    return flux.numpy()
