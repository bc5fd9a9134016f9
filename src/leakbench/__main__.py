"""`python -m leakbench` is the command `leakbench`."""

import sys

from .cli import main

sys.exit(main())
