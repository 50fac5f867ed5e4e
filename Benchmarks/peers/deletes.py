"""The least that forgetting takes: rows deleted in SQLite as the catalog is set up, and files unlinked."""
import os
import pathlib
import secrets
import sqlite3
import sys
import time

BATCH = 256


def main(folder, count):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        database.execute("PRAGMA " + pragma)
    database.execute("CREATE TABLE call (id BLOB NOT NULL UNIQUE, key BLOB, details BLOB) STRICT")
    database.execute("CREATE TABLE recording (id BLOB NOT NULL UNIQUE, call BLOB, blob TEXT) STRICT")
    database.execute("CREATE INDEX recording_by_call ON recording (call)")
    calls, files = [], {}
    database.execute("BEGIN")
    for _ in range(count):
        call, name = secrets.token_bytes(16), secrets.token_hex(16)
        place = folder / name[:2] / name[2:4]
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(secrets.token_bytes(8248))
        database.execute("INSERT INTO call VALUES (?, ?, ?)",
                         (call, secrets.token_bytes(95), secrets.token_bytes(250)))
        database.execute("INSERT INTO recording VALUES (?, ?, ?)",
                         (secrets.token_bytes(16), call, name))
        calls.append(call)
        files[call] = place / name
    database.execute("COMMIT")
    os.sync()
    start = time.monotonic()
    for first in range(0, count, BATCH):
        page = calls[first:first + BATCH]
        database.execute("BEGIN IMMEDIATE")
        for call in page:
            database.execute("DELETE FROM recording WHERE call = ?", (call,))
            database.execute("DELETE FROM call WHERE id = ?", (call,))
        database.execute("COMMIT")
        for call in page:
            files[call].unlink()
    print(count / (time.monotonic() - start))


main(sys.argv[1], int(sys.argv[2]))
