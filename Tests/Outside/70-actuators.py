#!/usr/bin/env python3
"""Actuators, notifiers and probes against vendors: a real Kamailio and a real SMTP server, and fakes of Twilio, 3CX
and Asterisk that refuse what the real ones do. Twilio's own library judges signatures.
"""
import json, os, random, shutil, signal, socket, ssl, subprocess, sys, time, urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import vendor_fakes
from ports import free_port
from vendor_fakes import Asterisk, Fault, ThreeCX, Twilio

SCRATCH, REPOSITORY = Path(os.environ["SCRATCH"]), Path(os.environ["REPOSITORY"])
DRIVER = Path(os.environ["TOOLS"], "telephony-driver")
if not DRIVER.exists():
    print("telephony-driver is not built: swift build --build-tests")
    sys.exit(77)
SECRET = "s3cret-0123456789abcdef0123456789"
secret_file = SCRATCH / "secret"
secret_file.write_text(SECRET + "\n")
checks = 0


def check(condition, *what):
    global checks
    checks += 1
    if not condition:
        raise AssertionError(f"not so: {what}")


class Driver:
    def __init__(self):
        self.process = subprocess.Popen([DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, do, **fields):
        self.process.stdin.write(json.dumps(dict(fields, do=do)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        check(line, "the driver ended", do, fields)
        return json.loads(line)

    def make(self, name, kind, settings):
        answer = self("make", name=name, kind=kind, settings=settings)
        check(answer == {}, answer)

    def switch(self, name, route, version, **fields):
        planned = self("plan", name=name, route=route, version=version, **fields)
        check("changes" in planned, planned)
        done = self("apply", name=name)
        check(done.get("confirmed") is True, done)
        check(self("verify", name=name) == {"is": True})
        return done


drive = Driver()


def probe(kind, settings, *until):
    """What a probe reported until it had reported those words; no answer counts that came after."""
    return drive("probe", kind=kind, settings=settings, until=until)["seen"]


def certificate():
    """A certificate for localhost, its own authority, and its key."""
    files = SCRATCH / "localhost.pem", SCRATCH / "localhost.key"
    if not files[0].exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", files[1], "-out", files[0], "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return files


def sid(kind, number):
    return f"{kind}{number:032x}"


# --- Kamailio, the real one ---------------------------------------------------------------------------------------

def kamailio():
    program = shutil.which("kamailio") or "/usr/sbin/kamailio"
    if not os.path.exists(program):
        print("kamailio is not installed: ./bootstrap.sh")
        sys.exit(77)
    rpc, sip = free_port(), free_port()
    places = [f"sip:127.0.0.1:{free_port()}" for _ in range(3)]
    (SCRATCH / "dispatcher.list").write_text("".join(f"1 {place} 0 {10 - n}\n" for n, place in enumerate(places)))
    (SCRATCH / "kamailio.cfg").write_text(f"""#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:{sip}
listen=tcp:127.0.0.1:{rpc}
tcp_accept_no_cl=yes
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "pv.so"
loadmodule "xhttp.so"
loadmodule "jsonrpcs.so"
loadmodule "dispatcher.so"
modparam("jsonrpcs", "transport", 1)
modparam("dispatcher", "list_file", "{SCRATCH}/dispatcher.list")
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_probing_threshold", 30000)
request_route {{ sl_send_reply("404", "Not here"); exit; }}
event_route[xhttp:request] {{
  if ($hu =~ "^/RPC") {{ jsonrpc_dispatch(); exit; }}
  xhttp_reply("404", "Not Found", "text/plain", "");
}}
""")
    process = subprocess.Popen(
        [program, "-DD", "-E", "-f", SCRATCH / "kamailio.cfg", "-P", SCRATCH / "kamailio.pid", "-Y", SCRATCH, "-w", SCRATCH,
         "-m", "32", "-M", "4"], stdout=subprocess.DEVNULL, stderr=(SCRATCH / "kamailio.log").open("w"), start_new_session=True)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", rpc), 0.1).close()
            return process, rpc, places
        except OSError:
            time.sleep(0.05)
    raise SystemExit("kamailio did not start: " + (SCRATCH / "kamailio.log").read_text()[-2000:])


def rpc_states(rpc, places):
    """What Kamailio itself says, asked without the program."""
    import urllib.request
    request = urllib.request.Request(f"http://127.0.0.1:{rpc}/RPC", json.dumps(
        {"jsonrpc": "2.0", "method": "dispatcher.list", "id": 1}).encode(), {"Content-Type": "application/json"})
    answer = json.loads(urllib.request.urlopen(request, timeout=5).read())
    targets = answer["result"]["RECORDS"][0]["SET"]["TARGETS"]
    flags = {target["DEST"]["URI"]: target["DEST"]["FLAGS"] for target in targets}
    return [flags[place] for place in places]


def check_kamailio():
    process, rpc, places = kamailio()
    try:
        drive.make("kam", "kamailio", f"""
url: http://127.0.0.1:{rpc}
set: 1
routes: {{ main: ["{places[0]}"], backup: ["{places[1]}", "{places[2]}"] }}
""")
        done = drive.switch("kam", "backup", 1)
        check([flags[0] for flags in rpc_states(rpc, places)] == ["D", "A", "A"], rpc_states(rpc, places))
        # Its next probes do not undo it.
        time.sleep(1.5)
        check(rpc_states(rpc, places)[0] == "DX", rpc_states(rpc, places))
        check(drive("apply", name="kam")["changes"] == [], "applied twice")
        check(drive("revert", name="kam").get("confirmed") is True)
        check(rpc_states(rpc, places)[0][0] == "A")
        back = drive.switch("kam", "main", 2)
        check([flags[0] for flags in rpc_states(rpc, places)] == ["A", "D", "D"])
        check(drive("plan", name="kam", route="main", version=1) == {"changes": []})
        check(drive("apply", name="kam").get("error") == "fenced", "an older plan")
        check(drive("lint", name="kam") == {"codes": []})
        drive.make("kam2", "kamailio", f'url: http://127.0.0.1:{rpc}\nset: 1\nroutes: {{ main: ["sip:192.0.2.9"] }}')
        check(drive("lint", name="kam2") == {"codes": ["destination-missing"]})
        check(drive("plan", name="kam2")["error"] == "refused")
        print(f": a real Kamailio switched and back, read by itself: {done['ms']} and {back['ms']} ms")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    check(drive("plan", name="kam", route="backup", version=3)["error"] == "unreachable")


# --- Asterisk -----------------------------------------------------------------------------------------------------

def check_asterisk():
    asterisk = Asterisk("callvault", SECRET)
    manager = f"host: 127.0.0.1\nport: {asterisk.port}\nuser: callvault\nsecret_file: {secret_file}\n"
    drive.make("ast", "asterisk", manager + """
mode: { family: failover, key: mode }
routes: { main: normal, main/people: people, backup: away }
places: { backup: { context: rescue, extension: "200" } }
emergency_contexts: [emergency]
queues: { desk: front-desk }
""")
    check(drive("lint", name="ast") == {"codes": ["mode-unknown"]})
    done = drive.switch("ast", "main", 1, ai=True)
    check(done["changes"] == [["mode failover/mode", "unset", "normal"]], done)
    drive.switch("ast", "main", 2)
    check(asterisk.database == {("failover", "mode"): "people"})
    # What a person wrote into the database goes no further than that it is unknown.
    asterisk.database["failover", "mode"] = "x; Action: Command"
    check(drive("plan", name="ast", route="backup", version=3)["changes"][0][1] == "unknown")
    asterisk.database["failover", "mode"] = "people"
    # The connection breaks under a question.
    asterisk.cut = True
    drive.switch("ast", "backup", 4)
    check(drive("revert", name="ast").get("confirmed") is True)

    # A caller's text as events between question and answer.
    asterisk.noise = (b"Event: NewCallerid\r\nCallerIDName: x\r\nResponse: Error\r\nActionID: guess-1\r\n\r\n"
                      b"Event: NewCallerid\r\nCallerIDName: \x00\x01\x7f\r\n\r\nnonsense\r\n\r\n")
    for call in range(100):
        context = "emergency" if call % 10 == 0 else "inbound"
        unique = f"1795185321.{call * 2}"
        asterisk.channels.append((f"PJSIP/trunk-{call:08x}", unique, unique, context))
        asterisk.channels.append((f"PJSIP/ai-{call:08x}", f"1795185321.{call * 2 + 1}", unique, "ai"))
    asterisk.channels.append(("Local/x\t@y-1;1", "9.1", "9.1", "inbound"))
    asterisk.channels.append(('PJSIP/"Pat" <911>', "9.2", "9.2", "inbound"))
    rescue = drive("rescue", name="ast", route="backup")
    check(rescue["calls"] == 100 and rescue["failures"] == [], rescue)
    check(len(asterisk.moved) == 100 and {move[1:] for move in asterisk.moved} == {("rescue", "200")})
    check(all(move[0].startswith("PJSIP/trunk-") for move in asterisk.moved))
    # Ten leave at once, so the last of them and the first of the others may arrive in either order.
    first = {int(move[0][-8:], 16) for move in asterisk.moved[:20]}
    check(first >= set(range(0, 100, 10)), "emergencies first", asterisk.moved[:20])
    check(drive("rescue", name="ast", route="main")["failures"] == ["invalid"] * 100)
    check(drive("record", name="ast", call="PJSIP/trunk-00000001") == {})
    check(drive("record", name="ast", call="PJSIP/trunk-00000001") == {})
    check(len(asterisk.recorded) == 1, asterisk.recorded)
    check(drive("record", name="ast", call="PJSIP/gone-1")["error"] == "refused")
    asterisk.members = [("1", "0"), ("2", "0"), ("5", "0"), ("1", "1"), ("4", "0")]
    check(drive("members", name="ast", group="desk") == {"members": 2})
    check(asterisk.violations == [], asterisk.violations[:3])

    seen = probe("ami", manager + "interval_ms: 50", "alive")
    check(set(seen) == {"sent", "alive"}, seen)
    wrong = Asterisk("callvault", "other")
    seen = probe("ami", manager.replace(str(asterisk.port), str(wrong.port)) + "interval_ms: 50", "not-serving")
    check("not-serving" in seen and "alive" not in seen, seen)
    check(wrong.logins == 1, "a refused login was repeated at once", wrong.logins)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    secured = Asterisk("callvault", SECRET, context=context)
    settings = manager.replace("127.0.0.1", "localhost").replace(str(asterisk.port), str(secured.port)) + "interval_ms: 100\n"
    for ca, word in ((SCRATCH / "localhost.pem", "alive"), ("/etc/ssl/certs/ca-certificates.crt", "tls-failed")):
        seen = probe("ami", settings + f"ca: {ca}\n", word)
        check(word in seen and ("alive" in seen) == (word == "alive"), seen)
    other = Asterisk("callvault", SECRET, b"SSH-2.0-OpenSSH_9.2\r\n")
    seen = probe("ami", manager.replace(str(asterisk.port), str(other.port)) + "interval_ms: 100", "wrong-answer")
    check("wrong-answer" in seen and "alive" not in seen, seen)
    print(f": Asterisk: mode, 100 calls moved in {rescue['ms']} ms, emergencies first; no line that a manager refuses")


# --- Twilio -------------------------------------------------------------------------------------------------------

def check_twilio():
    twilio = Twilio(sid("AC", 1), SECRET)
    twilio.trunk = {"sid": sid("TK", 1), "disaster_recovery_url": "https://dr.example"}
    twilio.page = 2
    for number, enabled in ((1, True), (2, True), (3, False)):
        twilio.originations[sid("OU", number)] = {
            "sid": sid("OU", number), "enabled": enabled, "priority": 9 + number, "weight": 10,
            "sip_url": f"sip:192.0.2.{number}", "friendly_name": "x"}
    address = "https://calls.example/{}#ct=500&rt=1500"
    twilio.numbers[sid("PN", 1)] = {
        "sid": sid("PN", 1), "phone_number": "+13125550100", "voice_url": address.format("main"), "trunk_sid": None,
        "voice_fallback_url": "https://f.example", "voice_application_sid": "", "emergency_status": "Active"}
    for number in range(2, 6):
        twilio.numbers[sid("PN", number)] = dict(twilio.numbers[sid("PN", 1)], sid=sid("PN", number), phone_number=f"+1312555010{number}")
    account = f"account: {sid('AC', 1)}\nsecret_file: {secret_file}\napi: {twilio.origin}\ntrunking: {twilio.origin}\n"
    settings = account + f"""
trunk:
  sid: {sid("TK", 1)}
  routes: {{ main: [{sid("OU", 1)}, {sid("OU", 2)}], backup: [{sid("OU", 3)}] }}
numbers:
  {sid("PN", 1)}: {{ main: "{address.format("main")}", backup: "{address.format("backup")}" }}
"""
    drive.make("twi", "twilio", settings)
    check(drive("lint", name="twi") == {"codes": []})
    check(drive("plan", name="twi", route="main") == {"changes": []})
    done = drive.switch("twi", "backup", 1)
    check([url["enabled"] for url in twilio.originations.values()] == [False, False, True])
    check(twilio.numbers[sid("PN", 1)]["voice_url"] == address.format("backup"))
    writes = [request for request in twilio.requests if request[0] == "POST"]
    check(sid("OU", 3) in writes[0][1], "the new way is opened first", writes)
    check(all(name in ("Enabled", "Priority", "VoiceUrl") for write in writes for name, _ in urllib.parse.parse_qsl(write[3])))
    check(drive("revert", name="twi").get("confirmed") is True)
    check([url["enabled"] for url in twilio.originations.values()] == [True, True, False])
    # 429 was not processed, 503 may have been: both are asked again inside the deadline.
    twilio.faults = [Fault(429, {"code": 20429, "status": 429}), Fault(503, None)] * 2
    drive.switch("twi", "backup", 2)
    check(twilio.faults == [])
    twilio.faults = [Fault(429, {"code": 20429}, {"Retry-After": "60"})]
    check(drive("plan", name="twi", route="main", version=3)["error"] == "busy")
    twilio.numbers[sid("PN", 1)]["trunk_sid"] = sid("TK", 1)
    check(drive("plan", name="twi", route="main", version=3)["error"] == "refused")
    check(drive("lint", name="twi")["codes"] == ["trunk-hides-voice-url"])
    check(drive("lint", name="twi", contacts=["+13125550103"])["codes"] == ["trunk-hides-voice-url", "route-loops"])
    twilio.numbers[sid("PN", 1)]["trunk_sid"] = None
    twilio.numbers[sid("PN", 1)]["phone_number"] = "911"
    check(drive("plan", name="twi", route="main", version=3)["error"] == "emergencyNumber")
    twilio.numbers[sid("PN", 1)]["phone_number"] = "+13125550100"
    check(twilio.refused[4:] == [] or all(entry[2] in (429, 503) for entry in twilio.refused), twilio.refused)

    for number in range(100):
        twilio.calls[sid("CA", number)] = {
            "sid": sid("CA", number), "status": "in-progress", "trunk_sid": None, "parent_call_sid": None, "from": "<Dial>911</Dial>"}
    twilio.calls[sid("CA", 200)] = dict(twilio.calls[sid("CA", 1)], sid=sid("CA", 200), trunk_sid=sid("TK", 1))
    twilio.calls[sid("CA", 201)] = dict(twilio.calls[sid("CA", 1)], sid=sid("CA", 201), status="completed")
    twilio.page, twilio.delay, twilio.most = 1000, 0.02, 0
    twilio.faults = [None] + [Fault(429, {"code": 20429})] * 15
    critical = [sid("CA", number) for number in range(95, 100)]
    rescue = drive("rescue", name="twi", route="backup", contacts=["sip:desk@192.0.2.10;a=1&b=2", "+13125550177"],
                   critical=critical, limit_ms=20_000)
    check(rescue["calls"] == 100 and rescue["failures"] == [], rescue["calls"], rescue["failures"])
    check(2 <= twilio.most <= 10, "at once", twilio.most)
    moved = [call.get("moved") for call in twilio.calls.values()]
    expected = ('<?xml version="1.0" encoding="UTF-8"?><Response><Dial answerOnBridge="true" timeout="20">'
                '<Sip>sip:desk@192.0.2.10;a=1&amp;b=2</Sip><Number>+13125550177</Number></Dial></Response>')
    check(moved[:100] == [expected] * 100 and moved[100:] == [None, None], moved[:2])
    twilio.delay = 0
    check(drive("record", name="twi", call=sid("CA", 1)) == {} and drive("record", name="twi", call=sid("CA", 1)) == {})
    check(len(twilio.recordings[sid("CA", 1)]) == 1)
    sms = account + 'from: "+13125550100"\nto: ["+13125550188", "+13125550189"]\n'
    check("notice" in drive("notify", kind="twilio-sms", settings=sms, subject="Pat Smith"))
    check(len(twilio.messages) == 2 and "Pat" not in json.dumps(twilio.messages), twilio.messages)
    # A text message is not sent twice because nobody knows whether it was sent.
    twilio.faults = [Fault(500, None), Fault(500, None)]
    check(drive("notify", kind="twilio-sms", settings=sms)["error"] == "unreachable")
    check(len(twilio.messages) == 2)
    drive.make("twx", "twilio", settings.replace(str(secret_file), str(REPOSITORY / "README.md")).replace(
        f"secret_file: {REPOSITORY / 'README.md'}", f"secret_file: {SCRATCH / 'wrong'}") if (SCRATCH / "wrong").write_text("wrong") else "")
    check(drive("plan", name="twx", route="backup")["error"] == "refused")
    print(f": Twilio: trunk and number switched in {done['ms']} ms, 100 live calls in {rescue['ms']} ms "
          f"({twilio.most} at once, 429 on the way)")


# --- 3CX ----------------------------------------------------------------------------------------------------------

def check_three_cx():
    pbx = ThreeCX("callvault", SECRET)
    point, queue = {"To": "RoutePoint", "Number": "900"}, {"To": "Queue", "Number": "800"}
    times = ("OfficeHoursDestination", "OutOfOfficeHoursDestination", "HolidaysDestination")
    pbx.collections["InboundRules"] = [
        dict({"Id": 3, "Condition": "BasedOnDID", "Data": "+13125550100"}, **{time: dict(point, Type="RoutePoint") for time in times}),
        dict({"Id": 4, "Condition": "BasedOnDID", "Data": "911"}, **{time: point for time in times})]
    pbx.collections["Trunks"] = [{"Id": 1, "Number": "10000", "IsOnline": True, "DidNumbers": ["+13125550100"]}]
    pbx.collections["Services"] = [{"Name": "3CXQueue", "Status": "Running"}]
    pbx.collections["OutboundRules"] = [{"Id": 9, "EmergencyRule": True}]
    server = f"url: {pbx.origin}\nclient: callvault\nsecret_file: {secret_file}\n"
    drive.make("cx", "threecx", server + """
rules: { 3: { main: RoutePoint 900, main/people: Queue 800 } }
points: ["900"]
moves: { main: Queue 800 }
groups: { desk: { queue: "800" }, nurses: { ring_group: "801" } }
""")
    check(drive("lint", name="cx") == {"codes": []})
    done = drive.switch("cx", "main", 1)
    check([pbx.collections["InboundRules"][0][time] for time in times] == [queue] * 3)
    check([pbx.collections["InboundRules"][1][time] for time in times] == [point] * 3, "911 untouched")
    check(len([request for request in pbx.requests if request[0] == "PATCH"]) == 1)
    check(drive("revert", name="cx").get("confirmed") is True)
    check(pbx.tokens == 1, "one token", pbx.tokens)
    # Somebody else fetches a token, which ends ours.
    pbx.token = "another"
    drive.switch("cx", "main", 2)
    check(pbx.tokens == 2)
    drive.make("cx911", "threecx", server + "rules: { 4: { main: Queue 800 } }")
    check(drive("plan", name="cx911", route="main")["error"] == "emergencyNumber")
    check(drive("lint", name="cx911")["codes"] == ["emergency-touched", "destination-foreign"])
    pbx.participants["900"] = [{"id": number, "dn": "900", "party_caller_name": '"}, "x'} for number in range(1, 31)]
    rescue = drive("rescue", name="cx", route="main")
    check(rescue["calls"] == 30 and rescue["failures"] == [] and {to for _, to in pbx.moved} == {"800"}, rescue)
    check(drive("record", name="cx", call="900/1")["error"] == "refused")
    pbx.queues["800"] = {"Id": 5, "Agents": [{"Number": "101"}, {"Number": "102"}, {"Number": "103"}]}
    pbx.groups["801"] = {"Id": 6, "Members": [{"Number": "103"}]}
    pbx.collections["Users"] = [{"Id": n, "Number": str(n), "IsRegistered": n != 102, "QueueStatus": "LoggedOut" if n == 103 else "LoggedIn"}
                                for n in range(101, 320)]
    check(drive("members", name="cx", group="desk") == {"members": 1})
    check(drive("members", name="cx", group="nurses") == {"members": 1})
    check(drive("members", name="cx", group="other")["error"] == "invalid")
    check({entry[2] for entry in pbx.refused} <= {401}, pbx.refused)

    settings = server + 'trunks: ["10000"]\nservices: ["3CXQueue"]\ninterval_ms: 50\n'
    seen = probe("pbx-api", settings, "alive")
    check("alive" in seen and set(seen) == {"sent", "alive"}, seen)
    for change in (lambda: pbx.collections["Trunks"][0].update(IsOnline=False),
                   lambda: (pbx.collections["Trunks"][0].update(IsOnline=True), pbx.collections["Services"][0].update(Status="Stopped")),
                   lambda: (pbx.collections["Services"][0].update(Status="Running"), pbx.status.update(TrunksRegistered=0))):
        change()
        seen = probe("pbx-api", settings, "not-serving")
        check("not-serving" in seen and "alive" not in seen, seen)
    print(f": 3CX: rule switched in {done['ms']} ms with one token, 30 calls moved in {rescue['ms']} ms")


# --- Our own: webhook, script, mail, PagerDuty, probes ---------------------------------------------------------------

class Receiver(vendor_fakes.Fake):
    """A webhook's other side and an AI engine, written from the format page."""

    def __init__(self):
        super().__init__()
        self.route, self.fencing, self.bodies, self.nonces = "main", 0, [], set()
        self.nonsense, self.events, self.ills = False, [], []

    def handle(self, method, path, query, headers, body):
        import hashlib, hmac
        if path == "/ill" and self.ills:
            raise self.ills.pop(0)
        if path in ("/health", "/ill"):
            return 200, {"ok": True}, "application/json"
        if path == "/v2/enqueue":
            event = json.loads(body)
            if set(event) - {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"} \
                    or event["payload"]["severity"] not in ("critical", "error", "warning", "info"):
                raise Fault(400, {"status": "invalid event"})
            self.events.append(event)
            return 202, {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}, "application/json"
        if path == "/canary":
            question = json.loads(body)
            right = {"front desk please": "front-desk"}[question["utterance"]]
            return 200, {"v": 1, "nonce": question["nonce"], "answer": "banana" if self.nonsense else right}, "application/json"
        claim = dict(part.split("=", 1) for part in headers["CallVault-Signature"].split(","))
        signed = f"callvault-webhook-v1\n{claim['t']}\n{claim['n']}\n".encode() + body
        if hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() != claim["v1"] \
                or abs(time.time() - int(claim["t"])) > 300 or claim["n"] in self.nonces:
            raise Fault(403, None)
        self.nonces.add(claim["n"])
        question = json.loads(body)
        self.bodies.append(question)
        if question.get("do") == "set":
            if question["fencing"] < self.fencing:
                raise Fault(409, None)
            self.route, self.fencing = question["route"], question["fencing"]
        return 200, {"v": 1, "route": self.route}, "application/json"


def check_own():
    receiver = Receiver()
    hook = f"url: {receiver.origin}\npath: /hook\nsecret_file: {secret_file}\n"
    drive.make("hook", "webhook", hook + "routes: [main, main/people, backup]")
    drive.switch("hook", "backup", 1, fencing=5)
    drive.switch("hook", "main", 2, fencing=5)
    check(receiver.route == "main/people", receiver.route)
    receiver.fencing = 9
    drive("plan", name="hook", route="backup", version=3, fencing=6)
    check(drive("apply", name="hook")["error"] == "fenced")
    check("notice" in drive("notify", kind="webhook", settings=hook, subject="backup"))
    check(receiver.bodies[-1]["subject"] == "backup" and receiver.bodies[-1]["v"] == 1)

    script = SCRATCH / "switch.sh"
    script.write_text(f"""#!/bin/sh
printf '%s\\n' "$*" >> {SCRATCH}/calls
case "$1" in
  read) cat {SCRATCH}/route 2>/dev/null || echo main ;;
  set) [ "$5" = people ] && echo "$3/people" > {SCRATCH}/route || echo "$3" > {SCRATCH}/route ;;
esac
""")
    script.chmod(0o700)
    for name, limit in (("script", 5000), ("hasty", 600)):
        drive.make(name, "script", f"path: {script}\nroutes: [main, main/people, backup]\nlimit_ms: {limit}\n")
    drive.switch("script", "backup", 4, fencing=2)
    drive.switch("script", "main", 5, fencing=2)
    check("set --route main --answer people --fencing 2 --version 5" in (SCRATCH / "calls").read_text())
    script.write_text("#!/bin/sh\nsleep 600\n")
    check(drive("plan", name="hasty", route="backup", version=6)["error"] == "unreachable")
    script.write_text("#!/bin/sh\nexit 3\n")
    check(drive("plan", name="script", route="backup", version=6)["error"] == "fenced")

    key = SCRATCH / "pagerduty"
    key.write_text("0123456789abcdef0123456789abcdef")
    duty = f"routing_key_file: {key}\nurl: {receiver.origin}\n"
    notice = drive("notify", kind="pagerduty", settings=duty, subject="<Pat>")["notice"]
    check(receiver.events[0]["dedup_key"] == notice and "Pat" not in json.dumps(receiver.events))

    health = f"url: {receiver.origin}\npath: /health\ninterval_ms: 50\n"
    seen = probe("http", health, "alive")
    check("alive" in seen and set(seen) == {"sent", "alive"}, seen)
    # A path of its own: the probe before may still have asked.
    receiver.ills = [Fault(503, None, {"Retry-After": "7"}), Fault(500, None), Fault(404, None)]
    seen = probe("http", health.replace("/health", "/ill"), "drain 7000", "server-error", "wrong-answer", "alive")
    check({"drain 7000", "server-error", "wrong-answer", "alive"} <= set(seen), seen)
    receiver.delay = 0.3
    seen = probe("http", health + "limit_ms: 100\n", "timeout")
    check("timeout" in seen and "alive" not in seen, seen)
    receiver.delay = 0
    canary = f"url: {receiver.origin}\npath: /canary\ninterval_ms: 50\nphrases: [{{ say: front desk please, expect: front-desk }}]\n"
    seen = probe("canary", canary, "alive")
    check("alive" in seen and set(seen) == {"sent", "alive"}, seen)
    receiver.nonsense = True
    seen = probe("canary", canary, "wrong-answer")
    check("wrong-answer" in seen and "alive" not in seen, seen)
    silent = socket.create_server(("127.0.0.1", 0), backlog=1)
    port, gone = receiver.server.server_address[1], free_port()
    places = lambda *texts: "interval_ms: 100\nlimit_ms: 400\nplaces:\n" + "".join(f"  - {text}\n" for text in texts)
    for settings, word in ((places(f"tcp: 127.0.0.1:{port}"), "alive"), (places("dns: localhost"), "alive"),
                           (places(f"tcp: 127.0.0.1:{gone}"), "unreachable"),
                           (places("dns: no-such-host.invalid"), "name-unresolved"),
                           (places(f"tls: 127.0.0.1:{silent.getsockname()[1]}"), "timeout"),
                           (places(f"tls: 127.0.0.1:{port}"), "tls-failed")):
        seen = probe("uplink", settings, word)
        check(word in seen and ("alive" in seen) == (word == "alive"), settings, seen)
    seen = probe("uplink", places(f"tcp: 127.0.0.1:{gone}", f"tcp: 127.0.0.1:{port}"), "alive")
    check("alive" in seen, "one of two is enough", seen)
    print(": webhook signed and fenced, script, PagerDuty, probes of HTTP, canary and uplink, each with its misses")


def check_mail():
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult
    letters = []

    class Keep:
        async def handle_DATA(self, server, session, envelope):
            letters.append(envelope)
            return "250 kept"

        async def handle_RCPT(self, server, session, envelope, address, options):
            if address.startswith("nobody@"):
                return "550 no such person"
            envelope.rcpt_tos.append(address)
            return "250 ok"

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    login = lambda server, session, envelope, mechanism, data: AuthResult(
        success=(data.login, data.password) == (b"callvault", SECRET.encode()))
    secured = Controller(Keep(), "127.0.0.1", free_port(), tls_context=context, require_starttls=True, auth_required=True,
                         authenticator=login)
    plain = Controller(Keep(), "127.0.0.1", free_port())
    secured.start(), plain.start()
    try:
        settings = (f"host: localhost\nport: {secured.port}\nsecurity: starttls\nca: {SCRATCH}/localhost.pem\nuser: callvault\n"
                    f"password_file: {secret_file}\nfrom: callvault@practice.example\nto: [a@practice.example, b@practice.example]\n")
        answer = drive("notify", kind="smtp", settings=settings, subject="backup")
        check("notice" in answer, answer)
        letter = letters.pop()
        text = letter.content.decode()
        check(letter.mail_from == "callvault@practice.example" and letter.rcpt_tos == ["a@practice.example", "b@practice.example"])
        check(f"notice: {answer['notice']}" in text and "Subject: CallVault critical: emergency-transfer backup" in text, text)
        import email
        parsed = email.message_from_bytes(letter.content)
        check(parsed.defects == [] and parsed["Auto-Submitted"] == "auto-generated")
        (SCRATCH / "wrong").write_text("wrong")
        wrong = settings.replace(f"password_file: {secret_file}", f"password_file: {SCRATCH / 'wrong'}")
        check(drive("notify", kind="smtp", settings=wrong)["error"] in ("refused", "unreachable"))
        stranger = settings.replace(f"ca: {SCRATCH}/localhost.pem\n", "")
        check(drive("notify", kind="smtp", settings=stranger)["error"] == "unreachable")
        # STARTTLS is asked for, and a server without it gets nothing.
        stripped = settings.replace(str(secured.port), str(plain.port))
        check(drive("notify", kind="smtp", settings=stripped)["error"] == "unreachable")
        open_mail = f"host: 127.0.0.1\nport: {plain.port}\nsecurity: none\nfrom: a@b.example\nto: [TO]\n"
        check("notice" in drive("notify", kind="smtp", settings=open_mail.replace("TO", "c@d.example")))
        check(drive("notify", kind="smtp", settings=open_mail.replace("TO", "nobody@d.example"))["error"] == "refused")
        check("error" in drive("notify", kind="smtp", settings=open_mail.replace("127.0.0.1", "192.0.2.1").replace("TO", "c@d.example")))
        check(len(letters) == 1, "nothing was sent in the open or twice", len(letters))
        check("notice" in drive("notify", kind="smtp", settings=open_mail.replace("TO", "nobody@d.example, c@d.example")))
        check(letters.pop().rcpt_tos == ["c@d.example"], "one dead address keeps nobody else from being told")
        print(": aiosmtpd took mail over STARTTLS with a login; no TLS, another certificate, a wrong password and nobody: nothing sent")
    finally:
        secured.stop(), plain.stop()


# --- Signatures, judged by Twilio's own library -----------------------------------------------------------------------

def check_signatures(rounds=int(os.environ.get("CALLVAULT_SIGNATURES", "2000"))):
    import base64, hashlib
    from twilio.request_validator import RequestValidator
    dice = random.Random(7)
    letters = "abcXYZ019 &=+%?#/<>\"'éß字\U0001F600-_.~[]*"
    word = lambda low, high: "".join(dice.choice(letters) for _ in range(dice.randint(low, high)))
    accepted = 0
    for number in range(rounds):
        origin = dice.choice(["https://calls.example.org", "https://calls.example.org:8443", "http://127.0.0.1:8080", "http://a.example"])
        target = "/twilio/voice" + dice.choice(["", "?step=1", "?a=b&c=%20d"])
        token, shared = word(1, 40), word(32, 40)
        algorithm = dice.choice(["HMAC_SHA1", "HMAC_SHA256"])
        key = token if algorithm == "HMAC_SHA1" else shared
        is_form = dice.random() < 0.8
        if is_form:
            pairs = [(word(1, 12), word(0, 30)) for _ in range(dice.randint(0, 12))]
            params = dict(pairs)
            body = urllib.parse.urlencode(params)
            content = "application/x-www-form-urlencoded"
        else:
            body = json.dumps({word(1, 5): word(0, 20)})
            digest = hashlib.sha256(body.encode()).hexdigest()
            target += ("&" if "?" in target else "?") + "bodySHA256=" + digest
            params, content = body, "application/json"
        validator = RequestValidator(key)
        signed = dice.choice([origin + target] * 3 + [origin.replace(".org", ".org:443") + target])
        signature = validator.compute_signature(signed, params if is_form else {}, algorithm)
        # Half of them are changed somewhere.
        change = dice.randrange(8)
        if change == 0:
            raw = bytearray(base64.b64decode(signature))
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
            signature = base64.b64encode(bytes(raw)).decode()
        elif change == 1 and is_form and params:
            params = dict(params, **{dice.choice(list(params)): word(31, 40)})
            body = urllib.parse.urlencode(params)
        elif change == 2:
            target += ("&" if "?" in target else "?") + "x=1"
        elif change == 3 and not is_form:
            body = params = body + " "
        headers = {"X-Twilio-Signature": signature, "Content-Type": content}
        if algorithm == "HMAC_SHA256":
            headers["X-Twilio-Webhooks-Signature-Settings"] = "key=key1,algorithm=HMAC_SHA256"
        theirs = validator.validate(origin + target, params, signature, algorithm)
        ours = drive("signature", origin=origin, target=target, token=token, shared=shared, headers=headers, body=body)
        check(theirs == ("fields" in ours), number, origin, target, headers, body, theirs, ours)
        accepted += theirs
    check(rounds * 0.3 < accepted < rounds, accepted)
    print(f": twilio's RequestValidator agrees on {rounds} signatures, both headers, {accepted} of them right")


only = sys.argv[1:]
for name in ("kamailio", "asterisk", "twilio", "three_cx", "own", "mail", "signatures"):
    if not only or name in only:
        began = time.monotonic()
        globals()["check_" + name]()
        print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr)
drive.process.stdin.close()
check(drive.process.wait(10) == 0)
print(f": {checks} checks")
