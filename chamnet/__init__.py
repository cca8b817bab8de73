"""Maps and budgets of methane fluxes of the land surface, from measurements at places.

What the pipeline's rules do, a few functions do without Snakemake; they are imported when used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_FUNCTIONS = {
    "open_drivers": ("chamnet.data.store", "open_store"),
    "train": ("chamnet.training.member", "train_member"),
    "embed": ("chamnet.inference.embed", "embed_year"),
    "predict": ("chamnet.inference.predict", "predict_year"),
    "integrate": ("chamnet.budget.integrate", "integrate_year"),
    "score": ("chamnet.evaluation.score", "score_checkpoints"),
}
__all__ = ["__version__", *_FUNCTIONS]


def __getattr__(name: str) -> Any:
    """Function of the public API; its module is imported now and not before."""
    if name not in _FUNCTIONS:
        raise AttributeError(f"module 'chamnet' has no attribute {name!r}")
    module, function = _FUNCTIONS[name]
    return getattr(importlib.import_module(module), function)
