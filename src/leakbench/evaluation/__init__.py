"""From outputs to measurements: attacks are run, measured, flagged and compared."""
