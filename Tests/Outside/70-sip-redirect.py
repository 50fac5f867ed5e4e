#!/usr/bin/env python3
"""Calls through the redirect server: sipp calls, Kamailio is the carrier, sipp takes the calls.

And what others must not get out of it: an answer to a stranger, a packet to somebody else, more bytes than
they sent, a contact of their own, an emergency call that went our way.
"""
import os
import re
import signal
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip"))
import peers
from peers import Kamailio, Program, Worker, free_port, request, until

SCRATCH = os.environ["SCRATCH"]
WORKER = os.path.join(os.environ["TOOLS"], "sip-worker")
CALLS = int(os.environ.get("CALLVAULT_SIP_CALLS", "40"))
missing = peers.lacks("kamailio", "sipp")
if missing:
    print("%s is not installed (Debian: kamailio sip-tester)" % missing)
    sys.exit(77)


def say(text):
    print(": " + text, flush=True)


def sipp(scenario, port, *words, **options):
    return ["sipp", "-sf", os.path.join(peers.HERE, scenario), "-i", "127.0.0.1", "-p", str(port),
            "-nostdin", "-trace_err", "-error_file", os.path.join(SCRATCH, scenario + ".err"), *map(str, words)]


def calls(carrier, number, count):
    """Calls by sipp through the carrier; all of them must reach people and end."""
    result = subprocess.run(
        sipp("uac.xml", free_port(), "127.0.0.1:%d" % carrier, "-s", number, "-m", count, "-r", 20,
             "-timeout", "60", "-timeout_error"),
        capture_output=True, timeout=90)
    assert result.returncode == 0, "sipp: %d\n%s" % (result.returncode, result.stdout.decode()[-3000:])


def taken(program):
    """How many calls a sipp that takes calls has had to their end, from the last screen it printed."""
    text = open(program.log, errors="replace").read()
    found = re.findall(r"Successful call\s+\|\s+\d+\s+\|\s+(\d+)", text)
    return int(found[-1]) if found else None


def open_udp(address="127.0.0.1"):
    end = socket.socket(type=socket.SOCK_DGRAM)
    end.bind((address, 0))
    end.settimeout(5)
    return end


def certificates():
    pki = os.path.join(SCRATCH, "pki")
    os.mkdir(pki)

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=pki)
    for name in ("authority", "stranger"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out",
                name + ".pem", "-days", "60", "-subj", "/CN=" + name)
    for name, by in (("server", "authority"), ("carrier", "authority"), ("impostor", "stranger")):
        with open(os.path.join(pki, name + ".ext"), "w") as file:
            file.write("subjectAltName=IP:127.0.0.1\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
                "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", by + ".pem", "-CAkey", by + ".key",
                "-CAcreateserial", "-days", "60", "-extfile", name + ".ext", "-out", name + ".pem")
    return pki


pki = certificates()
desk, night, own, carrier = (free_port() for _ in range(4))
worker = Worker(
    WORKER, "redirect", "--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--tls", "127.0.0.1:0",
    pki + "/server.pem", pki + "/server.key", pki + "/authority.pem", "--source", "127.0.0.0/30",
    "--contact", "sip:desk@127.0.0.1:%d" % desk, "--safe", "sip:night@127.0.0.1:%d" % night)
