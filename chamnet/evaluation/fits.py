"""One fit of a cross-validation: a model, a protocol, a fold and a seed.

Its digest is of all that its predictions follow from, the code that makes them too.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chamnet.evaluation.learned import CHAMNET, FOREST, NETWORKS, WITH_CLASS, read_settings
from chamnet.evaluation.pretrained import Pretraining
from chamnet.evaluation.protocols import PROTOCOLS, Protocol
from chamnet.provenance import digest_of_code, digest_of_file, digest_of_values, read_json

PROCESS_MODEL = "process_model"  # the prior flux itself
_OF_NETWORKS = ("chamnet.training.member", "chamnet.model.places")
CODE_OF_MODEL = {
    CHAMNET: (*_OF_NETWORKS, "chamnet.evaluation.swapped"),
    WITH_CLASS: _OF_NETWORKS,
    **{name: (NETWORKS[name].__module__, *_OF_NETWORKS) for name in NETWORKS},
    FOREST: ("chamnet.model.baselines.forest",),
    PROCESS_MODEL: ("chamnet.model.baselines.process_model",),
    "climatology": ("chamnet.model.baselines.climatology",),
    "last_year": ("chamnet.model.baselines.last_year",),
    "class_month": ("chamnet.model.baselines.class_month",),
}
CODE_OF_EVERY_FIT = ("chamnet.evaluation.protocols", "chamnet.evaluation.predictions")
FILES_OF_EVERY_FIT = tuple(  # by themselves, without what they import
    Path(__file__).with_name(f"{name}.py") for name in ("fits", "fitting", "kept_fits", "learned")
)
MODELS = tuple(CODE_OF_MODEL)


@dataclasses.dataclass(frozen=True)
class Fit:
    """What is fitted, and on which part of which observations.

    Parameters
    ----------
    observations : manifest of a target's observations
    target : emission or consumption
    protocol : a key of ``PROTOCOLS``
    model : one of ``MODELS``, or ``chamnet:<variant>``
    fold : of the clusters; 0 where years are held out
    n_folds : folds of the clusters
    seed : of folds, weights and draws
    contexts : modes that are predicted in
    options : plain values: ``model`` and ``train`` of the network, ``n_members``; of CHAM-net
        ``swap_history`` too; where there is a prior, ``pretrain``
    prior : manifest of simulated places that networks are pretrained on and the forest learns
        from too; None: of none
    prior_flux, prior_flux_simulated : manifests of a process model's flux at the places and at
        the simulated ones; None: what was measured is read
    """

    observations: str
    target: str
    protocol: str
    model: str
    fold: int
    n_folds: int
    seed: int
    contexts: tuple[str, ...]
    options: Mapping[str, Any]
    prior: str | None = None
    prior_flux: str | None = None
    prior_flux_simulated: str | None = None

    @property
    def name(self) -> str:
        """Words for the log."""
        part = f" fold {self.fold + 1}/{self.n_folds}" if self.rules.is_spatial else ""
        with_prior = " with a prior flux" if self.prior_flux else ""
        return f"{self.target} {self.protocol} {self.model}{with_prior}{part} seed {self.seed}"

    @property
    def rules(self) -> Protocol:
        """What its protocol holds out."""
        return PROTOCOLS[self.protocol]

    @property
    def kind(self) -> str:
        """The model, whatever its variant."""
        return self.model.split(":")[0]

    @property
    def is_chamnet(self) -> bool:
        """Whether it is CHAM-net, one of its variants, or CHAM-net with the class."""
        return self.kind in (CHAMNET, WITH_CLASS)

    @property
    def is_network(self) -> bool:
        """Whether it is trained by steps: CHAM-net or a baseline that learns likewise."""
        return self.is_chamnet or self.kind in NETWORKS

    @property
    def modes(self) -> tuple[str, ...]:
        """Modes of the protocol that were asked for; training is judged in the last one."""
        return tuple(mode for mode in self.rules.modes if mode in self.contexts)

    @property
    def pretraining(self) -> Pretraining | None:
        """What its networks begin with; None where they begin anew, and for other models."""
        if self.prior is None or not self.is_network:
            return None
        options = {name: self.options[name] for name in ("model", "train", "pretrain")}
        return Pretraining(self.prior, self.kind, self.seed, options, self.prior_flux_simulated)

    @property
    def digest(self) -> str:
        """Digest of data, options and code that the predictions follow from."""
        values = dataclasses.asdict(self) | {"observations": None}
        for name in ("prior", "prior_flux", "prior_flux_simulated"):
            values[name] = values[name] and read_json(values[name])["digest"]
        content = read_json(self.observations)
        code = digest_of_code(*CODE_OF_EVERY_FIT, *CODE_OF_MODEL[self.kind])
        code += "".join(map(digest_of_file, FILES_OF_EVERY_FIT))
        if not self.is_network:
            values["options"] = None  # of networks alone
        if self.kind in NETWORKS:
            code += repr(read_settings(self.kind))
        if self.pretraining is not None:
            values["pretraining"] = self.pretraining.digest
        return digest_of_values([values, content.get("content"), content.get("digest"), code])[:20]
