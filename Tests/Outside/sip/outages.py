"""A practice's telephony on one machine, with every outage that a probe must see; for the outside test and the benchmark.

Run it in a network namespace of its own: ports and packet filters are fixed. Kamailio is the phone system; the AI engine, the
resolver and Asterisk's interface are servers of these tests. `Stage.FAULTS` names what can go wrong.
"""
import datetime
import http.server
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import peers
from peers import Kamailio, until
from supervisor import DAYS
from vendor_fakes import Asterisk

TRUNK, REDIRECT, ENGINE, RESOLVER, UPLINK = 5071, 5058, 8071, 53, 8072
SECRET = "s3cret-0123456789abcdef0123456789"
NAME = "sip.trunk.test"


class Engine:
    """An AI engine that understands one phrase; `mode` is ok, nonsense, slow or 503."""

    def __init__(self):
        engine = self
        self.mode = "ok"

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if engine.mode == "slow":
                    time.sleep(2)
                said = "lorem ipsum" if engine.mode == "nonsense" else "monday at nine"
                body = json.dumps({"v": 1, "nonce": asked.get("nonce", ""), "answer": said}).encode()
                if engine.mode == "503":
                    body = b"unavailable"
                try:
                    self.send_response(503 if engine.mode == "503" else 200)
                    if engine.mode == "503":
                        self.send_header("Retry-After", "30")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # Whoever asked has left.

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", ENGINE), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Resolver:
    """A name server for one name; `mode` is ok, nxdomain, servfail or silent."""

    def __init__(self, port=RESOLVER):
        self.mode, self.asked = "ok", 0
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, place = self.socket.recvfrom(4096)
            self.asked += 1
            if self.mode == "silent":
                continue
            end = question.index(b"\0", 12) + 5
            kind, = struct.unpack(">H", question[end - 4:end - 2])
            code = {"nxdomain": 3, "servfail": 2}.get(self.mode, 0)
            has = self.mode == "ok" and kind == 1
            answer = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, has, 0, 0) + question[12:end]
            if has:
                answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + bytes([127, 0, 0, 1])
            self.socket.sendto(answer, place)


