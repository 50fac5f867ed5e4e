"""Clients of every kind at once, each of which remembers exactly what it was answered."""
import hashlib
import http.client
import json
import os
import random
import threading
import time

from account import PURPOSE, Deviation, content_digest, ensure
from victim import wav

# A success that was refused by these is the program's right while its disk fails.
REFUSALS = (500, 503, 507)


def sound(dice):
    """A WAV file of noise, sometimes with bytes after its end or cut short."""
    body = wav([dice.randrange(-32768, 32768) for _ in range(dice.choice([1, 400, 4000, 30000]))])
    return dice.choice([body, body, body[:-dice.randrange(1, 40)], body + dice.randbytes(100)])


def junk(dice):
    """Bytes that are no sound: they are kept exactly as well."""
    body = dice.randbytes(dice.choice([1, 15, 65536 - 56, 65536, 131072, 200_001]))
    return dice.choice([body, b"RIFF" + body, b"fLaC" + body, b"OggS" + body])


class Client:
    """One connection and what goes over it; ends when the program does."""

    def __init__(self, service, account, keepers, dice, refusals=()):
        self.service = service
        self.account = account
        self.keepers = keepers
        self.dice = dice
        self.refusals = refusals
        self.refused = 0
        self.connection = None

    def ask(self, method, path, who, body=None, headers=None):
        """(status, headers, body), or None where no whole answer came."""
        try:
            if self.connection is None:
                self.connection = self.service.connection()
            answer = self.service.request(
                method, path, body, self.keepers.get(who, who), headers, self.connection)
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        if answer[0] in self.refusals:
            self.refused += 1
            return None
        return answer

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    # Each of these returns False where the answer did not come.

    def call(self):
        account = self.account
        source = "s-%016x" % self.dice.getrandbits(64)
        with account.lock:
            account.asked_calls.add(source)
        answer = self.ask("POST", "/v1/calls", "operator", {"source": "fire", "source_id": source})
        if answer is None:
            return None
        status, _, body = answer
        ensure(status == 201, "registering a call", status, body)
        receipt = json.loads(body)
        with account.lock:
            account.calls[receipt["call"]] = (source, receipt["log_index"])
        return receipt["call"]

    def upload(self, call=None, body=None):
        account = self.account
        call = call or self.call()
        if call is None:
            return False
        body = body or self.dice.choice([sound, sound, junk])(self.dice)
        with account.lock:
            account.asked_bytes[call].add(hashlib.sha256(body).hexdigest())
        headers = {"Content-Type": "audio/wav"}
        if self.dice.random() < 0.5:
            headers["Content-Digest"] = content_digest(body)
        answer = self.ask("POST", "/v1/calls/%s/recordings" % call, "operator", body, headers)
        if answer is None:
            return False
        status, _, content = answer
        ensure(status in (200, 201), "storing a recording", status, content)
        receipt = json.loads(content)
        with account.lock:
            known = account.recordings.get(receipt["recording"])
            ensure(known is None or known[1] == body, "a receipt of other bytes", receipt)
            account.recordings[receipt["recording"]] = (
                call, body, receipt["sha256"], receipt["log_index"])
        if self.dice.random() < 0.1:
            return self.upload(call, body)
        return True

    def broken_upload(self):
        """Bytes that end too early, or are not those that were promised: never stored."""
        with self.account.lock:
            calls = sorted(self.account.calls)
        if not calls:
            return True
        path = "/v1/calls/%s/recordings" % self.dice.choice(calls)
        body = sound(self.dice) + b"never stored"
        if self.dice.random() < 0.5:
            answer = self.ask(
                "POST", path, "operator", body,
                {"Content-Type": "audio/wav", "Content-Digest": content_digest(body + b"x")})
            ensure(answer is None or answer[0] == 400, "bytes against their digest", answer)
            return answer is not None
        try:
            own = self.service.connection()
            own.putrequest("POST", path)
            for name, value in (("Authorization", "Bearer " + self.keepers["operator"]),
                                ("Content-Type", "audio/wav"),
                                ("Content-Length", str(len(body) + 1))):
                own.putheader(name, value)
            own.endheaders(body)
            own.close()
        except (OSError, http.client.HTTPException):
            return False
        return True

    def listen(self):
        """The longest recording from its start, about as fast as one hears it: never at its end."""
        return self.read(slowly=True)

    def read(self, slowly=False):
        """A range; what arrived before the end counts as received."""
        account = self.account
        with account.lock:
            known = sorted(account.recordings)
        if not known:
            return True
        recording = self.dice.choice(known)
        body = account.recordings[recording][1]
        if slowly:
            recording = max(known, key=lambda r: len(account.recordings[r][1]))
            body = account.recordings[recording][1]
        start = 0 if slowly else self.dice.randrange(len(body))
        stop = len(body) if slowly else self.dice.randrange(start, len(body)) + 1
        got = b""
        try:
            if self.connection is None:
                self.connection = self.service.connection()
            self.connection.request(
                "GET", "/v1/recordings/%s/audio" % recording,
                headers=dict(PURPOSE, Authorization="Bearer " + self.keepers["clinician"],
                             Range="bytes=%d-%d" % (start, stop - 1)))
            response = self.connection.getresponse()
            if response.status in self.refusals:
                self.refused += 1
                response.read()
                return False
            if response.status != 206:
                raise Deviation("reading a range: %d %r" % (response.status, response.read()))
            request = response.headers["Request-Id"]
            # From the status on, bytes may be on their way, whether they are seen or not.
            with account.lock:
                account.received[request] = ("recording.opened", recording, 0)
            while len(got) < stop - start:
                # What the kernel still holds of a killed program is read at once.
                time.sleep(0.05 if slowly and self.service.lives() else 0)
                size = self.dice.choice([1000, 65536])
                piece = response.read(min(size, stop - start - len(got)))
                if not piece:
                    raise http.client.IncompleteRead(got)
                got += piece
                with account.lock:
                    account.received[request] = ("recording.opened", recording, len(got))
            response.read()
        except (OSError, http.client.HTTPException):
            self.close()
        ensure(body[start:].startswith(got), "a range has other bytes", recording, start, stop)
        return len(got) == stop - start

    def drop(self):
        """A file for the watched folder, which is dropped whether the program lives or not."""
        account, folder = self.account, self.service.drop
        serial = "%016x" % self.dice.getrandbits(64)
        name = "[]_100-1%s_20261120093000(%d).wav" % (serial, self.dice.randrange(10 ** 9))
        # In front of bytes that would pass for MPEG audio stands one that does not.
        body = self.dice.choice([sound, sound, junk])(self.dice)
        body = b"x" + body if body[0] == 0xff else body
        known = body[:4] == b"RIFF" and body[8:12] == b"WAVE" or body[:4] in (b"fLaC", b"OggS")
        source = name
        if known and self.dice.random() < 0.3:
            # The sidecar comes first, under another name than the phone system's.
            source = "d-" + serial
            with open(os.path.join(folder, "." + serial), "w") as file:
                json.dump({"v": 1, "source_id": source, "started": "2026-11-20T09:30:00Z"}, file)
            os.rename(os.path.join(folder, "." + serial), os.path.join(folder, name + ".json"))
        with account.lock:
            if known:
                account.asked_calls.add(source)
                account.dropped[source] = hashlib.sha256(body).hexdigest()
            else:
                account.aside.add(name)
        path = os.path.join(folder, name)
        hidden = path if self.dice.random() < 0.3 else os.path.join(folder, "." + name)
        with open(hidden, "wb") as file:
            for start in range(0, len(body), 65536):
                file.write(body[start:start + 65536])
        if hidden != path:
            os.rename(hidden, path)
        return True

    def text(self, kind):
        account = self.account
        with account.lock:
            calls = sorted(account.calls)
        if not calls:
            return True
        call = self.dice.choice(calls[-8:])
        text = "%s %016x" % (kind, self.dice.getrandbits(64)) + " word" * self.dice.randrange(2000)
        with account.lock:
            account.asked_texts[kind, call].add(text)
        if kind == "note":
            answer = self.ask("POST", "/v1/calls/%s/notes" % call, "clinician", {"text": text},
                              PURPOSE)
        else:
            answer = self.ask(
                "POST", "/v1/calls/%s/transcripts" % call, "operator",
                {"provider": "fire", "language": "en", "segments": [
                    {"speaker": "caller", "text": text, "start_ms": 0, "end_ms": 9,
                     "confidence": None}]})
        if answer is None:
            return False
        ensure(answer[0] == 201, "storing a text", answer[0], answer[2])
        receipt = json.loads(answer[2])
        with account.lock:
            place = (kind, call, receipt["version"])
            ensure(place not in account.texts, "a version was given twice", place)
            account.texts[place] = (text, receipt["log_index"])
        return True

    def token(self):
        """One token more, and sometimes one less."""
        account = self.account
        answer = self.ask("POST", "/v1/tokens", "administrator",
                          {"name": "fire", "role": "operator"})
        if answer is None:
            return False
        ensure(answer[0] == 201, "making a token", answer[0], answer[2])
        made = json.loads(answer[2])
        with account.lock:
            account.tokens[made["id"]] = (made["token"], made["log_index"])
            alive = sorted(set(account.tokens) - account.revoked - account.revoking)
            ended = self.dice.choice(alive)
            account.revoking.add(ended)
        answer = self.ask("DELETE", "/v1/tokens/" + ended, "administrator")
        if answer is None:
            return False
        ensure(answer[0] == 204, "revoking a token", answer[0], answer[2])
        with account.lock:
            account.revoked.add(ended)
            account.revoking.discard(ended)
        status = self.ask("GET", "/v1/calls?limit=1", account.tokens[ended][0])
        ensure(status is None or status[0] == 401, "a revoked token works", ended, status)
        return True


