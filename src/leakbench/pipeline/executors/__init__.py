"""Executors, which start workers for a run."""
