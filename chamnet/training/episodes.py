"""Episodes: a place, a target year, and a context that never holds its response."""

import dataclasses
import logging
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from chamnet.config import TrainConfig
from chamnet.data.normalization import HIGHEST_NORMALIZED, Normalization
from chamnet.data.windows import MEASURED, PlaceData, place_windows_in_years, read_response
from chamnet.errors import InputError, LeakError
from chamnet.model.encoder import pool_year
from chamnet.timeaxis import year_fraction

logger = logging.getLogger(__name__)

PARTIAL_SHARE = 0.15  # episodes whose context holds a few months of response in one year alone
PENTADS = 73  # of a year
PARTIAL_START, PARTIAL_LENGTH = (0, 70), (6, 37)  # pentads: anywhere, one month to six
PRECEDING_SHARE = 0.5  # episodes whose context years are those before the target year


class Episodes(NamedTuple):
    """A batch; dims B episodes, Y context years (the target year last), T days, W windows.

    ``pooled`` (B, Y, bins, D + 2), ``year_mask`` (B, Y), ``drivers`` (B, T, D), ``attributes``
    (B, A), ``fraction`` (B, T); ``first``, ``last``, ``observed`` (over the flux scale) and
    ``weight`` (B, W); ``distance_deg`` (B, B); ``told`` (B, T), a prior flux of the target year
    over the response scale, None where there is none.
    """

    pooled: Tensor
    year_mask: Tensor
    drivers: Tensor
    attributes: Tensor
    fraction: Tensor
    first: Tensor
    last: Tensor
    observed: Tensor
    weight: Tensor
    distance_deg: Tensor
    told: Tensor | None = None

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        moved = (t if t is None else t.to(device, non_blocking=True) for t in self)
        return type(self)(*moved)


