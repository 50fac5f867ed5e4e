#!/usr/bin/env python3
"""A hundred calls that go on are moved to people when the AI engine dies: emergencies first, never too many at once.

sipp makes and keeps the calls, and is the people who take them; between them stands a small phone system (sip/switchboard.py)
behind the interfaces of Asterisk and of Twilio, neither of which runs here. Each caller must get the media of people in
the call that goes on, and each of the people a call; else sipp says that it failed.
"""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip"))
import peers
from peers import HERE, free_port, until
from supervisor import DAYS, Supervisor, Target
from switchboard import Switchboard
from vault_service import SCRATCH, Service, say
from vendor_fakes import Asterisk, Twilio

if peers.lacks("sipp"):
    print("sipp is not installed (Debian: sip-tester)")
    sys.exit(77)
SECRET = "s3cret-0123456789abcdef0123456789"
ACCOUNT = "AC" + "0" * 31 + "1"
CALLS, EMERGENCIES, AT_ONCE = 100, 10, 10


def sipp(name, scenario, count, port, *more):
    return subprocess.Popen(
        ["sipp", "-sf", os.path.join(HERE, scenario), "-m", str(count), "-l", str(count), "-r", "200", "-i", "127.0.0.1",
         "-p", str(port), "-mi", "127.0.0.1", "-mp", str(free_port() & ~1), "-nostdin", "-timeout", "90s",
         "-timeout_error", *more],
        stdout=open(os.path.join(SCRATCH, name + ".out"), "wb"), stderr=subprocess.STDOUT, cwd=SCRATCH)


class Bridge(Asterisk):
    """Asterisk's interface, and calls behind it that are really moved."""

    board = None

    def answer(self, name, fields, is_in):
        if name == "CoreShowChannels":
            self.channels = []
            for call in self.board.up() if self.board else []:
                unique = "1795185321.%d" % (2 * call.number)
                context = "emergency" if call.dialled == "emergency" else "inbound"
                self.channels.append(("PJSIP/trunk-%08x" % call.number, unique, unique, context))
                self.channels.append(("PJSIP/ai-%08x" % call.number, unique + "1", unique, "ai"))
        answer = super().answer(name, fields, is_in)
        if name == "Redirect" and answer.startswith(b"Response: Success"):
            # It answers when it is so: the next one is asked for only then.
            number = int(fields["Channel"].rsplit("-", 1)[1], 16)
            self.board.move(next(call.id for call in self.board.up() if call.number == number))
        return answer


class Programmable(Twilio):
    """Twilio's interface, likewise; a call's document must lead to the desk."""

    board, seconds = None, 0.1

    def act(self, template, method, values, given, fields):
        if not self.board or "/Calls" not in template:
            return super().act(template, method, values, given, fields)
        self.calls = {"CA%032x" % call.number: {"sid": "CA%032x" % call.number, "status": "in-progress"}
                      for call in self.board.up()}
        answer = super().act(template, method, values, given, fields)
        if method == "POST":
            call = next(c for c in self.board.up() if "CA%032x" % c.number == values["Sid"])
            assert re.search(r"<Sip>sip:desk@127\.0\.0\.1:%d</Sip>" % self.board.desk[1], fields["Twiml"]), fields
            # Others are served meanwhile, as at Twilio, where it takes as long.
            self.lock.release()
            try:
                self.board.move(call.id)
                time.sleep(self.seconds)
            finally:
                self.lock.acquire()
        return answer


