"""CHAM-net and its baselines; tensors in, tensors out."""
