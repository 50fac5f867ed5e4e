"""A root key shared out 3 of 5 with the program, and the pages read by pdftotext."""
import os
import re
import subprocess

from vault_service import CALLVAULT


def words_of(page):
    """The words of a page, by their numbers."""
    text = subprocess.run(["pdftotext", "-layout", page, "-"], capture_output=True, check=True)
    found = {int(n): w for n, w in re.findall(r"(\d+)\.\s+([a-z]{4,8})\b", text.stdout.decode())}
    return " ".join(found[number] for number in range(1, 34))


def strangers(root, threshold, vault):
    """Shares of another ceremony for the same root; what it is called by is random, and in the first two words."""
    from shamir_mnemonic import generate_mnemonics
    while True:
        shares = generate_mnemonics(1, [threshold], root)[0]
        if shares[0].split()[:2] != vault.split()[:2]:
            return shares


def ceremony(service, pages, spoil=None, more=()):
    """Runs init with a ceremony and types every share back; returns its status and what it said."""
    os.makedirs(pages, exist_ok=True)
    process = subprocess.Popen(
        [CALLVAULT, "init", "--data", service.data, "--keys", service.keys, "--ceremony", "3-of-5",
         "--out", pages, *more, "--json"], env=service.environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = b""
    while b"Keeper 1" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    typed = []
    for number in range(1, 6):
        words = words_of(os.path.join(pages, "share-%d.pdf" % number))
        typed += (spoil(number, words) if spoil else [words])
    out, rest = process.communicate("".join(t + "\n" for t in typed).encode(), timeout=120)
    return process.returncode, out, (said + rest).decode()
