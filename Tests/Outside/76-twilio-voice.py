#!/usr/bin/env python3
"""Twilio asks the supervisor what to do with calls: PyPI's `twilio` signs as Twilio does, and judges what comes back.

Right requests in both header schemes get the document of the plan that holds; forged, changed, replayed and other
accounts' requests get 403 and are counted. The phone system is killed: when does the next document name another
way? What a caller is called is in no document.
"""
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

import jsonschema_rs
import yaml
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Dial, VoiceResponse

from ports import free_port
from supervisor import ALWAYS, Listening, Target
from vault_service import SCRATCH, say

ACCOUNT, TOKEN, SHARED = "AC" + "0" * 32, "f" * 32, "s" * 40
ORIGIN = "https://calls.example.org"
FORM = "application/x-www-form-urlencoded"
PBX = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
for name, secret in (("token", TOKEN), ("shared", SHARED)):
    with open(os.path.join(SCRATCH, name), "w") as file:
        file.write(secret + "\n")


other = Target()
pbx_port = free_port()


def pbx():
    return subprocess.Popen([sys.executable, "-c", PBX, str(pbx_port)], stderr=subprocess.DEVNULL)


POLICY = f"""
v: 1
version: "test"
owner: test
private_addresses: true
{ALWAYS}
targets:
  pbx:
    role: pbx
    quorum: 2
    probes:
      - {{kind: http, url: "http://127.0.0.1:{pbx_port}", path: "/", interval_ms: 50, limit_ms: 1000,
         silence_ms: 900, probes: 3, dwell_ms: 300, decisive: true}}
      - {{kind: passive, silence_ms: 100, probes: 3, dwell_ms: 0}}
  internet: {{role: uplink, quorum: 1, probes: [{{kind: uplink, places: [{{tcp: "127.0.0.1:{other.port}"}}], interval_ms: 50}}]}}
routes:
  - {{name: desk, state: NORMAL, provider: 3cx, needs: [pbx], contacts: ["sip:desk@pbx.example.org;x=1&y", "sip:nurse@pbx.example.org"], records: true}}
  - {{name: backup, state: TWILIO_BACKUP, provider: twilio, contacts: ["sip:practice@example.sip.twilio.com"], paid: true, records: true}}
  - {{name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}}
emergency: {{routes: [desk, backup, pstn]}}
switching: {{hold_down_ms: 0, flap_limit: 100}}
failback: {{when: recovered, dwell_ms: 200}}
spend: {{calls: 3, window_ms: 600000}}
voice: {{origin: "{ORIGIN}", account: {ACCOUNT}, token_file: {SCRATCH}/token, shared_key: CR1, shared_key_file: {SCRATCH}/shared}}
"""
with open(os.path.join(os.environ["REPOSITORY"], "Policies/routing.schema.json")) as file:
    jsonschema_rs.validator_for(json.load(file)).validate(yaml.safe_load(POLICY))
numbers = iter(range(1, 1 << 30))


def sid(number):
    return "CA%032x" % number


def call(**more):
    fields = {"AccountSid": ACCOUNT, "CallSid": sid(next(numbers)), "From": "+13125550199", "To": "+13125550100",
              "CallStatus": "ringing", "Direction": "inbound", "ApiVersion": "2010-04-01"}
    return dict(fields, **more)


class Twilio:
    """Signs with Twilio's own library, on one connection."""

    def __init__(self, supervisor):
        self.connection = supervisor.secure()

    def post(self, fields, path="/twilio/voice", algorithm="HMAC_SHA1", secret=None, origin=ORIGIN, change=None, host=None):
        validator = RequestValidator(secret or (TOKEN if algorithm == "HMAC_SHA1" else SHARED))
        signature = validator.compute_signature(origin + path, fields, algorithm)
        headers = {"Content-Type": FORM, "X-Twilio-Signature": signature, "Host": host or "calls.example.org"}
        if algorithm == "HMAC_SHA256":
            headers["X-Twilio-Webhooks-Signature-Settings"] = "key=CR1,algorithm=HMAC_SHA256"
        if change:
            fields, path, headers = change(dict(fields), path, dict(headers))
        self.connection.request("POST", path, urllib.parse.urlencode(fields), headers)
        response = self.connection.getresponse()
        return response.status, response.read().decode()


