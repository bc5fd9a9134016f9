"""Saved outputs of a model: read, checked and arranged as signals."""
