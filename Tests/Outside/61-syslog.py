#!/usr/bin/env python3
"""The forwarder against Debian's rsyslog over TLS: nothing is lost, whoever is killed.

rsyslog runs with its own configuration, port and process id; its own parser takes the messages apart.
"""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from ports import free_port
from vault_service import SCRATCH, Service, say

RSYSLOG = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
if not os.path.exists(RSYSLOG):
    print("rsyslogd is not installed (Debian: rsyslog rsyslog-openssl)")
    sys.exit(77)
PKI = os.path.join(SCRATCH, "pki")
os.mkdir(PKI)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=PKI)


def authority(name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out",
            name + ".pem", "-days", "60", "-subj", "/CN=" + name)


def certificate(name, by, names):
    with open(os.path.join(PKI, name + ".ext"), "w") as file:
        file.write("subjectAltName=%s\n" % names)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
            "-subj", "/CN=" + name)
    openssl("x509", "-req", "-in", name + ".csr", "-CA", by + ".pem", "-CAkey", by + ".key",
            "-CAcreateserial", "-days", "60", "-extfile", name + ".ext", "-out", name + ".pem")


authority("authority")
authority("stranger")
certificate("receiver", "authority", "DNS:localhost,IP:127.0.0.1")
certificate("elsewhere", "authority", "DNS:elsewhere.example")
certificate("impostor", "stranger", "DNS:localhost,IP:127.0.0.1")
certificate("client", "authority", "DNS:vault.example")


class Receiver:
    """An rsyslogd of our own."""
    PARTS = ("pri", "timestamp:::date-rfc3339", "hostname", "app-name", "procid", "msgid",
             "structured-data", "msg")

    def __init__(self, port, name, shown="receiver", driver="ossl", mode="x509/certvalid"):
        self.port, self.name = port, name
        self.out = os.path.join(SCRATCH, name + ".out")
        self.configuration = os.path.join(SCRATCH, name + ".conf")
        self.process = None
        template = "\\t".join("%" + part + "%" for part in self.PARTS) + "\\n"
        with open(self.configuration, "w") as file:
            file.write("""
global(workDirectory="%(scratch)s" maxMessageSize="16k" defaultNetstreamDriver="%(driver)s"
  defaultNetstreamDriverCAFile="%(pki)s/authority.pem"
  defaultNetstreamDriverCertFile="%(pki)s/%(shown)s.pem"
  defaultNetstreamDriverKeyFile="%(pki)s/%(shown)s.key")
module(load="imtcp" streamDriver.name="%(driver)s" streamDriver.mode="1"
  streamDriver.authMode="%(mode)s")
template(name="parts" type="string" string="%(template)s")
input(type="imtcp" address="127.0.0.1" port="%(port)d" ruleset="in")
ruleset(name="in") { action(type="omfile" file="%(out)s" template="parts") }
""" % dict(scratch=SCRATCH, driver=driver, pki=PKI, shown=shown, mode=mode, template=template,
           port=port, out=self.out))

    def start(self):
        log = open(os.path.join(SCRATCH, self.name + ".log"), "ab")
        self.process = subprocess.Popen(
            [RSYSLOG, "-n", "-f", self.configuration, "-i", self.out + ".pid"], stdout=log, stderr=log)
        log.close()

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        until(listens, 20, "rsyslogd listens on its port")
        return self

    def end(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)
        self.process = None
        if os.path.exists(self.out + ".pid"):
            os.remove(self.out + ".pid")

    def messages(self):
        """What rsyslog's parser made of each whole message, by index, and how many there were."""
        if not os.path.exists(self.out):
            return {}, 0
        found, count = {}, 0
        for line in open(self.out).read().split("\n")[:-1]:
            parts = line.split("\t")
            if len(parts) != 8 or not parts[7].endswith("}"):
                continue
            data = json.loads(parts[7])
            assert parts[6].startswith("[timeQuality "), parts[6]
            found.setdefault(int(data["index"]), (parts, data))
            count += 1
        return found, count


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in %d s not so: %s" % (seconds, what)
        time.sleep(0.1)


port = free_port()
service = Service()
service.init = service.command("init", "--data", service.data, "--keys", service.keys)
lines = os.path.join(SCRATCH, "lines")
os.mkdir(lines)
with open(os.path.join(service.data, "callvault.yaml"), "a") as file:
    file.write("""
sinks:
  siem:
    syslog: { host: localhost, port: %d, ca: %s/authority.pem, certificate: %s/client.pem, key: %s/client.key }
    age_limit: 10s
  lines: { json: { folder: %s } }
""" % (port, PKI, PKI, PKI, lines))
position = os.path.join(service.data, "sinks/siem.position")