places = [worker.line().split()[1].rsplit(":", 1) for _ in range(3)]
udp, tcp, tls = [(host, int(port)) for host, port in places]
programs = [worker]
try:
    people = Program(sipp("uas.xml", desk), os.path.join(SCRATCH, "desk.log"), cwd=SCRATCH)
    others = Program(sipp("uas.xml", night), os.path.join(SCRATCH, "night.log"), cwd=SCRATCH)
    psap = Program(sipp("uas.xml", own), os.path.join(SCRATCH, "own.log"), cwd=SCRATCH)
    router = Kamailio(
        SCRATCH, "carrier", "carrier.cfg", ["udp:127.0.0.1:%d" % carrier],
        ['ASK="sip:127.0.0.1:%d"' % udp[1], 'NEXT="sip:127.0.0.1:%d"' % own])
    programs += [people, others, psap, router]
    until(lambda: peers.options(carrier) is not None, 30, "Kamailio answers")

    def counted(condition):
        """The counts once `condition` is so of them: they come after the answers."""
        counts = {}
        until(lambda: counts.update(worker.statistics()) or condition(counts), 30, counts)
        return counts

    # The first of a burst may be lost by nobody: sipp, Kamailio and sipp again agree.
    calls(carrier, "+13125550123", CALLS)
    # Kamailio acknowledges each 302.
    before = counted(lambda counts: min(counts["redirected"], counts["absorbed"]) >= CALLS)
    assert before["redirectedSafely"] == 0, before
    worker.ask("plan off")
    calls(carrier, "+13125550123", 5)
    after = counted(lambda counts: counts["redirectedSafely"] >= 5)
    worker.ask("plan on")
    calls(carrier, "911", 3)
    emergency = counted(lambda counts: counts["emergencies"] >= 3)
    assert emergency["redirected"] == after["redirected"], emergency
    for program in (people, others, psap):
        program.signal(signal.SIGUSR1)  # sipp ends, and prints its counts.
        program.process.wait(30)
    assert (taken(people), taken(others), taken(psap)) == (CALLS, 5, 3), (
        taken(people), taken(others), taken(psap))
    say("%d calls of sipp by way of Kamailio reached the plan's contact, 5 without a plan the safe one, "
        "3 to 911 the carrier's own route" % CALLS)

    # Strangers: another address, however well it asks.
    stranger, victim, known = open_udp("127.0.0.9"), open_udp(), open_udp()
    for method in ("INVITE", "OPTIONS", "CANCEL", "BYE", "REGISTER"):
        stranger.sendto(request(method, stranger.getsockname(), "s" + method), udp)
    # Reflection: Via names a victim in each way it can; the answer goes to whoever sent it.
    host, port = victim.getsockname()
    for number, via in enumerate(
            (("127.0.0.1", port), ("198.51.100.7;maddr=127.0.0.1", port), ("127.0.0.1;received=127.0.0.1", port))):
        name, _, rest = via[0].partition(";")
        text = request("INVITE", (name, via[1]), "r%d" % number).decode()
        text = text.replace(";rport", (";" + rest if rest else "") + ";rport=%d" % port, 1)
        known.sendto(text.encode(), udp)
        answer = known.recv(65535)
        assert answer.startswith(b"SIP/2.0 302 "), answer
        # Amplification.
        assert len(answer) <= len(text), (len(answer), len(text))
        assert b"rport=%d" % known.getsockname()[1] in answer, answer
        assert re.findall(rb"(?m)^(?:Contact|m): .*", answer) == [
            b"Contact: <sip:desk@127.0.0.1:%d>;q=1\r" % desk], answer
    short = ("INVITE sip:a@b SIP/2.0\r\nv:SIP/2.0/UDP a;branch=1\r\nf:sip:a@b\r\nt:sip:a@b\r\ni:1\r\n"
             "CSeq:1 INVITE\r\nl:0\r\n\r\n").encode()
    known.sendto(short, udp)
    known.sendto(b"\0" * 40_000, udp)
    known.sendto(b"SIP/2.0 200 OK\r\n\r\n", udp)
    known.sendto(request("OPTIONS", known.getsockname(), "last"), udp)
    answer = known.recv(65535)
    assert answer.startswith(b"SIP/2.0 200 OK") and b"branch=z9hG4bKlast" in answer, answer
    for silent in (stranger, victim):
        silent.setblocking(False)
        try:
            raise AssertionError("somebody got %r" % silent.recv(65535))
        except BlockingIOError:
            pass
    counts = counted(lambda counts: counts["strangers"] >= 5 and counts["tooLong"] and counts["malformed"] >= 2)
    assert counts["tooLong"] == 1, counts
    say("strangers and those whom a Via names: silence; %d answers, none longer than its request" % 4)

    # TLS: a certificate of the authority opens it, from any address; no other does.
    def call_tls(name, source="127.0.0.9"):
        context = ssl.create_default_context(cafile=pki + "/authority.pem")
        if name:
            context.load_cert_chain(pki + "/%s.pem" % name, pki + "/%s.key" % name)
        try:
            with socket.create_connection(tls, 20, (source, 0)) as plain, \
                    context.wrap_socket(plain, server_hostname="127.0.0.1") as end:
                end.sendall(request("INVITE", ("127.0.0.9", 5061), "t", transport="TLS"))
                return end.recv(65535), end.version()
        except (ssl.SSLError, ConnectionError):
            return b"", None
    answer, version = call_tls("carrier")
    assert answer.startswith(b"SIP/2.0 302 "), answer
    for name in (None, "impostor"):
        assert call_tls(name)[0] == b"", name
    # Our own probe asks our own server, and believes neither another name nor another authority.
    for name, authority, wanted in (("127.0.0.1", "authority", "answered(status: 200"),
                                    ("127.0.0.2", "authority", "ProbeMiss.tls"),
                                    ("127.0.0.1", "stranger", "ProbeMiss.tls")):
        with Worker(WORKER, "probe", "tls", "127.0.0.1:%d" % tls[1], name, "%s/%s.pem" % (pki, authority),
                    pki + "/carrier.pem", pki + "/carrier.key", "--timeout", "2000", "--all") as probe:
            lines = []
            while not lines or wanted not in lines[-1]:
                lines.append(probe.line())
            probe.end()
            assert wanted.startswith("answered") or not any("answered" in line for line in lines), lines
    with socket.create_connection(tcp, 20, ("127.0.0.9", 0)) as plain:
        assert plain.recv(100) == b"", "a stranger's connection is closed without a word"
    with socket.create_connection(tcp, 20) as plain:
        plain.sendall(request("INVITE", ("127.0.0.1", 5060), "tcp", transport="TCP")[:100])
        plain.sendall(request("INVITE", ("127.0.0.1", 5060), "tcp", transport="TCP")[100:])
        assert plain.recv(65535).startswith(b"SIP/2.0 302 ")
    status = open("/proc/%d/status" % worker.process.pid).read()
    memory = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
    say("%s for a carrier with a certificate, nothing without one, nor for a probe of another name; TCP in pieces; %.0f MB at most"
        % (version, memory))
finally:
    for program in programs[1:]:
        program.end()
    worker.__exit__()
