"""Who else works on a run."""
