"""Trained members over every cell, batch by batch."""
