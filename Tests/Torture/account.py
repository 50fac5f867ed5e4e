"""What clients of a vault were told, and whether the vault still stands by it.

`Account` is filled by the traffic while the program is killed or its disk fails. `Check` holds it
against the program after a restart, and against the log with both verifiers.
"""
import base64
import collections
import hashlib
import json
import os
import pathlib
import subprocess
import threading
import time

from victim import CALLVAULT, SCRATCH, VERIFY

PURPOSE = {"Purpose-Of-Use": "TREAT"}


class Deviation(AssertionError):
    """The program broke a promise."""


def ensure(holds, what, *facts):
    if not holds:
        raise Deviation(what + "".join("\n  %r" % (fact,) for fact in facts))


class Account:
    """Everything below `lock` is one client's memory of its answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = {}                                  # acknowledged: id -> (source_id, index)
        self.asked_calls = set()                         # source_ids that were ever sent
        self.recordings = {}                             # id -> (call, bytes, digest, index)
        self.asked_bytes = collections.defaultdict(set)  # call -> digests of bodies sent whole
        self.texts = {}                                  # (kind, call, version) -> (text, index)
        self.asked_texts = collections.defaultdict(set)  # (kind, call) -> texts sent whole
        self.dropped = {}                                # source_id -> digest of a dropped file
        self.aside = set()                               # names that belong into quarantine
        self.tokens = {}                                 # id -> (secret, index)
        self.revoked = set()
        self.revoking = set()                            # asked, and not answered yet
        self.received = {}                               # request -> (action, object, bytes)
        self.checked = set()                             # recordings seen whole since their kill
        self.walked = 0                                  # entries of the log at the last check
        self.kept = []                                   # paths of checkpoints kept outside

    def acknowledged(self):
        return len(self.calls) + len(self.recordings) + len(self.texts) + len(self.tokens) \
            + len(self.revoked)


def entries_of(folder):
    """Every entry of an exported log, in order, as (bytes, document)."""
    bundles = pathlib.Path(folder, "tile/entries")
    size = int(pathlib.Path(folder, "checkpoint").read_text().split("\n")[1])
    entries = []
    number = 0
    while len(entries) < size:
        name = "%03d" % (number % 1000)
        rest = number // 1000
        while rest:
            name = "x%03d/%s" % (rest % 1000, name)
            rest //= 1000
        width = min(256, size - number * 256)
        path = bundles / name if width == 256 else bundles / (name + ".p") / str(width)
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:2], "big")
            leaf, content = content[2:2 + length], content[2 + length:]
            entries.append((leaf, json.loads(leaf)))
        number += 1
    ensure(len(entries) == size, "the bundles hold another number of entries", len(entries), size)
    return entries


def judge(folder, key, kept):
    """Both verifiers on a log's folder: ours must say 0 (10 while nothing is kept), Go's OK."""
    words = [CALLVAULT, "audit", "verify", str(folder), "--key", key]
    for path in kept:
        words += ["--checkpoint", path]
    ours = subprocess.run(words, capture_output=True, text=True, timeout=120)
    ensure(ours.returncode == (0 if kept else 10), "audit verify of %s" % folder,
           ours.returncode, ours.stdout, ours.stderr)
    go = subprocess.run([VERIFY, key, str(folder)], capture_output=True, text=True, timeout=120)
    ensure(go.returncode == 0, "verify.go of %s" % folder, go.stdout, go.stderr)


class Check:
    """One full check after a restart; `counts` are added up for the last line."""

    def __init__(self, service, account, keepers, counts, dice):
        self.service = service
        self.account = account
        self.keepers = keepers
        self.counts = counts
        self.dice = dice
        self.connection = service.connection()

    def ask(self, method, path, who, body=None, headers=None, expect=(200,)):
        status, fields, content = self.service.request(
            method, path, body, self.keepers[who], headers, self.connection)
        ensure(status in expect, "%s %s" % (method, path), status, content[:500])
        return status, fields, content

    def run(self, everything=True):
        if self.service.drop:
            self.drain()
        self.tokens()
        listed = self.calls()
        recordings = self.recordings(listed, everything)
        if self.service.drop:
            self.drops(listed, recordings)
        self.texts(listed)
        self.log(listed, recordings)
        self.connection.close()
        self.counts["checks"] += 1

    def drain(self):
        """Waits until all that was dropped is taken or put aside."""
        deadline = time.monotonic() + 60
        while True:
            # A kill in the middle of a removal leaves another name, until the next look.
            names = set(n.removeprefix(".cv~") for n in os.listdir(self.service.drop))
            names = set(n for n in names if not n.startswith("."))
            # A kill after a recording was removed leaves its sidecar, for a day.
            names = {n for n in names if not (n.endswith(".json") and n[:-5] not in names)}
            if not names:
                return
            ensure(time.monotonic() < deadline, "dropped files are not taken", sorted(names)[:5],
                   self.service.tail())
            time.sleep(0.05)

    def drops(self, listed, recordings):
        """Each dropped file is one recording of one call, or lies in quarantine once."""
        account = self.account
        by_source = {c["details"]["source_id"]: i for i, c in listed.items()
                     if c["source"] == "drops"}
        ensure(set(by_source) == set(account.dropped), "a dropped file is lost, or nobody's",
               set(by_source) ^ set(account.dropped))
        for source, call in by_source.items():
            ensure(listed[call]["recordings"] == 1, "a dropped file is not stored once", source,
                   listed[call])
        shelf = os.path.join(self.service.drop, ".quarantine")
        aside = []
        if os.path.exists(shelf):
            for item in os.listdir(shelf):
                if not item.endswith(".json"):
                    reason = json.load(open(os.path.join(shelf, item + ".json")))["reason"]
                    for name in os.listdir(os.path.join(shelf, item)):
                        ensure(reason == "not-audio", "put aside for another reason", name, reason)
                        aside.append(name)
        ensure(sorted(aside) == sorted(account.aside), "what is no sound is not put aside once",
               set(aside) ^ account.aside)
        self.counts["dropped files found once"] += len(by_source) + len(aside)

    def tokens(self):
        account = self.account
        for token, (secret, _) in sorted(account.tokens.items()):
            status, _, body = self.service.request(
                "GET", "/v1/calls?limit=1", None, secret, None, self.connection)
            if token in account.revoked:
                ensure(status == 401, "a revoked token works again", token, status, body)
            elif token in account.revoking:
                ensure(status in (200, 401), "a token", token, status, body)
                account.revoking.discard(token)
                if status == 401:
                    account.revoked.add(token)
            else:
                ensure(status == 200, "an acknowledged token does not work", token, status, body)
            self.counts["tokens tried"] += 1

    def calls(self):
        """Every call that is listed: id -> its document with what lies in it."""
        listed = {}
        cursor = ""
        while True:
            _, _, body = self.ask("GET", "/v1/calls?limit=100" + cursor, "privacy-officer",
                                  headers=PURPOSE)
            page = json.loads(body)
            for call in page["calls"]:
                ensure(call["call"] not in listed, "a call is listed twice", call)
                listed[call["call"]] = call
            if "next" not in page:
                break
            cursor = "&cursor=" + page["next"]
        sources = collections.Counter(c["details"]["source_id"] for c in listed.values())
        ensure(max(sources.values(), default=0) <= 1, "one source_id is two calls",
               sources.most_common(1))
        ensure(set(sources) <= self.account.asked_calls, "a call nobody sent")
        for call, (source, _) in self.account.calls.items():
            ensure(call in listed, "an acknowledged call is lost", call)
            ensure(listed[call]["details"]["source_id"] == source, "a call has other details", call)
        self.counts["calls found"] += len(listed)
        return listed

    def recordings(self, listed, everything):
        account = self.account
        found = {}
        for call, document in listed.items():
            if document["recordings"]:
                _, _, body = self.ask("GET", "/v1/calls/" + call, "privacy-officer")
                shown = json.loads(body)["recordings"]
                ensure(len(shown) == document["recordings"], "a call counts other recordings",
                       call, shown, document)
                for recording in shown:
                    found[recording["recording"]] = dict(recording, call=call)
        for recording, (call, _, digest, _) in account.recordings.items():
            ensure(recording in found, "an acknowledged recording is lost", recording, call)
            ensure(found[recording]["sha256"] == digest, "a recording has another digest",
                   recording, digest, found[recording])
        wanted = [r for r in sorted(found) if everything or r not in account.checked]
        seen = collections.defaultdict(set)
        for recording in wanted:
            facts = found[recording]
            _, fields, audio = self.ask("GET", "/v1/recordings/%s/audio" % recording,
                                        "privacy-officer", headers=PURPOSE)
            account.received[fields["Request-Id"]] = ("recording.opened", recording, len(audio))
            plain = hashlib.sha256(audio).hexdigest()
            source = listed[facts["call"]]["details"]["source_id"]
            ensure(plain in account.asked_bytes[facts["call"]]
                   or plain == account.dropped.get(source),
                   "a recording is listed that nobody sent whole", facts, len(audio))
            ensure(plain not in seen[facts["call"]], "the same bytes twice in one call", facts)
            seen[facts["call"]].add(plain)
            if recording in account.recordings:
                ensure(audio == account.recordings[recording][1], "other bytes came back", facts)
            _, _, sealed = self.ask("GET", "/v1/recordings/%s/ciphertext" % recording,
                                    "privacy-officer")
            ensure(hashlib.sha256(sealed).hexdigest() == facts["sha256"],
                   "the sealed bytes have another digest", facts)
            account.checked.add(recording)
            self.counts["recordings opened whole"] += 1
        return found

    def texts(self, listed):
        account = self.account
        for call, document in listed.items():
            held = {"transcript": {}, "note": {}}
            if document["transcripts"]:
                _, fields, body = self.ask("GET", "/v1/calls/%s/transcripts" % call,
                                           "privacy-officer", headers=PURPOSE)
                newest = json.loads(body)["versions"]
                for version in range(1, newest + 1):
                    _, fields, body = self.ask(
                        "GET", "/v1/calls/%s/transcripts?version=%d" % (call, version),
                        "privacy-officer", headers=PURPOSE, expect=(200, 404))
                    transcript = json.loads(body)
                    if "segments" in transcript:
                        held["transcript"][version] = transcript["segments"][0]["text"]
                        account.received[fields["Request-Id"]] = (
                            "transcript.opened", call, len(body))
            if document["notes"]:
                _, fields, body = self.ask("GET", "/v1/calls/%s/notes" % call, "privacy-officer",
                                           headers=PURPOSE)
                account.received[fields["Request-Id"]] = ("note.opened", call, len(body))
                for note in json.loads(body)["notes"]:
                    held["note"][note["version"]] = note["text"]
            for kind, versions in held.items():
                ensure(len(versions) == document[kind + "s"], "a call counts other " + kind + "s",
                       call, document, sorted(versions))
                for version, text in versions.items():
                    ensure(text in account.asked_texts[kind, call], "a text nobody sent", call)
                    said = account.texts.get((kind, call, version))
                    ensure(said is None or said[0] == text, "another text came back", call, version)
                    self.counts["texts read"] += 1
            for kind, place, version in [k for k in account.texts if k[1] == call]:
                ensure(version in held[kind], "an acknowledged text is lost", kind, place, version)

    def log(self, listed, recordings):
        service, account = self.service, self.account
        copy = os.path.join(SCRATCH, "copy-%d" % self.counts["checks"])
        service.command("audit", "export", copy, token=self.keepers["auditor"])
        key = service.init["verifier_key"]
        judge(copy, key, account.kept)
        kept = os.path.join(SCRATCH, "kept-%s-%d" % (os.path.basename(service.folder),
                                                     len(account.kept)))
        os.rename(os.path.join(copy, "checkpoint"), kept)
        os.link(kept, os.path.join(copy, "checkpoint"))
        account.kept.append(kept)
        judge(copy, key, account.kept)

        entries = entries_of(copy)
        subprocess.run(["rm", "-r", copy], check=True)
        previous = "0" * 64
        intents, outcomes = {}, collections.defaultdict(list)
        by_request, by_id = collections.defaultdict(list), {}
        start = 0
        for index, (leaf, entry) in enumerate(entries):
            ensure(entry["idx"] == index, "a gap in idx", index, entry)
            ensure(entry["prev"] == previous, "prev is another hash", entry)
            previous = hashlib.sha256(b"\0" + leaf).hexdigest()
            ensure(entry["id"] not in by_id, "an entry id twice", entry)
            by_id[entry["id"]] = entry
            if entry["phase"] == "intent":
                intents[entry["id"]] = entry
            elif entry["phase"] == "outcome":
                outcomes[entry["ref"]].append(entry)
            if "request" in entry:
                by_request[entry["request"]].append(entry)
            if entry["action"] == "log.start":
                start = index
        for identity, intent in intents.items():
            account_of = outcomes.get(identity, [])
            ensure(len(account_of) <= 1, "two outcomes of one intent", intent, account_of)
            ensure(account_of or intent["idx"] > start, "an intent before this start is still open",
                   intent)
        ensure(set(outcomes) <= set(intents), "an outcome without intent")

        # What clients hold in their hands was announced before.
        for request, (action, thing, count) in account.received.items():
            ensure(any(e["action"] == action and e["phase"] == "intent" and thing in e["objects"]
                       for e in by_request[request]), "bytes without their intent entry",
                   request, action, thing, count, by_request[request])
        self.counts["releases found in the log"] += len(account.received)

        # Receipts name the entry that they say.
        def at(index, action, *things, **members):
            entry = entries[index][1]
            ensure(entry["action"] == action and set(things) <= set(entry.get("objects", []))
                   and all(entry.get(k) == v for k, v in members.items()),
                   "a receipt names another entry", action, things, members, entry)
        for call, (_, index) in account.calls.items():
            at(index, "call.created", call)
        for recording, (call, _, digest, index) in account.recordings.items():
            at(index, "recording.stored", call, recording, digest=digest, outcome="success")
        for (kind, call, _), (_, index) in account.texts.items():
            at(index, kind + ".stored", call, outcome="success")
        for token, (_, index) in account.tokens.items():
            at(index, "auth.token.created", token, outcome="success")
        stored = {}
        for _, entry in entries:
            if entry["action"] == "recording.stored" and entry.get("outcome") == "success":
                stored[entry["objects"][1]] = entry["digest"]
        ensure(stored == {r: f["sha256"] for r, f in recordings.items()},
               "log and catalog name other recordings",
               set(stored.items()) ^ {(r, f["sha256"]) for r, f in recordings.items()})
        created = {e["objects"][0] for _, e in entries
                   if e["action"] == "call.created" and e.get("outcome", "success") == "success"}
        ensure(created == set(listed), "log and catalog name other calls",
               created ^ set(listed))
        self.counts["entries walked"] += len(entries)
        fresh = [entry for _, entry in entries[account.walked:]]
        account.walked = len(entries)
        self.counts["presumed disclosed"] += sum(e.get("outcome") == "presumed" for e in fresh)
        self.counts["closed as interrupted"] += sum(
            e["phase"] == "outcome" and e["actor"]["kind"] == "system"
            and e["outcome"] == "failed" for e in fresh)
        self.counts["entries cut that no head covered"] += sum(
            e.get("count", 0) for e in fresh if e["action"] == "log.start")


def content_digest(body):
    return "sha-256=:%s:" % base64.b64encode(hashlib.sha256(body).digest()).decode()