@dataclasses.dataclass(frozen=True)
class EpisodeSource:
    """Everything that episodes are drawn from, as tensors, normalized once.

    Parameters
    ----------
    drivers : (P, Y, T, D), normalized
        NaN where absent.
    attributes : (P, A), normalized
    pooled : (P, Y, bins, D + 2)
    has_drivers : (P, Y)
    fraction : (Y, T)
    first, last, observed, weight : (P, Y, W)
        Windows of each place and year; a weight of 0 fills up.
    distance_deg : (P, P)
    told : (P, Y, T), over the response scale
        A prior flux, which contexts then hold too, always; None: they hold what was measured.
    """

    drivers: Tensor
    attributes: Tensor
    pooled: Tensor
    has_drivers: Tensor
    fraction: Tensor
    first: Tensor
    last: Tensor
    observed: Tensor
    weight: Tensor
    distance_deg: Tensor
    told: Tensor | None = None

    @classmethod
    def of(
        cls,
        data: PlaceData,
        normalization: Normalization,
        *,
        n_bins: int,
        filled_weight: float,
        has_response: bool = True,
    ) -> Self:
        """Tensors of places.

        Parameters
        ----------
        data : places and the windows to learn from
        normalization : of drivers, attributes and flux
        n_bins : of a pooled context year
        filled_weight : of filled days against measured ones
        has_response : False leaves every response out

        Raises
        ------
        InputError
            If no window lies in a year with drivers.
        """
        drivers = normalization.normalize_drivers(data.drivers, data.driver_names)
        drivers = torch.from_numpy(drivers).clamp(-HIGHEST_NORMALIZED, HIGHEST_NORMALIZED)
        attributes = normalization.normalize_attributes(data.attributes, data.attribute_names)
        response = torch.from_numpy(read_response(data) / normalization.response_scale)
        if not has_response:
            response = torch.full_like(response, torch.nan)
        windows = _window_tensors(data, normalization.flux_scale, filled_weight)
        return cls(
            drivers=drivers,
            attributes=torch.from_numpy(attributes.astype(np.float32)).clamp(
                -HIGHEST_NORMALIZED, HIGHEST_NORMALIZED
            ),
            pooled=_pool(drivers, response.float(), data.n_steps, n_bins),
            has_drivers=torch.from_numpy(data.has_drivers),
            fraction=_fractions(data.n_steps, drivers.shape[2]),
            distance_deg=_distance_deg(data.latitude, data.longitude),
            told=None if data.prior_flux is None else response.float(),
            **windows,
        )

    def draw(self, generator: torch.Generator, options: TrainConfig) -> Episodes:
        """Draw a batch of episodes.

        Places are weighted by the root of their weight of observations, years of a place
        likewise, so that long records do not rule.

        Raises
        ------
        InputError
            If every window has a weight of 0.
        """
        year_weight = self.weight.sum(dim=-1).sqrt()  # (P, Y)
        place_weight = self.weight.sum(dim=(-1, -2)).sqrt()  # (P,)
        n_places = int((place_weight > 0).sum())
        if n_places == 0:
            raise InputError("no window to learn from is measured, and train.filled_weight is 0")
        replace = n_places < options.batch_places
        places = torch.multinomial(
            place_weight, options.batch_places, replacement=replace, generator=generator
        )
        targets = torch.multinomial(year_weight[places], 1, generator=generator).squeeze(1)
        years = self._draw_context(places, targets, generator, options)
        draw_response = _keep_response if self.told is not None else _draw_response
        span = draw_response(len(places), self.pooled.shape[2], generator, options)
        episodes = self.build(places, targets, years, *span)
        return _hide_attributes(episodes, generator, options)

    def _draw_context(
        self, places: Tensor, targets: Tensor, generator: torch.Generator, options: TrainConfig
    ) -> Tensor:
        """Earlier years of each episode, oldest first, -1 where missing, (B, K)."""
        year = torch.arange(self.has_drivers.shape[1])
        shape = (len(places), len(year))
        is_candidate = self.has_drivers[places] & (year != targets.unsqueeze(1))
        is_candidate &= torch.rand(shape, generator=generator) >= options.year_dropout
        is_before = torch.rand(shape[0], 1, generator=generator) < PRECEDING_SHARE
        is_candidate &= ~is_before | (year < targets.unsqueeze(1))
        key = torch.where(
            is_before, (year + 1.0).expand(shape), torch.rand(shape, generator=generator)
        )
        key = torch.where(is_candidate, key, torch.zeros(()))
        best = key.topk(min(options.n_context_years, len(year)), dim=1)
        chosen = torch.where(best.values > 0, best.indices, -1)
        missing = options.n_context_years - chosen.shape[1]
        return functional.pad(chosen, (missing, 0), value=-1).sort(dim=1).values

    def build(
        self,
        places: Tensor,
        targets: Tensor,
        years: Tensor,
        response_first: Tensor,
        response_last: Tensor,
    ) -> Episodes:
        """Episodes of these places, target years and context years.

        Parameters
        ----------
        places, targets : (B,)
        years : (B, K)
            Earlier years, oldest first; -1 where missing.
        response_first, response_last : (B, K), bins
            Response outside of them is left out; first beyond last leaves all out.

        Raises
        ------
        LeakError
            If a context year with a response is the target year.
        """
        is_there = years >= 0
        pooled = self.pooled[places.unsqueeze(1), years]  # (B, K, bins, D + 2)
        bins = torch.arange(pooled.shape[2])
        is_kept = (bins >= response_first.unsqueeze(-1)) & (bins <= response_last.unsqueeze(-1))
        is_kept = is_kept & is_there.unsqueeze(-1)
        if self.told is None:
            check_no_leak(years, targets, is_kept.any(dim=-1))
        pooled = torch.cat([pooled[..., :-2], pooled[..., -2:] * is_kept.unsqueeze(-1)], dim=-1)
        itself = self.pooled[places, targets].unsqueeze(1)
        if self.told is None:
            itself = torch.cat([itself[..., :-2], torch.zeros_like(itself[..., -2:])], dim=-1)
        always = torch.ones(len(places), 1, dtype=torch.bool)
        return Episodes(
            pooled=torch.cat([pooled, itself], dim=1),
            year_mask=torch.cat([is_there, always], dim=1),
            drivers=self.drivers[places, targets],
            attributes=self.attributes[places],
            fraction=self.fraction[targets],
            first=self.first[places, targets],
            last=self.last[places, targets],
            observed=self.observed[places, targets],
            weight=self.weight[places, targets],
            distance_deg=self.distance_deg[places][:, places],
            told=None if self.told is None else self.told[places, targets],
        )


def _hide_attributes(
    episodes: Episodes, generator: torch.Generator, options: TrainConfig
) -> Episodes:
    """Some places' attributes put to their means, so that the network can do without."""
    shape = (len(episodes.attributes), 1)
    is_kept = torch.rand(shape, generator=generator) >= options.attribute_dropout
    return episodes._replace(attributes=episodes.attributes * is_kept)


