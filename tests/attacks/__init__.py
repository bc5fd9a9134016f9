"""Tests of the attacks and of the harness that runs them."""