class Traffic:
    """Threads that go on until the program ends."""

    def __init__(self, service, account, keepers, seed):
        self.failures = []
        self.stopping = False
        self.threads = []
        kinds = ["upload"] * 3 + ["broken_upload"] + ["read"] * 3 + ["listen"] * 2 \
            + ["token", "texts"]
        if service.drop:
            kinds.append("drop")
        for number, kind in enumerate(kinds):
            client = Client(service, account, keepers, random.Random("%s %d" % (seed, number)))
            self.threads.append(threading.Thread(target=self.run, args=(client, kind)))

    def run(self, client, kind):
        pause = {"token": 0.1, "texts": 0.05, "broken_upload": 0.1,
                 "drop": 0.4}.get(kind, 0.02)
        try:
            goes_on = True
            while goes_on and not self.stopping:
                if kind == "texts":
                    goes_on = client.text(client.dice.choice(["note", "transcript"]))
                else:
                    goes_on = getattr(client, kind)()
                time.sleep(client.dice.random() * pause)
        except Deviation as error:
            self.failures.append("%s: %s" % (kind, error))
        except Exception as error:  # Told by whoever waits for the threads.
            self.failures.append("%s: %r" % (kind, error))
        finally:
            client.close()

    def start(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise Deviation("\n".join(self.failures))


def keepers(service):
    """Tokens of those who look after the vault; never revoked."""
    return {role: service.token(role) for role in
            ("administrator", "operator", "clinician", "privacy-officer", "auditor")}
