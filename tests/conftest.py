"""Test workers share the cores: each of them, and each process that a test starts, uses one thread.

What is imported and collected stays to the end, so the garbage collector never looks at it. Temporary folders lie in
memory where there is room, since a store waits for the disk after each file.
"""

import gc
import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads OpenMP
gc.disable()
MEMORY = Path("/dev/shm")
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2**32:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()
