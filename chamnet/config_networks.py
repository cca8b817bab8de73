"""Options of networks: what they are, what trains them, and what they are compared with."""

from typing import Any, Literal

import pydantic
from pydantic import Field

from chamnet.config_products import Fraction, Name, Section

Mode = Literal["frozen", "rolling", "few_shot", "zero_shot", "prior"]
CellMode = Literal["zero_shot", "prior"]
Baseline = Literal[
    "lstm", "lstm_history", "ea_lstm", "tcn", "transformer", "itransformer", "forest",
    "climatology", "last_year", "class_month", "process_model",
]  # fmt: skip


class OtherModel(Section):
    """Fluxes of another process model, taken in place of ours."""

    flux_path: str | None = Field(
        None, description="fluxes of another model in place of ours: file, Zarr, or folder of files"
    )
    flux_variable: str | None = Field(None, description="its variable; None: a name we know")
    flux_units: str | None = Field(None, description="of it, where the file does not say them")
    wetland_variable: str | None = Field(
        None, description="wetland share of cells that a flux per area of cell is divided by"
    )


class PriorConfig(OtherModel):
    """The process model's flux that contexts hold in the mode prior, at places and cells."""

    parameter_spread: float = Field(
        0.3, ge=0, le=2, description="of the log factors that make the parameters another run's"
    )


class SimulateConfig(OtherModel):
    """Places simulated by the process model, for networks to be pretrained on."""

    n_places: int = Field(
        1600, ge=4, le=100_000, description="places, or draws of traits at places"
    )
    trait_strength: float = Field(
        1.0, ge=0, le=5, description="spread of the hidden traits, relative to the default"
    )
    parameter_spread: float = Field(
        0.3, ge=0, le=2, description="of the log factors that make the parameters another run's"
    )
    climate_spread_k: float = Field(
        2.0, ge=0, le=10, description="shift of temperature, K, where towers' weather is repeated"
    )
    window_days: int | None = Field(None, ge=1, le=366, description="of windows; None: months")


class PretrainConfig(Section):
    """A first network from the simulated places, which the members begin with."""

    n_steps: int = Field(0, ge=0, description="episodes' batches at most; 0: no pretraining")
    batch_places: int = Field(64, ge=2, description="places of a batch")
    steps_per_epoch: int = Field(
        200, ge=1, description="batches between two looks at the many held-out places"
    )


class ModelConfig(Section):
    """CHAM-net: sizes, and the parts that an ablation switches off."""

    n_hidden: int = Field(48, ge=4, le=1024, description="width of the decoder's LSTM")
    n_hidden_encoder: int = Field(
        32, ge=4, le=1024, description="width of the year encoder, each way"
    )
    n_embedding: int = Field(32, ge=2, le=1024, description="width of a year embedding")
    n_season: int = Field(
        8, ge=1, le=64, description="numbers a month of the seasonal summary, beside the drivers"
    )
    pool_days: int = Field(5, ge=1, le=31, description="days pooled before a context year is read")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout of decoder inputs and outputs")
    contrastive: bool = Field(True, description="contrastive loss on year embeddings")
    year_level: bool = Field(True, description="encode year by year; False reads the context flat")
    cross_year: bool = Field(True, description="recurrent unit over the years; False means them")
    conditioning: Literal["film", "concatenate"] = Field(
        "film", description="how the embedding acts"
    )
    season: bool = Field(True, description="seasonal summary as an input of the decoder")
    anchor: bool = Field(
        True, description="the cycle measured at a place is the base of its flux there"
    )
    response: bool = Field(True, description="responses in the context; False: drivers only")


class TrainConfig(Section):
    """Training of the members."""

    n_members: int = Field(
        3, ge=1, le=100, description="networks a target, bootstrapped by cluster"
    )
    n_steps: int = Field(400, ge=1, description="episodes' batches at most")
    steps_per_epoch: int = Field(
        50, ge=1, description="batches between two looks at held-out places"
    )
    patience: int = Field(5, ge=1, description="epochs without gain before training stops")
    batch_places: int = Field(32, ge=2, description="places of a batch")
    learning_rate: float = Field(
        3e-3, gt=0, le=1, description="highest rate of the one-cycle schedule"
    )
    weight_decay: float = Field(1e-2, ge=0, description="of AdamW")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    contrastive_weight: float = Field(0.1, ge=0, description="weight of the contrastive loss")
    temperature: float = Field(0.2, gt=0, description="temperature of the contrastive loss")
    near_deg: float = Field(1.0, ge=0, description="places closer are no negatives of each other")
    log_weight: float = Field(
        0.6, ge=0, le=1, description="share of the loss on log(1 + flux); the rest is Huber's"
    )
    response_dropout: Fraction = Field(0.4, description="episodes without any response")
    year_dropout: Fraction = Field(0.3, description="chance that a context year is left out")
    attribute_dropout: Fraction = Field(
        0.5, description="chance that an episode's attributes are hidden"
    )
    n_context_years: int = Field(4, ge=0, le=50, description="earlier years an episode may hold")
    filled_weight: Fraction = Field(0.1, description="weight of filled days against measured ones")
    validation_share: float = Field(
        0.2, gt=0, lt=1, description="clusters held out for early stopping"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: CUDA where there is one, a GPU a member"
    )
    bfloat16: bool = Field(False, description="autocast to bfloat16 while training")


class SkillConfig(Section):
    """Cross-validation, under the target ``skill``."""

    protocols: list[Literal["temporal", "spatial"]] = Field(
        ["temporal", "spatial"],
        min_length=1,
        description="what is held out of the observed places: later years, clusters",
    )
    models: list[Baseline | Literal["chamnet", "chamnet+class"]] = Field(
        ["chamnet", "lstm", "climatology"], min_length=1, description="models compared"
    )
    variants: dict[Name, dict[str, bool | int | float | str]] = Field(
        {}, description="options of model and train by name; each scored as chamnet:<name>"
    )
    swap_history: bool = Field(
        False, description="score CHAM-net also with another place's history, which must hurt"
    )
    pretrained: bool = Field(
        True,
        description="networks begin pretrained, as those of the maps do, where pretrain.n_steps "
        "is above 0; the forest learns from the simulated places too",
    )
    contexts: list[Mode] = Field(
        ["rolling", "few_shot", "zero_shot"], min_length=1, description="context modes scored"
    )
    n_folds: int = Field(5, ge=2, le=100, description="folds of clusters, spatial protocol")
    n_seeds: int = Field(1, ge=1, le=100, description="seeds a model")
    n_members: int = Field(1, ge=1, le=100, description="networks averaged in a fit")
    n_processes: int = Field(2, ge=1, le=256, description="fits side by side")

    @pydantic.field_validator("protocols", mode="before")
    @classmethod
    def _check(cls, protocols: Any) -> Any:
        if isinstance(protocols, list):
            simulated = [name for name in protocols if str(name).startswith("simulated_")]
            if simulated:
                raise ValueError(
                    f"{simulated} hold out simulated places, which a run does not score "
                    "(benchmarks/skill.py does), expected temporal or spatial"
                )
        return protocols
