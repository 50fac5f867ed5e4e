#!/usr/bin/env python3
"""A hundred and sixty moments of a kill in rotations, ratchets, purges, backups and restores, and what every
copy opens afterwards; `make torture` takes 2000."""
import os
import pathlib
import sys

script = pathlib.Path(os.environ["REPOSITORY"], "Tests/Torture/key_kills.py")
os.execv(sys.executable, [sys.executable, str(script), "--kills", "160"])
