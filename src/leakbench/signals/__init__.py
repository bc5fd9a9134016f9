"""From a model's outputs to the statistics that attacks use."""
