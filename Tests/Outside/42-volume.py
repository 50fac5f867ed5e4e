#!/usr/bin/env python3
"""A volume that is full, becomes read-only, or loses power; `make torture` does it for longer."""
import os
import pathlib
import sys

script = pathlib.Path(os.environ["REPOSITORY"], "Tests/Torture/volume.py")
os.execv(sys.executable, [sys.executable, str(script), "--fills", "1", "--faults", "1", "--cuts", "3", "--kinds", "tmpfs,ext4"])