def delivered():
    try:
        with open(position) as file:
            text = file.read()
    except FileNotFoundError:
        return 0
    return int(re.search(r"^next (\d+)$", text, re.M)[1])


def troubles(event="upkeep-failing", work="sink-1"):
    found = [json.loads(line) for line in open(service.stderr) if line.startswith("{")]
    return [line for line in found if line["event"] == event and line.get("work") == work]


def alarms():
    return json.loads(service.request("GET", "/v1/health/ready")[2]).get("alarms", [])


receivers = []
try:
    # An impostor and a server of another name get nothing.
    for shown in ("impostor", "elsewhere"):
        wrong = Receiver(port, shown, shown=shown).start()
        receivers.append(wrong)
        service.start()
        until(lambda: troubles(), 20, "the sink fails at " + shown)
        cause = troubles()[-1]["cause"]
        assert "refused while checking the server's certificate" in cause, cause
        assert alarms() == ["sink 1 does not get entries"], alarms()
        assert wrong.messages() == ({}, 0) and delivered() == 0
        service.stop()
        wrong.end()
        os.truncate(service.stderr, 0)
    say("a certificate of another authority, and one for another name: refused, nothing sent")

    receiver = Receiver(port, "receiver").start()
    receivers.append(receiver)
    service.start()
    operator = service.token("operator")
    auditor = service.token("auditor")
    connection = service.connection()
    calls = 0

    def work(count):
        """Entries, over one connection, as fast as the service takes them."""
        global calls
        slowest = 0
        for _ in range(count):
            calls += 1
            begun = time.monotonic()
            status, _, body = service.request(
                "POST", "/v1/calls", {"source": "test", "source_id": "c%d" % calls}, operator,
                connection=connection)
            assert status == 201, body
            slowest = max(slowest, time.monotonic() - begun)
        return slowest

    def size():
        return json.loads(service.request("GET", "/v1/audit/entries?limit=1", token=auditor)[2])["size"]

    work(100)
    until(lambda: len(receiver.messages()[0]) >= 100, 20, "the first entries arrive")

    # The receiver stops reading in the middle of a session, which lasts five seconds, and dies with what
    # only its kernel had: that was written without an error, and must come again.
    before = len(receiver.messages()[0])
    work(20)
    until(lambda: len(receiver.messages()[0]) > before, 20, "a session is open")
    os.kill(receiver.process.pid, signal.SIGSTOP)
    work(150)
    time.sleep(6)
    receiver.end(signal.SIGKILL)
    work(150)
    until(lambda: alarms(), 30, "the outage is alarmed")
    receiver.start()
    until(lambda: not alarms(), 60, "the sink recovers")
    until(lambda: troubles("upkeep-recovered"), 20, "the recovery is told")

    # The vault dies in the middle.
    work(150)
    service.process.kill()
    service.process.wait()
    service.process = None
    service.start()
    connection = service.connection()
    work(100)

    # A receiver that does not read blocks nobody, and not the stop.
    os.kill(receiver.process.pid, signal.SIGSTOP)
    slowest = work(100)
    assert slowest < 5, "a request waited %.1f s for a receiver that stands still" % slowest
    begun = time.monotonic()
    service.stop()
    took = time.monotonic() - begun
    os.kill(receiver.process.pid, signal.SIGCONT)
    assert took < 20, "the stop waited %.0f s for a receiver that stands still" % took
    service.start()
    connection = service.connection()
    expected = size()
    until(lambda: delivered() >= expected, 40, "everything is confirmed")

    # What rsyslog has confirmed it writes a little later.
    until(lambda: set(range(expected)) <= set(receiver.messages()[0]), 20, "each entry has arrived")
    found, count = receiver.messages()

    # Each names the entry that stands in the log under its index.
    leaves = {}
    while len(leaves) < expected:
        page = json.loads(service.request(
            "GET", "/v1/audit/entries?limit=100&first=%d" % len(leaves), token=auditor)[2])
        for entry in page["entries"]:
            leaves[entry["index"]] = entry["leaf"]
    for index in range(expected):
        parts, data = found[index]
        entry = json.loads(leaves[index])
        leaf = hashlib.sha256(b"\0" + leaves[index].encode()).hexdigest()
        assert data["leaf"] == leaf and data["origin"] == service.init["origin"], (index, data)
        assert parts[2:6] == [service.init["origin"].split("/")[0], "callvault", "n1", entry["action"]]
        assert int(parts[0]) // 8 == 13, parts[0]
        for name in ("outcome", "reason", "id", "ref", "purpose"):
            assert data.get(name) == entry.get(name), (index, name)
    say("%d entries, each at rsyslog with its leaf hash, in %d messages: SIGKILL of rsyslog and of "
        "callvault, a receiver that stood still (slowest request %.0f ms, stop %.1f s)"
        % (expected, count, slowest * 1000, took))

    # The lines have them too, each the entry itself; a torn line is cut.
    def written():
        rows = []
        for name in sorted(os.listdir(lines)):
            assert re.fullmatch(r"audit-\d{4}-\d\d-\d\d\.jsonl", name), name
            # The last may be half written.
            rows += [json.loads(row) for row in open(os.path.join(lines, name)) if row.endswith("\n")]
        return rows

    until(lambda: {row["index"] for row in written()} >= set(range(expected)), 20, "the lines are there")
    for row in written():
        if row["index"] in leaves:
            assert json.dumps(row["entry"], sort_keys=True, separators=(",", ":")) == leaves[row["index"]]
            assert row["leaf"] == hashlib.sha256(b"\0" + leaves[row["index"]].encode()).hexdigest()
    service.stop()
    last = os.path.join(lines, sorted(os.listdir(lines))[-1])
    with open(last, "a") as file:
        file.write('{"entry":{"action":"torn')
    service.start()
    expected = size()
    until(lambda: {row["index"] for row in written()} >= set(range(expected)), 20, "the lines go on")
    say("%d lines of JSON, each the entry's own bytes" % len(written()))

    # That entries leave is an entry; metrics and doctor know how it goes.
    _, _, body = service.request("GET", "/v1/audit/entries?action=audit.exported", token=auditor)
    assert len(json.loads(body)["entries"]) == 2 * 6, len(json.loads(body)["entries"])
    until(lambda: delivered() >= expected, 30, "the sink has everything")
    _, _, body = service.request("GET", "/metrics", token=service.token("administrator"))
    metrics = body.decode()
    assert 'callvault_sink_failing{sink="1"} 0' in metrics, metrics
    assert re.search(r'callvault_sink_lag_entries\{sink="1"\} [0-9]{1,2}\n', metrics)
    tail = subprocess.run(
        [os.environ["CALLVAULT"], "audit", "tail", "--json", "--from", "5"], capture_output=True,
        env=service.environment(auditor), timeout=60)
    rows = [json.loads(row) for row in tail.stdout.splitlines()]
    assert tail.returncode == 0 and [row["index"] for row in rows[:3]] == [5, 6, 7], tail
    assert rows[0]["leaf"] == hashlib.sha256(b"\0" + leaves[5].encode()).hexdigest()

    # A position of another log, or none at all, stops the sink and is left as it is.
    service.stop()
    for name in os.listdir(lines):
        text = open(os.path.join(lines, name)).read()
        assert text[-1:] in ("", "\n") and '"action":"torn' not in text, "torn text is left in " + name
    for text in (open(position).read().replace("leaf ", "leaf 0")[:-2] + "\n",
                 "callvault/sink-position/v1\norigin other/callvault\nnext 3\nleaf %s\n" % ("0" * 64)):
        with open(position, "w") as file:
            file.write(text)
        os.truncate(service.stderr, 0)
        service.start()
        until(lambda: troubles(), 20, "the sink stands still")
        assert open(position).read() == text, "a position that is not this log's was overwritten"
        service.stop()
    findings = service.command("doctor", expect=1)["findings"]
    assert [f["state"] for f in findings if f["check"] == "sink siem"] == ["red"], findings
    os.remove(position)
    receiver.end()

    # rsyslog's GnuTLS never answers close_notify: `confirm: close` takes the end for it.
    gtls = Receiver(port, "gtls", driver="gtls", mode="anon").start()
    receivers.append(gtls)
    settings = os.path.join(service.data, "callvault.yaml")
    # Everything is sent anew, so it is late; here the reason is of interest.
    text = open(settings).read().replace("age_limit: 10s", "age_limit: 1d")
    with open(settings, "w") as file:
        file.write(text)
    os.truncate(service.stderr, 0)
    service.start()
    until(lambda: troubles(), 40, "without close_notify there is no receipt")
    assert "unconfirmed" in troubles()[-1]["cause"], troubles()[-1]
    assert delivered() == 0
    service.stop()
    with open(settings, "w") as file:
        file.write(text.replace("host: localhost,", "host: localhost, confirm: close,"))
    service.start()
    until(lambda: delivered() > 700, 40, "the end of the connection is the receipt")
    say("a receiver on GnuTLS: no receipt without close_notify, until `confirm: close`")
finally:
    for one in receivers:
        if one.process and one.process.poll() is None:
            one.process.send_signal(signal.SIGCONT)
        one.end()
    service.__exit__()
