"""The version of leakbench."""

__version__ = "0.1.0"
