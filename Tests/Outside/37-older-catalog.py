#!/usr/bin/env python3
"""A vault whose catalog an older program made: brought to the present version, with everything in it, by a start.

Python's sqlite3 puts the rows of a vault into the tables of version 8; afterwards there are the tables and indexes of
a catalog that was made today, and what works by itself each second works.
"""
import os
import sqlite3
import time

from vault_service import SCRATCH, Service, say, wav

# Counts of subjects, of which version 12 has 256 in a row, as rows again.
SINGLE_COUNTS = """(
    SELECT subject, CAST(substr(entries, 1 + (place - 1) % 256 * width, width) AS INTEGER) AS entries
    FROM now.subject_place JOIN (SELECT block, entries, length(entries) / 256 AS width FROM now.subject_count)
    ON block = (place - 1) / 256)"""
OLDER = os.path.join(os.environ["REPOSITORY"], "Tests/Vectors/catalog/version-8.sql")


def made(path):
    """Version, and names of tables and indexes."""
    catalog = sqlite3.connect(path)
    names = set(catalog.execute("SELECT type, name, tbl_name FROM sqlite_master"))
    (version,) = catalog.execute("PRAGMA user_version").fetchone()
    catalog.close()
    return version, names


def columns(catalog, table):
    return [row[1] for row in catalog.execute("PRAGMA table_info(%s)" % table)]


def become_older(path):
    """Rewrites a catalog with the tables of version 8, row by row."""
    older = path + ".older"
    catalog = sqlite3.connect(older)
    catalog.executescript(open(OLDER).read())
    catalog.execute("ATTACH ? AS now", (path,))
    rows = 0
    with catalog:
        for (table,) in catalog.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            names = ", ".join(columns(catalog, table))
            source = SINGLE_COUNTS if table == "subject_count" else "now.%s" % table
            catalog.execute("DELETE FROM main.%s" % table)
            rows += catalog.execute("INSERT INTO main.%s (%s) SELECT %s FROM %s" % (table, names, names, source)).rowcount
    catalog.close()
    for ending in ("", "-wal", "-shm"):
        if os.path.exists(path + ending):
            os.unlink(path + ending)
    os.rename(older, path)
    return rows


with Service() as service:
    catalog = service.data + "/catalog.sqlite"
    worker, reader = service.token("service", "recordings:write"), service.token("clinician")
    stored = {}
    for number in range(5):
        audio = wav([number] * 4000)
        stored[service.put(audio, worker)[1]["recording"]] = audio
    service.stop()
    today = made(catalog)
    rows = become_older(catalog)
    assert made(catalog)[0] == 8
    service.start()
    assert made(catalog) == today, (made(catalog)[1] ^ today[1], today[0])
    for recording, audio in stored.items():
        status, _, body = service.request(
            "GET", "/v1/recordings/%s/audio" % recording, None, reader, {"Purpose-Of-Use": "TREAT"})
        assert (status, body) == (200, audio), (recording, status)
    # What goes on by itself each second has gone on by now.
    time.sleep(2)
    metrics = service.request("GET", "/metrics", None, service.token("operator"))[2].decode().splitlines()
    works = [line for line in metrics if line.startswith("callvault_upkeep_failing{")]
    assert any("retention" in line for line in works) and all(line.endswith(" 0") for line in works), works
say("%d rows of version 8 are served at version %d, which has the %d tables and indexes of a new one"
    % (rows, today[0], len(today[1])))
