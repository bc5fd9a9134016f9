"""A study from its file to its results: train, query, release, attack, measure, compare."""
