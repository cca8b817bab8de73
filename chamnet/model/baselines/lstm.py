"""LSTM on the year's drivers and the place's attributes: the network without any history.

Kratzert et al. (2019), HESS 23, 5089-5110, doi:10.5194/hess-23-5089-2019, with the loss, the
optimizer, the number of batches and the early stopping that CHAM-net is trained with.
"""

import copy
import dataclasses
import logging
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from chamnet.config import TrainConfig
from chamnet.data.normalization import Normalization
from chamnet.data.windows import MEASURED, PlaceData, place_windows_in_years
from chamnet.errors import InputError
from chamnet.timeaxis import year_fraction

logger = logging.getLogger(__name__)

ROWS_PER_BATCH = 256
WARM_UP_SHARE = 0.15


class LSTMNetwork(nn.Module):
    """Daily flux of a year from its drivers, attributes and the phase of the year.

    Parameters
    ----------
    n_inputs : drivers, attributes and two numbers of the phase
    n_hidden : width
    dropout : of the inputs of the last layer
    """

    def __init__(self, *, n_inputs: int, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_inputs, n_hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(n_hidden, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Flux in units of the flux scale, (B, T), of inputs (B, T, D + A + 2)."""
        hidden, _ = self.lstm(inputs)  # (B, T, H)
        return nn.functional.softplus(self.head(self.dropout(hidden))).squeeze(-1)


@dataclasses.dataclass
class _Windows:
    """Windows in rows of (place, year): where each begins and ends, and what was observed."""

    row: Tensor  # (N,) of the place-years
    first: Tensor  # (N,)
    stop: Tensor  # (N,)
    flux: Tensor  # (N,), in units of the flux scale
    weight: Tensor  # (N,)


class LSTM:
    """The baseline: one `LSTMNetwork`, trained on window means of its daily flux.

    Parameters
    ----------
    train : options of the training, as CHAM-net's
    n_hidden, dropout : of the network
    threads : of torch

    Attributes
    ----------
    mean_factor : that restores the mean, which the loss puts too low; 1 until it is set
    """

    def __init__(
        self,
        *,
        train: TrainConfig | dict[str, Any] | None = None,
        n_hidden: int = 64,
        dropout: float = 0.2,
        threads: int = 1,
    ) -> None:
        self.options = train if isinstance(train, TrainConfig) else TrainConfig(**(train or {}))
        self.n_hidden, self.dropout, self.threads = n_hidden, dropout, threads
        self.mean_factor = 1.0

    def fit(self, train: PlaceData, validation: PlaceData | None = None, *, seed: int = 0) -> Self:
        """Train, and keep the weights that were best on the validation windows.

        Parameters
        ----------
        train : places and windows that give gradients
        validation : windows that stop the training; None trains on to the end
        seed : of weights and batches

        Raises
        ------
        InputError
            If no training window lies in a year with drivers.
        """
        torch.set_num_threads(self.threads)
        torch.manual_seed(seed)
        self._normalization = Normalization.fit(train)
        inputs = torch.from_numpy(self._inputs(train))
        windows = self._windows(train)
        if windows.row.numel() == 0:
            raise InputError(f"{train.target}: no training window lies in a year with drivers")
        held_out = self._windows(validation) if validation is not None else None
        if held_out is not None and held_out.row.numel() == 0:
            held_out = None
        self._network = LSTMNetwork(
            n_inputs=inputs.shape[-1], n_hidden=self.n_hidden, dropout=self.dropout
        )
        generator = np.random.default_rng(seed)
        draw = _RowDraw(windows, n_years=len(train.years), generator=generator)
        self._train(inputs, windows, held_out, draw)
        return self

    def predict(self, data: PlaceData) -> np.ndarray:
        """Flux of every day, (P, Y, T), kg m-2 s-1; NaN in years without drivers."""
        flux = self._run(torch.from_numpy(self._inputs(data))).numpy().astype(np.float64)
        flux *= self.mean_factor * self._normalization.flux_scale
        flux = flux.reshape(data.drivers.shape[:3])
        is_day = np.arange(flux.shape[-1]) < data.n_steps[:, None]  # (Y, T)
        return np.where(data.has_drivers[..., None] & is_day, flux, np.nan)

    def _inputs(self, data: PlaceData) -> np.ndarray:
        """Inputs of every place-year, (P * Y, T, D + A + 2), float32."""
        drivers = self._normalization.normalize_drivers(data.drivers, data.driver_names)
        attributes = self._normalization.normalize_attributes(data.attributes, data.attribute_names)
        P, Y, T, _ = drivers.shape
        phase = np.zeros((Y, T, 2), dtype=np.float32)
        for index, n in enumerate(data.n_steps):
            angle = 2 * np.pi * year_fraction(int(n))
            phase[index, :n] = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
        parts = (
            np.nan_to_num(drivers, nan=0.0),
            np.broadcast_to(attributes[:, None, None], (P, Y, T, attributes.shape[1])),
            np.broadcast_to(phase, (P, Y, T, 2)),
        )
        return np.concatenate(parts, axis=-1, dtype=np.float32).reshape(P * Y, T, -1)

    def _windows(self, data: PlaceData) -> _Windows:
        rows = place_windows_in_years(data)
        observed = data.windows.loc[rows["window"]]
        is_measured = observed["quality"].to_numpy() == MEASURED
        weight = np.where(is_measured, 1.0, self.options.filled_weight)
        place_year = rows["place"] * len(data.years) + rows["year_index"]
        flux = observed["flux"].to_numpy() / self._normalization.flux_scale
        kept = weight > 0
        return _Windows(
            row=torch.tensor(place_year.to_numpy()[kept]),
            first=torch.tensor(rows["first"].to_numpy()[kept]),
            stop=torch.tensor(rows["last"].to_numpy()[kept] + 1),
            flux=torch.tensor(flux[kept], dtype=torch.float32),
            weight=torch.tensor(weight[kept], dtype=torch.float32),
        )

    def _train(
        self, inputs: Tensor, windows: _Windows, held_out: _Windows | None, draw: "_RowDraw"
    ) -> None:
        options = self.options
        optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, options.learning_rate, options.n_steps, pct_start=WARM_UP_SHARE
        )
        best = _Best(self._network)
        for step in range(1, options.n_steps + 1):
            self._network.train()
            rows = draw.rows(options.batch_places)
            loss = self._loss(self._network(inputs[rows]), rows, windows)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self._network.parameters(), options.clip)
            optimizer.step()
            schedule.step()
            if held_out is not None and step % options.steps_per_epoch == 0:
                best.update(self._held_out_loss(inputs, held_out))
                logger.info("lstm: step %d/%d, held out %.4f", step, options.n_steps, best.last)
                if best.n_waited >= options.patience:
                    break
        best.restore()

    def _loss(self, flux: Tensor, rows: Tensor, windows: _Windows) -> Tensor:
        """Weighted mean of Huber's loss and of the squared error of signed logarithms."""
        place_in_batch = torch.full((int(windows.row.max()) + 1,), -1, dtype=torch.long)
        known = rows < place_in_batch.numel()
        place_in_batch[rows[known]] = torch.arange(rows.numel())[known]
        at = place_in_batch[windows.row]
        chosen = at >= 0
        predicted = _window_means(flux, at[chosen], windows.first[chosen], windows.stop[chosen])
        return self._errors(predicted, windows.flux[chosen], windows.weight[chosen])

    def _errors(self, predicted: Tensor, observed: Tensor, weight: Tensor) -> Tensor:
        huber = nn.functional.huber_loss(predicted, observed, reduction="none")
        logarithmic = (_signed_log(predicted) - _signed_log(observed)) ** 2
        mixed = self.options.log_weight * logarithmic + (1 - self.options.log_weight) * huber
        return (weight * mixed).sum() / weight.sum().clamp(min=1e-12)

    def _held_out_loss(self, inputs: Tensor, windows: _Windows) -> float:
        predicted = self._predict_windows(inputs, windows)
        return float(self._errors(predicted, windows.flux, windows.weight))

    def _predict_windows(self, inputs: Tensor, windows: _Windows) -> Tensor:
        rows, at = torch.unique(windows.row, return_inverse=True)
        return _window_means(self._run(inputs[rows]), at, windows.first, windows.stop)

    @torch.no_grad()
    def _run(self, inputs: Tensor) -> Tensor:
        self._network.eval()
        return torch.cat([self._network(part) for part in inputs.split(ROWS_PER_BATCH)])


class _Best:
    """The weights of the smallest held-out loss so far."""

    def __init__(self, network: nn.Module) -> None:
        self._network, self._weights = network, None
        self._loss, self.last, self.n_waited = np.inf, np.nan, 0

    def update(self, loss: float) -> None:
        """Keep the weights, if this loss is the smallest."""
        self.last, self.n_waited = loss, self.n_waited + 1
        if loss < self._loss:
            self._loss, self.n_waited = loss, 0
            self._weights = copy.deepcopy(self._network.state_dict())

    def restore(self) -> None:
        """Give the network its best weights; without any it keeps its last ones."""
        if self._weights is not None:
            self._network.load_state_dict(self._weights)


class _RowDraw:
    """Draws place-years for a batch: places alike, then one of a place's years."""

    def __init__(self, windows: _Windows, *, n_years: int, generator: np.random.Generator) -> None:
        self._rows = np.unique(windows.row.numpy())
        self._generator = generator
        place = self._rows // n_years
        _, index, counts = np.unique(place, return_inverse=True, return_counts=True)
        self._share = (1 / counts)[index] / counts.size

    def rows(self, n_rows: int) -> Tensor:
        """Distinct place-years, (B,)."""
        n_rows = min(n_rows, self._rows.size)
        drawn = self._generator.choice(self._rows, n_rows, replace=False, p=self._share)
        return torch.from_numpy(np.sort(drawn))


def _window_means(flux: Tensor, row: Tensor, first: Tensor, stop: Tensor) -> Tensor:
    """Means of daily flux (B, T) over windows, (N,), through cumulative sums."""
    total = nn.functional.pad(flux.double().cumsum(dim=1), (1, 0))  # (B, T + 1)
    return ((total[row, stop] - total[row, first]) / (stop - first)).float()


def _signed_log(values: Tensor) -> Tensor:
    return torch.sign(values) * torch.log1p(values.abs())
