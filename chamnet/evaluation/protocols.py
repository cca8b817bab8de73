"""Protocols: what is held out, in which context modes it is predicted, and what is scored."""

import dataclasses

import numpy as np

from chamnet.data.splits import (
    TRAIN_YEARS,
    Split,
    assign_blocks,
    assign_folds,
    has_earlier_year,
    split_spatial,
    split_temporal,
)
from chamnet.data.windows import UNKNOWN_YEAR, PlaceData
from chamnet.errors import ConfigError
from chamnet.model.member import PRIOR

BLOCK_DEG = 10.0  # width of the blocks of simulated places: they stand denser than towers


@dataclasses.dataclass(frozen=True, slots=True)
class Protocol:
    """A way to hold out.

    Parameters
    ----------
    modes : context modes; training is judged in the last one of those that are asked for
    train_years : share of the span of a place's years that trains; None: places are held out
    is_blocked : whether places of a square of 10 degrees are taken as one cluster
    """

    modes: tuple[str, ...]
    train_years: float | None = None
    is_blocked: bool = False

    @property
    def is_spatial(self) -> bool:
        """Whether whole clusters of places are held out, and not later years."""
        return self.train_years is None

    def prepare(self, data: PlaceData) -> PlaceData:
        """The data with the clusters of this protocol."""
        if not self.is_blocked:
            return data
        blocks = assign_blocks(data.latitude, data.longitude, block_deg=BLOCK_DEG)
        return dataclasses.replace(data, cluster=blocks)

    def split(
        self, data: PlaceData, *, n_folds: int, fold: int, fold_seed: int, seed: int, share: float
    ) -> Split:
        """Windows by their use.

        Parameters
        ----------
        data : prepared
        n_folds, fold : of the clusters, and the one that is tested
        fold_seed : of the folds
        seed : of what validates
        share : of the training clusters that validate
        """
        place = data.windows["place"].to_numpy()
        if self.train_years is not None:
            return split_temporal(
                place,
                data.windows["year"].to_numpy(),
                has_score=data.is_measured,
                seed=seed,
                train_years=self.train_years,
            )
        return split_spatial(
            place,
            fold_of_place=folds_of(data, n_folds=n_folds, seed=fold_seed),
            cluster=data.cluster,
            fold=fold,
            validation_share=share,
            seed=seed,
        )

    def is_comparable(self, data: PlaceData) -> np.ndarray:
        """Windows that every context can be scored on, (n_windows,) bool.

        Of held-out places only those with an earlier measured year, or of an unknown one, so
        that few_shot and zero_shot see the same days.
        """
        if not self.is_spatial:
            return np.ones(len(data.windows), dtype=bool)
        place, year = data.windows["place"].to_numpy(), data.windows["year"].to_numpy()
        earlier = has_earlier_year(place, year, gives_response=data.is_measured)
        return earlier | (year == UNKNOWN_YEAR)

    def check(self, name: str, data: PlaceData, contexts: tuple[str, ...]) -> None:
        """Refuse what leaves nothing to score.

        Raises
        ------
        ConfigError
            If none of its modes is asked for, or no place has two measured years (of known
            windows) to split or to read.
        """
        if not set(self.modes) & set(contexts):
            raise ConfigError(
                f"skill.contexts {list(contexts)} has none of {list(self.modes)}, "
                f"which the {name} protocol needs"
            )
        measured = data.windows[data.is_measured]
        dated = measured[measured["year"] != UNKNOWN_YEAR]
        if self.is_spatial and not (data.is_measured & self.is_comparable(data)).any():
            raise ConfigError(
                f"skill.protocols: the {name} one scores windows with an earlier measured "
                f"year at their place, or of an unknown one, but the {data.n_places} places of "
                f"{data.target} have none"
            )
        if not self.is_spatial and not (dated.groupby("place")["year"].nunique() > 1).any():
            raise ConfigError(
                f"skill.protocols: the {name} one needs a place with two measured years, but the "
                f"{data.n_places} places of {data.target} have none; use the spatial one"
            )


PROTOCOLS = {
    "temporal": Protocol(("frozen", "rolling"), train_years=TRAIN_YEARS),
    "spatial": Protocol(("few_shot", "zero_shot", PRIOR)),
    "simulated_temporal": Protocol(("frozen", "rolling"), train_years=0.5, is_blocked=True),
    "simulated_spatial": Protocol(("few_shot", "zero_shot", PRIOR), is_blocked=True),
}


def folds_of(data: PlaceData, *, n_folds: int, seed: int) -> np.ndarray:
    """Fold of each place, (P,), balanced by the number of measured windows."""
    measured = data.windows.loc[data.is_measured, "place"]
    weight = np.bincount(measured, minlength=data.n_places)
    return assign_folds(data.cluster, n_folds=n_folds, seed=seed, weight=weight)


def training_part(data: PlaceData, split: Split) -> tuple[PlaceData, np.ndarray]:
    """What a model may learn from, and which of its windows validate.

    Places without a training window are left out, and so are the drivers of every year after a
    place's last training year: nothing of the held-out part enters a normalization.

    Returns
    -------
    data : places, drivers and windows of training and validation
    validation : (n_windows,) bool
    """
    is_kept = split.train | split.validation
    part = data.with_windows(is_kept)
    places = np.unique(part.windows["place"].to_numpy())
    part = part.select_places(places)
    last = part.windows.groupby("place")["year"].max().reindex(range(part.n_places)).to_numpy()
    is_after = (part.years[None, :] > last[:, None]) & (last[:, None] != UNKNOWN_YEAR)
    drivers = np.where(is_after[..., None, None], np.float32(np.nan), part.drivers)
    order = data.windows["place"].to_numpy()[is_kept]
    validation = split.validation[is_kept][np.argsort(order, kind="stable")]
    return dataclasses.replace(part, drivers=drivers), validation


def training_years(data: PlaceData, split: Split | None) -> np.ndarray:
    """Years of each place that hold a window which is not tested, (P, Y) bool."""
    windows = data.windows if split is None else data.windows[~split.test]
    known = windows[windows["year"] != UNKNOWN_YEAR]
    allowed = np.zeros((data.n_places, len(data.years)), dtype=bool)
    allowed[known["place"], np.searchsorted(data.years, known["year"])] = True
    return allowed
