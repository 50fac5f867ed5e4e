#!/usr/bin/env python3
"""A hundred and sixty moments of a kill within rotations, ratchets, backups and restores, others in stores, purges
and starts, and what every copy opens afterwards; with the forty of ceremonies that is two hundred. `make torture`
takes 2000."""
import os
import pathlib
import sys

script = pathlib.Path(os.environ["REPOSITORY"], "Tests/Torture/key_kills.py")
os.execv(sys.executable, [sys.executable, str(script), "--kills", "160"])
