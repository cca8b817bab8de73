"""Episodes of what is held out: early stopping is judged on them."""

import numpy as np
import torch

from chamnet.data.windows import PlaceData, place_windows_in_years
from chamnet.model.places import ABSENT, choose_context
from chamnet.training.episodes import Episodes, EpisodeSource

EPISODES_PER_BATCH = 64


def build_held_out(
    data: PlaceData,
    source: EpisodeSource,
    is_held_out: np.ndarray,
    mode: str,
    n_context_years: int,
) -> list[Episodes]:
    """Batches of every place and year that holds measured held-out windows, in one context mode.

    Parameters
    ----------
    data : places and all their windows
    source : of the same places and windows
    is_held_out : (n_windows,) of bool
    mode : zero_shot reads no response, prior that of the target year too; the others read those
        before the target year
    n_context_years : earlier years at most
    """
    rows = place_windows_in_years(data)
    is_judged = is_held_out & data.is_measured
    rows = rows[is_judged[rows["window"]]]
    pairs = rows[["place", "year_index"]].drop_duplicates().to_numpy()
    has_response = (source.pooled[..., -1] > 0).any(dim=-1).numpy()
    if mode == "zero_shot":  # years are chosen as they are where nothing was measured
        has_response = np.zeros_like(has_response)
    batches = []
    for begin in range(0, len(pairs), EPISODES_PER_BATCH):
        places, targets = pairs[begin : begin + EPISODES_PER_BATCH].T
        years = np.stack(
            [
                choose_context(
                    source.has_drivers[[p]].numpy(),
                    has_response[[p]],
                    target=int(t),
                    n_years=n_context_years,
                )[0]
                for p, t in zip(places, targets, strict=True)
            ]
        )
        first = torch.zeros(years.shape, dtype=torch.long)
        last = torch.full(years.shape, ABSENT if mode == "zero_shot" else source.pooled.shape[2])
        batches.append(
            source.build(*(torch.from_numpy(v) for v in (places, targets, years)), first, last)
        )
    return batches
