#!/usr/bin/env python3
"""Words and names that may not stand in this repository, and why.

Claims that a program cannot make, names that explain nothing, work left for later. Prints each
finding as file:line and exits 1. The patterns are written so that this file does not match itself.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Looked for in prose: Markdown and YAML as a whole, string literals and doc comments of Swift.
CLAIMS = [
    (r"HIPAA[- ](certified|compl[i]ant|compl[i]ance|approved)", "no program is; say what it does"),
    (r"\bF[I]PS\b", "the crypto library used here is not a validated module"),
    (r"\bimmut[a]ble\b", "say write-once, append-only, or what would be found out"),
    (r"\bunhack[a]ble\b|\bunbreak[a]ble\b|\bmilitary[- ]gr[a]de\b", "not a property of software"),
    (r"\btamper[- ]pr[o]of\b", "tampering is evident, not impossible"),
]
# A log can show that nothing logged was removed; never that everything was logged.
COMPLETE = (r"\bcompl[e]te(ness|ly)?\b", "the log cannot prove it; say what was checked")
UNFINISHED = [
    (r"\bTO[D]O\b|\bFIX[M]E\b|\bX{3}\b", "finish it, or write an issue"),
    (r"(?-i:not impl[e]mented|unimpl[e]mented)", "finish it, or leave it out"),
]
BANNERS = [(r"^\s*(//|#|/\*)\s*[-=*#~]{6,}", "no banner comments")]
EMPTY_NAMES = re.compile(r"(util(ity|ities|s)?|helpers?|manager|misc|common)(\.swift|/|$)", re.I)
TEXT = {".swift", ".md", ".yaml", ".yml", ".sh", ".py", ".h", ".c", ".go", ".json", ".service", ""}


# What tests are fed, some of it no text.
DATA = ("Tests/Vectors/", "Tests/Fuzz/Corpora/")


def tracked():
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True)
    return [name for name in listing.stdout.decode().split("\0") if name]


def strings_of(line):
    return " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', line))


def findings(name):
    path = ROOT / name
    if EMPTY_NAMES.search(name):
        yield 0, "name", "a file or folder is named by what it holds"
    if path.suffix not in TEXT or name.startswith(DATA) or name == "LICENSE":
        return
    if path.is_symlink() or not path.is_file():
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        yield 0, "encoding", "text files are UTF-8"
        return
    prose = path.suffix in {".md", ".yaml", ".yml"}
    swift = path.suffix == ".swift"
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, why in CLAIMS + UNFINISHED + (BANNERS if not prose else []):
            found = re.search(pattern, line, re.I if pattern[0] != "^" else 0)
            if found:
                yield number, found.group(0), why
        said = line if prose else strings_of(line) if swift and "Sources/" in name else ""
        found = re.search(COMPLETE[0], said, re.I)
        if found:
            yield number, found.group(0), COMPLETE[1]
        if swift and re.search(r"catch\s*\{\s*\}", line):
            yield number, "catch {}", "an error may not vanish"


def main():
    count = 0
    for name in tracked():
        for number, what, why in findings(name):
            count += 1
            print(f"{name}:{number}: {what!r}: {why}")
    print(f"wording: {count} findings")
    return 1 if count else 0


sys.exit(main())
