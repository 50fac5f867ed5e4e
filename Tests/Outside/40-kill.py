#!/usr/bin/env python3
"""Fifty kills of a busy service, each with its full check; `make torture` does a thousand."""
import os
import pathlib
import sys

script = pathlib.Path(os.environ["REPOSITORY"], "Tests/Torture/kill.py")
os.execv(sys.executable, [sys.executable, str(script), "--kills", "50"])