def check_no_leak(years: Tensor, targets: Tensor, has_response: Tensor) -> None:
    """Refuse a context that holds the response of its target year.

    Parameters
    ----------
    years : (B, K), indices of context years
    targets : (B,), indices of target years
    has_response : (B, K)

    Raises
    ------
    LeakError
        If one does.
    """
    leaks = (years == targets.unsqueeze(1)) & has_response
    if leaks.any():
        row = int(leaks.any(dim=1).nonzero()[0])
        raise LeakError(
            f"the context of episode {row} holds the response of its target year "
            f"(year {int(targets[row])} of the places' years)"
        )


def _keep_response(
    n_episodes: int, n_bins: int, generator: torch.Generator, options: TrainConfig
) -> tuple[Tensor, Tensor]:
    """Bins of the response that each context year keeps, (B, K) each: all of them."""
    first = torch.zeros(n_episodes, options.n_context_years, dtype=torch.long)
    return first, torch.full_like(first, n_bins)


def _draw_response(
    n_episodes: int, n_bins: int, generator: torch.Generator, options: TrainConfig
) -> tuple[Tensor, Tensor]:
    """First and last bin of the response each context year keeps, (B, K) each."""
    K = options.n_context_years
    first, last = _keep_response(n_episodes, n_bins, generator, options)
    has_none = torch.rand(n_episodes, generator=generator) < options.response_dropout
    is_partial = torch.rand(n_episodes, generator=generator) < PARTIAL_SHARE
    start, length = (
        torch.randint(*pentads, (n_episodes,), generator=generator) * n_bins // PENTADS
        for pentads in (PARTIAL_START, PARTIAL_LENGTH)
    )
    is_last = torch.arange(K) == K - 1
    last[has_none] = -1
    partial = is_partial.unsqueeze(1) & ~has_none.unsqueeze(1)
    first = torch.where(partial, start.unsqueeze(1), first)
    last = torch.where(partial, torch.where(is_last, (start + length).unsqueeze(1), -1), last)
    return first, last


def _window_tensors(data: PlaceData, flux_scale: float, filled_weight: float) -> dict[str, Tensor]:
    """Windows of each place and year, filled up to the largest number, (P, Y, W) each."""
    rows = place_windows_in_years(data)
    if rows.empty:
        raise InputError(f"{data.target}: no window lies in a year with drivers")
    windows = data.windows.loc[rows["window"]]
    place, year = rows["place"].to_numpy(), rows["year_index"].to_numpy()
    slot = rows.groupby(["place", "year_index"]).cumcount().to_numpy()
    shape = (*data.has_drivers.shape, int(slot.max()) + 1)
    columns = {
        "first": rows["first"].to_numpy(),
        "last": rows["last"].to_numpy(),
        "observed": (windows["flux"] / flux_scale).to_numpy().astype(np.float32),
        "weight": np.where(windows["quality"] == MEASURED, 1, filled_weight).astype(np.float32),
    }
    tensors = {}
    for name, values in columns.items():
        full = np.zeros(shape, dtype=values.dtype)
        full[place, year, slot] = values
        tensors[name] = torch.from_numpy(full)
    return tensors


def _pool(drivers: Tensor, response: Tensor, n_steps: np.ndarray, n_bins: int) -> Tensor:
    years = [
        pool_year(drivers[:, y, :n], response[:, y, :n], n_bins=n_bins)
        for y, n in enumerate(n_steps.tolist())
    ]
    return torch.stack(years, dim=1)


def _fractions(n_steps: np.ndarray, n_days: int) -> Tensor:
    rows = np.ones((len(n_steps), n_days), dtype=np.float32)
    for row, n in zip(rows, n_steps, strict=True):
        row[:n] = year_fraction(int(n))
    return torch.from_numpy(rows)


def _distance_deg(latitude: np.ndarray, longitude: np.ndarray) -> Tensor:
    """Great-circle distance between places, degrees, (P, P)."""
    lat, lon = np.deg2rad(latitude), np.deg2rad(longitude)
    xyz = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    return torch.from_numpy(np.rad2deg(np.arccos(np.clip(xyz @ xyz.T, -1, 1))))
