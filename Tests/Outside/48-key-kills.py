#!/usr/bin/env python3
"""Fifty kills of rotations, ratchets and purges, and what every copy opens afterwards; `make torture` does a
thousand."""
import os
import pathlib
import sys

script = pathlib.Path(os.environ["REPOSITORY"], "Tests/Torture/key_kills.py")
os.execv(sys.executable, [sys.executable, str(script), "--kills", "50"])