def contact(document):
    """The one contact of a document; what Twilio's library would write for it is the same document."""
    root = ElementTree.fromstring(document)
    dial = root.find("Dial")
    assert root.tag == "Response" and len(root) == 1 and len(dial) == 1, document
    noun = dial[0]
    ours = Dial(answer_on_bridge=True, timeout=int(dial.get("timeout")),
                **({"action": dial.get("action"), "method": "POST"} if dial.get("action") else {}))
    news = {"status_callback": noun.get("statusCallback"), "status_callback_event": noun.get("statusCallbackEvent")} \
        if noun.get("statusCallback") else {}
    (ours.sip if noun.tag == "Sip" else ours.number)(noun.text, **news)
    theirs = VoiceResponse()
    theirs.append(ours)
    assert ElementTree.canonicalize(str(theirs)) == ElementTree.canonicalize(document), (str(theirs), document)
    return noun.text


one = pbx()
supervisor = Listening(POLICY)
try:
    with supervisor:
        supervisor.until("desk")
        twilio = Twilio(supervisor)

        # Both header schemes, and each step on to the last route's contacts.
        right = 0
        for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
            for origin in (ORIGIN, ORIGIN + ":443"):
                fields = call()
                for step, wanted in enumerate(("sip:desk@pbx.example.org;x=1&y", "sip:nurse@pbx.example.org", "+13135550142")):
                    status, document = twilio.post(
                        fields, "/twilio/voice" + ("?step=%d" % step if step else ""), algorithm, origin=origin)
                    assert status == 200 and contact(document) == wanted, (status, document)
                    right += 1
                fields["DialCallStatus"] = "no-answer"
                assert "<Hangup/>" in twilio.post(fields, "/twilio/voice?step=3", algorithm, origin=origin)[1]
        status, document = twilio.post(call(ErrorCode="11200"), "/twilio/voice/fallback")
        assert status == 200 and contact(document) == "+13135550142", document

        # What callers chose: the document is that of any other call.
        plain = twilio.post(call())[1]
        for hostile in ("<Dial>911</Dial>", "\"/><Redirect>https://evil.example</Redirect>", "]]>&#60;Number>911",
                        "sip:x@y\r\nX: y", "\u202e\U0001F600<!--", "'+alert(1)+'"):
            status, document = twilio.post(call(From=hostile, CallerName=hostile, To=hostile, ForwardedFrom=hostile, FromCity=hostile))
            assert (status, document) == (200, plain), document
        assert "911" not in plain

        # Forged, changed, replayed, of others.
        before = supervisor.metric("callvault_failover_twilio_refused_total")
        dice, refused = random.Random(1), 0

        def expect_refused(fields, **how):
            global refused
            status, body = twilio.post(fields, **how)
            assert (status, body) == (403, ""), (status, body, how)
            refused += 1

        def changed(name):
            def change(fields, path, headers):
                fields[name] = fields[name] + "0"
                return fields, path, headers
            return change

        def header(name, value):
            def change(fields, path, headers):
                headers[name] = value
                if value is None:
                    del headers[name]
                return fields, path, headers
            return change

        for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
            for name in ("AccountSid", "CallSid", "From", "To", "CallStatus"):
                expect_refused(call(), algorithm=algorithm, change=changed(name))
            expect_refused(call(), algorithm=algorithm, change=lambda f, p, h: (dict(f, Extra="1"), p, h))
            expect_refused(call(), algorithm=algorithm, change=lambda f, p, h: ({n: v for n, v in f.items() if n != "To"}, p, h))
            expect_refused(call(), algorithm=algorithm, change=lambda f, p, h: (f, p + "?step=1", h))
            expect_refused(call(), algorithm=algorithm, secret="0" * 40)
            expect_refused(call(AccountSid="AC" + "1" * 32), algorithm=algorithm)
            expect_refused(call(), algorithm=algorithm, origin="https://evil.example")
            expect_refused(call(), algorithm=algorithm, origin="http://calls.example.org")
            expect_refused(call(), algorithm=algorithm, change=header("X-Twilio-Signature", None))
            expect_refused(call(), algorithm=algorithm, change=header("X-Twilio-Signature", "AAAA"))
            expect_refused(call(), algorithm=algorithm, path="/twilio/voice?step=100")
            expect_refused(call(), algorithm=algorithm, path="/twilio/voice?step=1&x=2")
            expect_refused(call(CallSid="CA1"), algorithm=algorithm)
        expect_refused(call(), change=header("X-Twilio-Webhooks-Signature-Settings", "key=CR1,algorithm=HMAC_SHA256"))
        expect_refused(call(), algorithm="HMAC_SHA256", change=header("X-Twilio-Webhooks-Signature-Settings", None))
        kept = call()
        assert twilio.post(kept)[0] == 200 and twilio.post(kept)[0] == 200, "Twilio asks again at once where an answer was lost"
        assert twilio.post(dict(kept, CallStatus="completed"), "/twilio/voice/status")[0] == 204
        expect_refused(kept)
        expect_refused(dict(kept, CallStatus="completed"), path="/twilio/voice/status")
        assert twilio.post(call(), host="evil.example")[0] == 421, "another name gets nothing"
        twilio = Twilio(supervisor)
        after = supervisor.metric("callvault_failover_twilio_refused_total")
        assert sum(after.values()) - sum(before.values()) == refused, (before, after, refused)
        assert all(after['{reason="%s"}' % word] > 0 for word in ("unsigned", "mismatch", "account", "call", "replayed")), after
        # The API beside it knows nothing of signatures.
        assert supervisor.ask("GET", "/v1/route", token="cv1_nothing")[0] == 401
        say("%d requests that twilio's library signed got their documents, in both header schemes; %d forged, changed, "
            "replayed or of others got 403 and are counted" % (right, refused))

        # News of legs: one voice, which moves nothing by itself, and no news counts twice.
        def voice():
            pbx = next(t for t in supervisor.status()["targets"] if t["target"] == "pbx")
            return next(s["belief"] for s in pbx["signals"] if s["kind"] == "passive")

        def leg(word, **more):
            parent = call()
            assert twilio.post(parent)[0] == 200
            return call(ParentCallSid=parent["CallSid"], CallStatus=word, Direction="outbound-dial", **more)

        sent = leg("failed", SipResponseCode="503")
        assert twilio.post(sent, "/twilio/voice/status")[0] == 204
        for _ in range(20):
            expect_refused(sent, path="/twilio/voice/status")
        assert voice() != "down", "one failure, told twenty times"
        end = time.monotonic() + 10
        while voice() != "down" and time.monotonic() < end:
            assert twilio.post(leg("failed", SipResponseCode="503"), "/twilio/voice/status")[0] == 204
            time.sleep(0.02)
        assert voice() == "down" and supervisor.status()["plan"]["route"] == "desk", supervisor.status()
        while voice() != "alive" and time.monotonic() < end:
            assert twilio.post(leg("in-progress"), "/twilio/voice/status")[0] == 204
            time.sleep(0.02)
        assert voice() == "alive"
        legs = supervisor.metric("callvault_failover_twilio_legs_total")[""]
        say("news of %d legs: the phone system's passive voice went down and came back, and moved no call alone" % legs)

        # By hand: the next document is the override's.
        assert supervisor.ask("POST", "/v1/route/override", {"route": "pstn", "for_ms": 60000})[0] == 200
        assert contact(twilio.post(call())[1]) == "+13135550142"
        assert supervisor.ask("DELETE", "/v1/route/override")[0] == 200
        supervisor.until("desk")

        # Killed: from when on does a new call get the other route?
        took, asked, slowest = [], [], 0
        for _ in range(5):
            assert contact(twilio.post(call())[1]).startswith("sip:desk@")
            one.send_signal(signal.SIGKILL)
            one.wait()
            begun = time.monotonic()
            while True:
                at = time.monotonic()
                status, document = twilio.post(call())
                asked.append(time.monotonic() - at)
                assert status == 200, status
                where = contact(document)
                if where == "sip:practice@example.sip.twilio.com":
                    break
                assert where.startswith("sip:desk@") and at - begun < 10, where
            took.append(time.monotonic() - begun)
            one = pbx()
            supervisor.until("desk")
        say("phone system killed: the next document named the other route after %.2f s (median of %d, worst %.2f s)"
            % (statistics.median(took), len(took), max(took)))
        say("%d documents over TLS while it was found out: median %.1f ms, worst %.1f ms"
            % (len(asked), statistics.median(asked) * 1000, max(asked) * 1000))
        # Calls on the paid way are counted, told about, and go on.
        assert supervisor.ask("POST", "/v1/route/override", {"route": "backup", "for_ms": 60000})[0] == 200
        for _ in range(6):
            assert contact(twilio.post(call())[1]).startswith("sip:practice@")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            notices = [n for n in supervisor.ask("GET", "/v1/notices")[1]["notices"] if n["notice"] == "spend-cap"]
            if notices:
                break
            time.sleep(0.1)
        assert len(notices) == 1 and notices[0]["urgency"] == "critical", notices
        assert contact(twilio.post(call())[1]).startswith("sip:practice@")
        while supervisor.metric("callvault_failover_paid_calls")[""] < 7 and time.monotonic() < end:
            time.sleep(0.1)
        assert supervisor.metric("callvault_failover_paid_calls")[""] >= 7
        say("paid calls beyond the cap are told as critical, and are still put through")
        assert supervisor.metric("callvault_failover_twilio_documents_total")[""] > right
finally:
    one.kill()
