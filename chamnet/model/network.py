"""CHAM-net assembled: encoder, meta-network and decoder."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from chamnet.config import ModelConfig
from chamnet.model.anchor import SeasonalAnchor
from chamnet.model.conditioning import AttributeEmbedding, MetaNetwork, NoConditioning
from chamnet.model.daily_inputs import N_PHASE, DailyInputs
from chamnet.model.decoder import Decoder
from chamnet.model.encoder import (
    N_CONTEXT_CHANNELS,
    SiteEncoder,
    YearEncoder,
    pool_seasons,
    response_to_network,
)
from chamnet.timeaxis import N_MONTHS

DAYS_PER_YEAR = 365


class Context(NamedTuple):
    """What a place's years say.

    ``embeddings`` (B, Y, E), ``seasons`` (B, Y, 12, D + 2 + S), ``year_mask`` (B, Y).
    """

    embeddings: Tensor
    seasons: Tensor
    year_mask: Tensor


class CHAMNet(nn.Module):
    """Contrastive hierarchical adaptive meta-network for methane fluxes.

    This is OUR RECONSTRUCTION of CHAM-net (arXiv 2606.00338, 2026) from its abstract, the only
    part that is public to us; sizes, losses and inner parts are ours, and no figure of the
    paper is a figure of this code.

    A year encoder reads each context year; a site encoder reads the years in their order; a
    meta-network turns both, and the attributes, into conditions of the decoder, which reads
    the target year's drivers and the seasonal summary of the context. The drivers are split
    into the mean seasonal cycle of the context years and the departure from it: how a flux
    goes with the seasons says little about how it goes with a warm summer. Where the context
    holds a response, its mean seasonal cycle is the base of the flux (`SeasonalAnchor`) that the
    weather of the target year moves. No layer mixes places: a prediction does not depend on
    who else is in the batch.

    Parameters
    ----------
    n_drivers, n_attributes : D and A, A from 0
    config : sizes, and the parts that an ablation switches off
    reads_prior : whether the decoder is told a process model's flux of the target year
    """

    def __init__(
        self, *, n_drivers: int, n_attributes: int, config: ModelConfig, reads_prior: bool = False
    ) -> None:
        super().__init__()
        self.config, self.reads_prior = config, reads_prior
        self.n_bins = max(N_MONTHS, round(DAYS_PER_YEAR / config.pool_days))
        self.n_drivers = n_drivers
        self.n_season = n_drivers + N_CONTEXT_CHANNELS + config.n_season  # of a month's vector
        self.year_encoder = YearEncoder(
            n_drivers=n_drivers,
            n_hidden=config.n_hidden_encoder,
            n_embedding=config.n_embedding,
            n_season=config.n_season,
            n_bins=self.n_bins,
        )
        self.site_encoder = SiteEncoder(
            n_embedding=config.n_embedding, cross_year=config.cross_year
        )
        self.attribute_embedding = AttributeEmbedding(n_attributes=n_attributes)
        n_condition = 2 * config.n_embedding + self.attribute_embedding.n_out
        n_season = config.n_season if config.season else 0
        n_weather = 2 * n_drivers if config.season else n_drivers
        n_inputs = n_weather + n_attributes + N_PHASE + n_season + reads_prior
        if config.conditioning == "concatenate":
            n_inputs += n_condition
            self.meta_network = NoConditioning(n_inputs=n_inputs, n_hidden=config.n_hidden)
        else:
            self.meta_network = MetaNetwork(
                n_condition=n_condition,
                n_inputs=n_inputs,
                n_hidden=config.n_hidden,
                dropout=config.dropout,
            )
        self.decoder = Decoder(
            n_inputs=n_inputs, n_hidden=config.n_hidden, n_season=n_season, dropout=config.dropout
        )
        self.anchor = SeasonalAnchor(n_hidden=config.n_hidden) if config.anchor else None
        self.project = nn.Linear(config.n_embedding, max(config.n_embedding // 2, 2))

    def encode_years(self, pooled: Tensor, year_mask: Tensor) -> Context:
        """Embeddings and seasonal summaries of context years; missing ones cost nothing.

        Parameters
        ----------
        pooled : (B, Y, n_bins, D + 2), as ``pool_year`` gives it, oldest first
        year_mask : (B, Y)
        """
        if not self.config.year_level:
            return self._encode_flat(pooled, year_mask)
        B, Y = year_mask.shape
        embedding, season = self.year_encoder(pooled[year_mask])  # (N, E), (N, 12, S)
        embeddings = embedding.new_zeros(B, Y, embedding.shape[-1])
        seasons = season.new_zeros(B, Y, N_MONTHS, season.shape[-1])
        embeddings[year_mask], seasons[year_mask] = embedding, season
        return Context(embeddings, seasons, year_mask)

    def _encode_flat(self, pooled: Tensor, year_mask: Tensor) -> Context:
        """The ablation without a year level: all years averaged to one, read once."""
        weight = year_mask.to(pooled.dtype)[:, :, None, None]  # (B, Y, 1, 1)
        share = (pooled[..., -1:] * weight).sum(dim=1)  # (B, n_bins, 1)
        n_years = weight.sum(dim=1).clamp(min=1)
        drivers = (pooled[..., :-2] * weight).sum(dim=1) / n_years
        response = (pooled[..., -2:-1] * pooled[..., -1:] * weight).sum(dim=1)
        response = response / share.clamp(min=1e-6)
        mean_year = torch.cat([drivers, response, share / n_years], dim=-1)
        embedding, season = self.year_encoder(mean_year)
        has_any = year_mask.any(dim=1, keepdim=True)
        return Context(embedding.unsqueeze(1), season.unsqueeze(1), has_any)

    def decode(
        self,
        context: Context,
        drivers: Tensor,
        attributes: Tensor,
        fraction: Tensor,
        *,
        doubt_factor: float = 1.0,
        has_response: bool | None = None,
        told: Tensor | None = None,
    ) -> Tensor:
        """Flux of each day of the target year over the flux scale, never negative.

        Parameters
        ----------
        context : of the places
        drivers : (B, T, D), normalized
            NaN where absent.
        attributes : (B, A), normalized
        fraction : (B, T), or (1, T) for all, of the year at the middle of each day
        doubt_factor : of the anchor's doubt
        has_response : whether a response was measured at any of the places
            None looks, and waits for a GPU to have found it.
        told : (B, T), a process model's flux of the target year over the response scale
            NaN where absent; None for a network that reads none.

        Returns
        -------
        (B, T)
        """
        identity, evolution = self.site_encoder(context.embeddings, context.year_mask)
        known = self.attribute_embedding(attributes)
        condition = torch.cat([identity, evolution, known], dim=-1)  # (B, C)
        season = pool_seasons(context.seasons, context.year_mask, n_drivers=self.n_drivers)
        inputs = DailyInputs(
            attributes=attributes,
            fraction=fraction,
            condition=condition[:, :0] if self.config.conditioning == "film" else condition,
            told=self._read_told(told, drivers),
            drivers=drivers,
            season=self._read_season(season),
        )
        response, coverage = season[..., self.n_drivers], season[..., self.n_drivers + 1]
        if has_response is None:  # asked here, where a GPU has little to finish first
            has_response = self.anchor is not None and bool(coverage.any())
        has_base = self.anchor is not None and has_response
        flux, states = self.decoder(inputs, self.meta_network(condition), needs_states=has_base)
        if not has_base:
            return flux
        measured = response.float(), coverage.float()
        return self.anchor(flux, states, *measured, fraction, doubt_factor=doubt_factor, told=told)

    def _read_told(self, told: Tensor | None, drivers: Tensor) -> Tensor:
        """A process model's flux as the decoder reads it, (B, T, 1), or nothing, (B, T, 0)."""
        if not self.reads_prior:
            return drivers[..., :0]
        return response_to_network(told.nan_to_num(0.0)).unsqueeze(-1)

    def _read_season(self, season: Tensor) -> Tensor | None:
        """The mean cycle of the drivers and the seasonal summary, (B, 12, D + S)."""
        if not self.config.season:
            return None
        D = self.n_drivers
        return torch.cat([season[..., :D], season[..., D + N_CONTEXT_CHANNELS :]], dim=-1).float()

    def forward(
        self,
        pooled: Tensor,
        year_mask: Tensor,
        drivers: Tensor,
        attributes: Tensor,
        fraction: Tensor,
        told: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Flux over the flux scale, and projected year embeddings for the contrastive loss.

        Parameters
        ----------
        pooled : (B, Y, n_bins, D + 2), context years, oldest first
        year_mask : (B, Y)
        drivers : (B, T, D), of the target year
        attributes : (B, A)
        fraction : (B, T)
        told : (B, T), as ``decode`` takes it

        Returns
        -------
        (B, T), (B, Y, P)
        """
        context = self.encode_years(pooled, year_mask)
        flux = self.decode(context, drivers, attributes, fraction, told=told)
        return flux, self.project(context.embeddings)
