"""Stages that do more than train all weights: pruning, heads, ensembles, Monte Carlo outputs."""
