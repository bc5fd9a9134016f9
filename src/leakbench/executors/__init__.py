"""Where groups of training jobs run."""
