"""Predictions at places, for scores; the code is beside the network, which training needs too."""

from chamnet.model.places import choose_context, predict_places

__all__ = ["choose_context", "predict_places"]
