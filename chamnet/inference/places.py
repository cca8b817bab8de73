"""Predictions at places, in the context modes that scores are named by."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch

from chamnet.data.windows import PlaceData, build_response
from chamnet.errors import LeakError
from chamnet.model.checkpoint import Member

logger = logging.getLogger(__name__)

PLACES_PER_BATCH = 64


def predict_places(
    member: Member,
    data: PlaceData,
    *,
    mode: str,
    years: Sequence[int] | None = None,
    response_years: np.ndarray | None = None,
    n_context_years: int | None = None,
    restore_mean: bool = True,
    places_per_batch: int = PLACES_PER_BATCH,
) -> np.ndarray:
    """Daily flux of each place and year.

    The response of a target year, or of a later one, is never read: in no mode.

    Parameters
    ----------
    member : trained network
    data : places; their windows give the responses of the context (measured ones alone)
    mode : what of the responses the context may hold
        ``zero_shot`` none; ``rolling`` and ``few_shot`` those of all years before the target
        year; ``frozen`` those of the ``response_years`` before it.
    years : target years; None for all
        Years that a place has no drivers of stay NaN.
    response_years : (P, Y) of bool
        Years whose response may be read at all (the training years); needed by ``frozen``, and
        a further limit in the other modes.
    n_context_years : earlier years in a context at most; the member's own when None
    restore_mean : whether the mean is restored by the member's factor of the mode
    places_per_batch : places in a forward pass

    Returns
    -------
    (P, Y, T), kg m-2 s-1
        NaN beyond the end of a short year and where nothing is predicted.

    Raises
    ------
    CheckpointError
        If the member was not trained for the mode, the drivers, attributes or as many years.
    LeakError
        If ``frozen`` is asked for without the years that it may read.
    """
    raise NotImplementedError
