"""Databases that make one row durable for each caller that waits for it."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import measure

HERE = pathlib.Path(__file__).resolve().parent
# Bytes of an entry of one read, as the log's own bench writes it.
ROW_BYTES = 600


class SQLite:
    """WAL and synchronous=FULL, as the catalog is."""

    def __init__(self, folder):
        self._folder, self._program, self._turn = folder, folder / "sqlite_commits", 0
        measure.run("cc", "-O2", "-o", self._program, HERE / "sqlite_commits.c", "-lsqlite3",
                    "-lpthread")

    def commits(self, callers, seconds):
        self._turn += 1
        place = self._folder / f"sqlite-{self._turn}"
        place.mkdir()
        done = measure.run(self._program, place / "rows", callers, int(seconds * 1000), ROW_BYTES)
        shutil.rmtree(place)
        return json.loads(done.stdout)


class PostgreSQL:
    """A server of our own in a folder of its own, as a user without rights; ended by its process id.

    fsync and synchronous_commit are on; pgbench is the callers.
    """

    def __init__(self, folder):
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"),
                          key=lambda place: int(place.parent.name))
        if not versions:
            raise RuntimeError("no PostgreSQL is installed (Debian: postgresql)")
        self._bin, self._process = versions[-1], None
        self._data, self._logs = folder / "postgresql", folder / "pgbench"
        # A path of a socket has at most 107 bytes.
        self._socket = pathlib.Path(tempfile.mkdtemp(prefix="callvault-pg-"))
        self._user = []
        for place in (self._data, self._logs):
            place.mkdir(mode=0o700)
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root; the folder of the run is passed through, not read.
            for above in (folder, folder.parent):
                above.chmod(0o711)
            person = pwd.getpwnam("postgres")
            self._user = ["setpriv", f"--reuid={person.pw_uid}", f"--regid={person.pw_gid}",
                          "--clear-groups"]
            for place in (self._data, self._logs, self._socket):
                os.chown(place, person.pw_uid, person.pw_gid)

    def _run(self, program, *words, **options):
        return measure.run(*self._user, self._bin / program, *words, cwd=self._logs, **options)

    def __enter__(self):
        self._run("initdb", "-D", self._data, "-U", "bench", "-A", "trust", "--no-locale", "-E",
                  "UTF8")
        self._log = open(self._socket.parent / (self._socket.name + ".log"), "wb")
        self._process = subprocess.Popen(
            [*self._user, str(self._bin / "postgres"), "-D", str(self._data), "-k",
             str(self._socket), "-c", "listen_addresses=", "-c", "max_connections=300", "-c",
             "shared_buffers=256MB", "-c", "fsync=on", "-c", "synchronous_commit=on"],
            stdout=self._log, stderr=self._log)
        script = self._logs / "insert.sql"
        script.write_text(
            f"INSERT INTO entries(entry) VALUES ('{'x' * ROW_BYTES}');\n")
        script.chmod(0o644)
        deadline = time.monotonic() + 30
        while True:
            try:
                self._sql("CREATE TABLE entries(idx bigserial PRIMARY KEY, entry text NOT NULL)")
                return self
            except RuntimeError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.__exit__()
                    raise
                time.sleep(0.2)

    def _sql(self, text):
        self._run("psql", "-h", self._socket, "-U", "bench", "-d", "postgres", "-q", "-c", text)

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        os.unlink(self._log.name)
        shutil.rmtree(self._socket, ignore_errors=True)

    def commits(self, callers, seconds):
        self._sql("TRUNCATE entries")
        # Its clock runs while it connects; the rate is that between the first commit and the last.
        self._run("pgbench", "-h", self._socket, "-U", "bench", "-d", "postgres", "-n", "-M",
                  "prepared", "-c", callers, "-j", min(2, callers), "-T", int(seconds) + 2, "-f",
                  "insert.sql", "-l", "--log-prefix", "commits")
        latencies, begun, ended = [], None, 0
        for file in self._logs.glob("commits.*"):
            for line in open(file):
                fields = line.split()
                latencies.append(int(fields[2]))
                at = int(fields[4]) + int(fields[5]) / 1e6
                begun = at if begun is None else min(begun, at)
                ended = max(ended, at)
            file.unlink()
        if len(latencies) < 2:
            raise RuntimeError("pgbench committed nothing")
        return {"per_second": len(latencies) / (ended - begun),
                "p50_us": measure.percentile(latencies, 0.50),
                "p99_us": measure.percentile(latencies, 0.99)}
