#!/usr/bin/env python3
"""Forty moments of a kill in `init --ceremony`; `make torture` takes three hundred."""
import importlib.util
import os
import pathlib
import sys

if importlib.util.find_spec("shamir_mnemonic") is None:
    print("shamir-mnemonic is not installed (PyPI)")
    sys.exit(77)
script = pathlib.Path(os.environ["REPOSITORY"], "Tests/Torture/ceremony_kills.py")
os.execv(sys.executable, [sys.executable, str(script), "--kills", "40"])
