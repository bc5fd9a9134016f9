"""`python -m leakbench` is the command `leakbench`."""

import sys

if (
    not sys.flags.safe_path
):  # `-m` put the current folder first: a ./filelock.py must not stand in for the package
    del sys.path[0]

from .cli.app import main

sys.exit(main())
