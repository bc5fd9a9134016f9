"""Reads and checks the saved outputs of a model, and arranges them as signals."""