class Stage:
    """Everything that is watched."""

    # The way that calls take then.
    FAULTS = {
        "SIP: slow answers": "pstn", "SIP: 503 with Retry-After": "pstn", "TCP half open": "pstn",
        "DNS: NXDOMAIN": "pstn", "DNS: SERVFAIL": "pstn", "DNS: silence": "pstn",
        "AI: nonsense": "people", "AI: slow answers": "people", "AI: 503 with Retry-After": "people",
        "trunk unregistered": "pstn",
    }

    def __init__(self, scratch):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.engine, self.resolver = Engine(), Resolver()
        self.asterisk = Asterisk("callvault", SECRET)
        self.asterisk.registrations = {"carrier": "Registered"}
        self.uplink = socket.create_server(("127.0.0.1", UPLINK))
        threading.Thread(target=self.take, daemon=True).start()
        self.secret = os.path.join(scratch, "secret")
        with open(self.secret, "w") as file:
            file.write(SECRET + "\n")
        self.trunk = Kamailio(scratch, "trunk", "trunk.cfg", ["udp:127.0.0.1:%d" % TRUNK, "tcp:127.0.0.1:%d" % TRUNK])
        until(lambda: peers.options(TRUNK) is not None, 30, "Kamailio answers")

    def take(self):
        """A place that nobody comes to the door of takes no more after a while."""
        while True:
            self.uplink.accept()[0].close()

    def policy(self, limit=400, silence=450, sip=600):
        """What benchmarks take times with; a test gives more, for this machine may be busy."""
        asked = "silence_ms: %d, dwell_ms: 500" % sip
        pace = "interval_ms: 100, limit_ms: %d, silence_ms: %d, probes: 4, dwell_ms: 300" % (limit, silence)
        return """
v: 1
version: "test"
owner: test
private_addresses: true
hours: {time_zone: Etc/UTC, week: {%s}}
targets:
  pbx: {role: pbx, probes: [{kind: sip-options, address: 127.0.0.1, port: %d, %s}]}
  line: {role: trunk, probes: [{kind: sip-options, address: 127.0.0.1, port: %d, transport: tcp, %s}]}
  name: {role: trunk, probes: [{kind: dns, name: %s, resolvers: ["127.0.0.1:%d"], %s}]}
  carrier: {role: trunk, probes: [{kind: registration, at: asterisk, host: 127.0.0.1, port: %d, user: callvault,
     secret_file: %s, names: [carrier], %s}]}
  ai: {role: ai, probes: [{kind: canary, url: "http://127.0.0.1:%d", path: /say, phrases: [{say: "when are you open", expect: "monday at nine"}],
     %s}]}
  internet: {role: uplink, quorum: 1, probes: [{kind: uplink, places: [{tcp: "127.0.0.1:%d"}], interval_ms: 100}]}
routes:
  - {name: ai-first, state: NORMAL, provider: 3cx, ai: true, needs: [pbx, line, name, carrier, ai], contacts: ["sip:ai@127.0.0.1:5071"], records: true}
  - {name: desk, state: HUMANS_ONLY, provider: 3cx, needs: [pbx, line, name, carrier], contacts: ["sip:people@127.0.0.1:5071"], records: true}
  - {name: outside, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["sip:pstn@127.0.0.1:5072"], records: false}
emergency: {routes: [desk, outside]}
switching: {hold_down_ms: 0, flap_limit: 100, flap_window_ms: 60000}
failback: {when: recovered, dwell_ms: 300}
redirect:
  listen: [{address: 127.0.0.1, port: %d}]
  sources: [127.0.0.1]
  safe: ["sip:safe@127.0.0.1:5072"]
  number_domain: carrier.example.com
""" % (DAYS, TRUNK, asked, TRUNK, asked, NAME, RESOLVER, pace, self.asterisk.port, self.secret, pace, ENGINE, pace,
       UPLINK, REDIRECT)

    def inject(self, fault):
        kind, _, how = fault.partition(": ")
        if kind == "SIP":
            self.trunk.mode("slow" if how.startswith("slow") else "503")
        elif kind == "DNS":
            self.resolver.mode = {"NXDOMAIN": "nxdomain", "SERVFAIL": "servfail", "silence": "silent"}[how]
        elif kind == "AI":
            self.engine.mode = how.split()[0]
        elif fault == "TCP half open":
            # A connection can be begun, and nothing that is said on one arrives any more.
            subprocess.run(["iptables", "-A", "INPUT", "-p", "tcp", "--dport", str(TRUNK), "!", "--syn", "-j", "DROP"],
                           check=True, stderr=subprocess.DEVNULL)
        else:
            self.asterisk.registrations["carrier"] = "Unregistered"
        return time.monotonic(), time.time()

    def heal(self, fault):
        if fault.startswith("SIP"):
            self.trunk.mode("ok")
        elif fault == "TCP half open":
            subprocess.run(["iptables", "-F"], check=True, stderr=subprocess.DEVNULL)
        self.resolver.mode = self.engine.mode = "ok"
        self.asterisk.registrations["carrier"] = "Registered"

    def trial(self, fault, supervisor, calls, during=None):
        """One outage; how long until it was decided on, and until a call went the other way.

        `during` is called before it ends.
        """
        wanted, before = self.FAULTS[fault], len(calls.sent)
        begun, wall = self.inject(fault)
        try:
            until(lambda: any(where == wanted for _, where in calls.sent[before:]), 20, "calls go elsewhere: " + fault)
            switched = next(at for at, where in calls.sent[before:] if where == wanted) - begun
            assert {where for at, where in calls.sent[before:] if at < begun + switched} <= {"ai"}, fault
            decisions = supervisor.ask("GET", "/v1/route/history?limit=500")[1]["decisions"]
            times = [datetime.datetime.fromisoformat(d["time"]).timestamp() for d in decisions if d["to"]["route"] != "ai-first"]
            detected = max(times) - wall
            if during:
                during()
            time.sleep(0.3)
            assert calls.now() == wanted, "it stays away while it lasts: " + fault
        finally:
            self.heal(fault)
        until(lambda: calls.now() == "ai", 60, "calls come back after " + fault)
        return detected, switched

    def end(self):
        self.trunk.signal(signal.SIGCONT)
        self.trunk.end()
        subprocess.run(["iptables", "-F"], stderr=subprocess.DEVNULL)