def policy(desk):
    def probe(name, more=""):
        return ('{kind: http, url: "http://127.0.0.1:%d", path: "/", interval_ms: 100, limit_ms: 1000, silence_ms: 600,'
                ' probes: 3, dwell_ms: 300%s}' % (targets[name].port, more))
    return """
v: 1
version: "test"
owner: test
private_addresses: true
hours: {time_zone: Etc/UTC, week: {%s}}
targets:
  pbx: {role: pbx, probes: [%s]}
  ai: {role: ai, probes: [%s]}
  internet: {role: uplink, quorum: 1, probes: [{kind: uplink, places: [{tcp: "127.0.0.1:%d"}], interval_ms: 100}]}
routes:
  - {name: ai-first, state: NORMAL, provider: 3cx, ai: true, needs: [pbx, ai], contacts: ["sip:ai@127.0.0.1"], records: true}
  - {name: desk, state: HUMANS_ONLY, provider: 3cx, needs: [pbx], contacts: ["sip:desk@127.0.0.1:%d"], records: true}
  - {name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}
emergency: {routes: [desk, pstn]}
switching: {hold_down_ms: 0, flap_limit: 100}
failback: {when: recovered, dwell_ms: 300}
actuators:
  asterisk:
    kind: asterisk
    host: 127.0.0.1
    port: %d
    user: callvault
    secret_file: %s
    mode: {family: failover, key: mode}
    routes: {ai-first: normal, desk: people, pstn: away}
    places: {desk: {context: rescue, extension: "200"}}
    emergency_contexts: [emergency]
    limit_ms: 5000
  twilio: {kind: twilio, account: %s, secret_file: %s, api: "%s", trunking: "%s"}
""" % (DAYS, probe("pbx"), probe("ai"), targets["internet"].port, desk, asterisk.port, secret_file, ACCOUNT, secret_file,
       twilio.origin, twilio.origin)


def rescue(interface, name):
    """A hundred calls, an AI engine that dies, and a hundred calls with people; what was seen."""
    desk = sipp(name + "-desk", "uas.xml", CALLS, desk_port)
    time.sleep(0.5)
    board = Switchboard(desk_port)
    callers = [sipp(name + "-inbound", "held.xml", CALLS - EMERGENCIES, free_port(), "-s", "inbound",
                    "127.0.0.1:%d" % board.port)]
    until(lambda: len(board.up()) == CALLS - EMERGENCIES, 30, "the first calls are up")
    # The emergencies are the youngest: by age alone they would come last.
    callers.append(sipp(name + "-emergency", "held.xml", EMERGENCIES, free_port(), "-s", "emergency",
                        "127.0.0.1:%d" % board.port))
    until(lambda: len(board.up()) == CALLS, 30, "all calls are up")
    interface.board = board
    died = time.monotonic()
    targets["ai"].kill()
    decided = supervisor.until("desk")
    until(lambda: all(call.moved_at for call in board.calls.values()), 30, "all calls are with people")
    times = sorted(call.moved_at - died for call in board.calls.values())
    interface.board = None
    board.end()
    for process in (*callers, desk):
        assert process.wait(60) == 0, "sipp: %s" % process.args
    assert len(board.order) == CALLS and len(set(call.number for call in board.order)) == CALLS, "each is moved once"
    assert board.most <= AT_ONCE, board.most
    targets["ai"].start()
    supervisor.until("ai-first")
    return board, decided, times


secret_file = os.path.join(SCRATCH, "secret")
with open(secret_file, "w") as file:
    file.write(SECRET + "\n")
targets = {name: Target() for name in ("pbx", "ai", "internet")}
asterisk, twilio = Bridge("callvault", SECRET), Programmable(ACCOUNT, SECRET)
desk_port = free_port()
supervisor = Supervisor()
service = Service()
with service:
    pass
supervisor.make(service.data, policy(desk_port))
supervisor.start()
try:
    supervisor.until("ai-first")
    board, decided, times = rescue(asterisk, "asterisk")
    # Ten leave at once, so some of the others may arrive before the last of them.
    first = [call for call in board.order[:2 * AT_ONCE] if call.dialled == "emergency"]
    assert len(first) == EMERGENCIES, [call.dialled for call in board.order]
    say("%d calls of sipp behind Asterisk's interface: decided %.2f s after the AI engine died, the %d emergencies with people "
        "after %.2f s, the last of all after %.2f s; %d at once"
        % (CALLS, decided, EMERGENCIES, max(c.moved_at for c in first) - min(
            c.moved_at for c in board.order) + times[0], times[-1], board.most))
    board, decided, times = rescue(twilio, "twilio")
    # Requests under way, which is more than calls between two places.
    assert 1 < twilio.most <= AT_ONCE, twilio.most
    say("%d behind Twilio's, which takes 0.1 s for each: decided after %.2f s, all moved after %.2f s, at most %d at once of %d"
        % (CALLS, decided, times[-1], twilio.most, AT_ONCE))
    told = supervisor.told()
    assert len(re.findall(r'"moved":100|moved=100', told)) == 2, told[-3000:]
    assert asterisk.violations == [], asterisk.violations[:3]
finally:
    supervisor.end()
