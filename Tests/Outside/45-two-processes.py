#!/usr/bin/env python3
"""Two programs on one data directory; `make torture` does it for longer."""
import os
import pathlib
import sys

script = pathlib.Path(os.environ["REPOSITORY"], "Tests/Torture/two_processes.py")
os.execv(sys.executable, [sys.executable, str(script), "--rounds", "2"])
