"""A service that is attacked, and what must hold of it after each attack.

It still answers, holds the descriptors and threads it began with, has grown by no more than a bound,
lists nothing partial, answered no 5xx but those of what it refuses, told its operator nothing that a
client sent, and has a log in which every attempt has one account and which verifies against the
checkpoint kept before.
"""
import collections
import json
import os
import random
import subprocess
import time

from hostile.requests import MARK
from vault_service import CALLVAULT, SCRATCH, Service, wav

# What the process may keep of its memory at the worst: what was freed does not all go back to the
# kernel, but is used again.
GROWTH_KIB = 80 * 1024
# Swift's pool and Dispatch keep a thread for each processor, and some for blocking work.
MORE_THREADS = 8
CLIENT_TEXT = (MARK.decode(), "evil", "openapi", "localhost:", "Bearer", "cv1_")


class Victim(Service):
    def __init__(self, name, seed):
        super().__init__(name)
        self.generator = random.Random(seed)
        self.counts = collections.Counter()
        self.checkpoint = None
        self.calls = self.recordings = 0

    def __enter__(self):
        super().__enter__()
        self.tokens = {role: self.token(role) for role in ("operator", "clinician", "auditor")}
        self.call = self.put(wav(list(range(2000))), self.tokens["operator"])[0]["call"]
        self.large = self.put(
            wav([0] * 100) + self.generator.randbytes(24 << 20),
            self.tokens["operator"])[1]["recording"]
        # Everything has run once before we count: some descriptors are opened for good at first use.
        for part in ("bytes=0-9", "bytes=0-"):
            assert self.play(self.large, Range=part)[0] == 206
        self.request("GET", "/metrics", None, self.tokens["operator"])
        self.export("warm")
        self.settle()
        self.descriptors, self.memory, self.threads = self.figures()
        return self

    def settle(self):
        """Waits until the first requests have left nothing that still comes and goes."""
        before, same = None, 0
        while same < 5:
            figures = self.figures()[0]
            same = same + 1 if figures == before else 0
            before = figures
            time.sleep(0.1)

    def put(self, audio, token, **call):
        receipts = super().put(audio, token, **call)
        self.calls += 1
        self.recordings += 1
        return receipts

    def play(self, recording, **fields):
        return self.request(
            "GET", "/v1/recordings/%s/audio" % recording, None, self.tokens["clinician"],
            {"Purpose-Of-Use": "TREAT", **fields})

    def figures(self):
        """Descriptors, resident KiB and threads of the process."""
        root = "/proc/%d" % self.process.pid
        with open(root + "/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return (len(os.listdir(root + "/fd")), int(lines["VmRSS"].split()[0]),
                int(lines["Threads"]))

    def export(self, name):
        folder = os.path.join(self.folder, "log-" + name)
        self.command("audit", "export", folder, token=self.tokens["auditor"])
        return folder

    def accounts(self, action):
        """How often each account of that action stands in the log: (phase, outcome, reason)."""
        found = collections.Counter()
        first = 0
        while True:
            page = json.loads(self.request(
                "GET", "/v1/audit/entries?limit=100&first=%d" % first, None,
                self.tokens["auditor"])[2])
            for entry in page["entries"]:
                leaf = json.loads(entry["leaf"])
                if leaf["action"] == action:
                    found[leaf["phase"], leaf.get("outcome"), leaf.get("reason")] += 1
            if "next" not in page:
                return found
            first = page["next"]

    def metrics(self):
        text = self.request("GET", "/metrics", None, self.tokens["operator"])[2].decode()
        lines = (line for line in text.splitlines() if line[:1] != "#")
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def check(self, group):
        """All that must hold, as soon as what the group left behind has ended."""
        deadline = time.monotonic() + 30
        while True:
            metrics = self.metrics()
            objects = sum(len(names) for _, _, names in os.walk(self.data + "/objects"))
            descriptors, memory, threads = self.figures()
            late = [text for text, found, wanted in (
                ("descriptors", descriptors, self.descriptors),
                ("threads", threads, self.threads + MORE_THREADS),
                ("open intents", metrics["callvault_log_open_intents"], 0)) if found > wanted]
            if objects != self.recordings:
                late.append("%d objects, not %d" % (objects, self.recordings))
            if not late:
                break
            assert time.monotonic() < deadline, (
                group, late, (descriptors, self.descriptors), (threads, self.threads))
            time.sleep(0.1)
        growth = memory - self.memory
        assert growth < GROWTH_KIB, "%s: grew by %d KiB" % (group, growth)
        assert self.process.poll() is None
        for path in ("/v1/health/live", "/v1/health/ready"):
            assert self.request("GET", path)[0] == 200, path
        # Nothing partial: the list, the catalog and the store agree.
        assert metrics["callvault_recordings"] == self.recordings, group
        assert metrics["callvault_calls"] == self.calls, group
        assert self.listed() == (self.calls, self.recordings), (group, self.listed())
        faults = [name for name in metrics if name.startswith("callvault_requests_total")
                  and 'status="5' in name and 'status="503"' not in name]
        assert not faults, (group, faults)
        self.check_operator_log(group)
        self.check_log(group)
        return descriptors - self.descriptors, growth, threads - self.threads

    def listed(self):
        calls = recordings = 0
        cursor = ""
        while True:
            page = json.loads(self.request(
                "GET", "/v1/calls?limit=100" + cursor, None, self.tokens["operator"])[2])
            calls += len(page["calls"])
            recordings += sum(call["recordings"] for call in page["calls"])
            if "next" not in page:
                return calls, recordings
            cursor = "&cursor=" + page["next"]

    def operator_lines(self):
        with open(self.stderr) as log:
            return [json.loads(line) for line in log if line.startswith("{")]

    def check_operator_log(self, group):
        with open(self.stderr) as log:
            text = log.read()
        bad = [line for line in text.splitlines() if '"level":"error"' in line or "Fatal" in line]
        assert not bad, (group, bad[:5])
        # From `ready` on: before, the service tells its own address.
        told = text.split('"event":"ready"', 1)[1]
        for word in CLIENT_TEXT:
            assert word not in told, "%s: %r stands in the operator's log" % (group, word)

    def check_log(self, group):
        """The log verifies, and continues the one whose checkpoint we kept before."""
        copy = self.export("%d" % time.monotonic_ns())
        words = [CALLVAULT, "audit", "verify", copy, "--key", self.init["verifier_key"]]
        if self.checkpoint:
            words += ["--checkpoint", self.checkpoint]
        verdict = subprocess.run(words, capture_output=True, text=True)
        assert verdict.returncode == (0 if self.checkpoint else 10), (group, verdict.stdout)
        self.checkpoint = os.path.join(copy, "checkpoint")
        self.counts["logs verified"] += 1
