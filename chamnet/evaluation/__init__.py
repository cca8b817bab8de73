"""Held-out skill, calibration and applicability."""
