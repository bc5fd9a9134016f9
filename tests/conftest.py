"""Test workers share the cores: each of them, and each process that a test starts, uses one thread."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads OpenMP
