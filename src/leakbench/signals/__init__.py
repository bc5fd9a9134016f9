"""From a model's answers to the numbers that attacks read."""
