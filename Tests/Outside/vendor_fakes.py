"""Vendors for tests, on 127.0.0.1: they refuse what the real ones' descriptions refuse (vendor_facts.py)."""
import base64, json, re, secrets, socket, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import vendor_facts as facts


class Fault(Exception):
    def __init__(self, status, body, headers=None):
        self.status, self.body, self.headers = status, body, headers or {}


class Fake:
    """A server whose `handle` gets method, path, query, headers and body; keeps what it refused."""

    def __init__(self):
        fake = self
        self.requests, self.refused, self.faults, self.lock = [], [], [], threading.RLock()
        self.delay, self.moving, self.most = 0, 0, 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                url = urllib.parse.urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with fake.lock:
                    fake.moving += 1
                    fake.most = max(fake.most, fake.moving)
                    fault = fake.faults.pop(0) if fake.faults else None
                time.sleep(fake.delay)
                try:
                    if fault:
                        raise fault
                    with fake.lock:
                        status, content, kind = fake.handle(self.command, url.path, url.query, self.headers, body)
                    headers = {}
                except Fault as fault:
                    status, content, kind, headers = fault.status, fault.body, "application/json", fault.headers
                    with fake.lock:
                        fake.refused.append((self.command, self.path, status, body.decode("latin1")))
                with fake.lock:
                    fake.moving -= 1
                    fake.requests.append((self.command, self.path, status, body.decode("latin1")))
                content = content if isinstance(content, bytes) else json.dumps(content).encode() if content is not None else b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if content:
                    self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def of_type(value, fact):
    if "pattern" in fact:
        return re.fullmatch(fact["pattern"], value) is not None
    if "enum" in fact:
        return value in fact["enum"]
    if fact.get("type") == "boolean":
        return value in ("true", "false")
    if fact.get("type") == "integer":
        return re.fullmatch(r"-?\d+", value) is not None and \
            fact.get("minimum", -1 << 40) <= int(value) <= fact.get("maximum", 1 << 40)
    return True


class Twilio(Fake):
    def __init__(self, account, secret):
        super().__init__()
        self.account, self.secret = account, secret
        self.trunk, self.originations, self.numbers, self.calls, self.recordings, self.messages = {}, {}, {}, {}, {}, []
        self.page = 50
        # Calls that were placed, and how the next of them end; the rest are answered.
        self.placed, self.outcomes = [], []

    def fault(self, status, code):
        return Fault(status, {"code": code, "message": "refused", "more_info": "", "status": status})

    def handle(self, method, path, query, headers, body):
        for _, template, verb, known, form, required, status in facts.TWILIO:
            values = self.match(template, path)
            if values is not None and verb.upper() == method:
                break
        else:
            known_path = any(self.match(row[1], path) is not None for row in facts.TWILIO)
            raise self.fault(405, 20004) if known_path else self.fault(404, 20404)
        if headers.get("Authorization") != "Basic " + base64.b64encode(f"{self.account}:{self.secret}".encode()).decode():
            raise self.fault(401, 20003)
        if values.get("AccountSid", self.account) != self.account:
            raise self.fault(404, 20404)
        given = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        for name, value in given:
            if name not in known or not of_type(value, known[name]):
                raise self.fault(400, 20001)
        fields = {}
        if form is not None:
            if headers.get_content_type() != "application/x-www-form-urlencoded":
                raise self.fault(400, 20001)
            for name, value in urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True):
                if name not in form or not of_type(value, form[name]):
                    raise self.fault(400, 20001)
                fields[name] = value
            if any(name not in fields for name in required):
                raise self.fault(400, 21604)
        elif body:
            raise self.fault(400, 20001)
        return status, self.act(template, method, values, dict(given), fields), "application/json"

    def match(self, template, path):
        """Values of a template's names; nil where the path is another or an id has not its form."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(template))
        found = re.fullmatch(pattern, path)
        if not found:
            return None
        for name, value in found.groupdict().items():
            folder = template.split("/{" + name + "}")[0].split("/")[-1]
            kind = facts.PATH_SIDS.get(name) or facts.PATH_SIDS[folder]
            if not re.fullmatch(facts.SID[kind], value):
                return None
        return found.groupdict()

    def one(self, things, sid):
        if sid not in things:
            raise self.fault(404, 20404)
        return things[sid]

    def listed(self, key, things, path, given, is_new):
        size, page = int(given.get("PageSize", 50)), int(given.get("Page", 0))
        size = min(size, self.page)
        cut = things[page * size:(page + 1) * size]
        more = (page + 1) * size < len(things)
        rest = {name: value for name, value in given.items() if name != "Page"}
        target = path + "?" + urllib.parse.urlencode(dict(rest, Page=page + 1))
        if is_new:
            return {key: cut, "meta": {"next_page_url": "https://trunking.twilio.com" + target if more else None}}
        return {key: cut, "next_page_uri": target if more else None}

    def act(self, template, method, values, given, fields):
        if template.endswith("/OriginationUrls"):
            path = template.format(**values)
            return self.listed("origination_urls", list(self.originations.values()), path, given, True)
        if "/OriginationUrls/" in template:
            url = self.one(self.originations, values["Sid"])
            if "Enabled" in fields:
                url["enabled"] = fields["Enabled"] == "true"
            if "Priority" in fields:
                if not 0 <= int(fields["Priority"]) <= 65535:
                    raise self.fault(400, 20001)
                url["priority"] = int(fields["Priority"])
            return url
        if template.endswith("/Trunks/{Sid}"):
            return self.trunk
        if template.endswith("/IncomingPhoneNumbers.json"):
            return self.listed("incoming_phone_numbers", list(self.numbers.values()), template.format(**values), given, False)
        if "/IncomingPhoneNumbers/" in template:
            number = self.one(self.numbers, values["Sid"])
            if "VoiceUrl" in fields:
                number["voice_url"] = fields["VoiceUrl"]
            return number
        if template.endswith("/Calls.json") and method == "POST":
            if not ("Twiml" in fields or "Url" in fields or "ApplicationSid" in fields):
                raise self.fault(400, 21205)
            sid = "CA" + secrets.token_hex(16)
            self.placed.append(fields)
            self.calls[sid] = {"sid": sid, "status": "queued", "trunk_sid": None, "parent_call_sid": None, "from": fields["From"]}
            return self.calls[sid]
        if template.endswith("/Calls.json"):
            calls = [c for c in self.calls.values() if c["status"] == given.get("Status", c["status"])]
            return self.listed("calls", calls, template.format(**values), given, False)
        if template.endswith("/Recordings.json"):
            self.one(self.calls, values["CallSid"])
            running = self.recordings.setdefault(values["CallSid"], [])
            if method == "GET":
                return self.listed("recordings", running, template.format(**values), given, False)
            running.append({"sid": "RE" + secrets.token_hex(16), "status": "in-progress"})
            return running[-1]
        if "/Calls/" in template:
            call = self.one(self.calls, values["Sid"])
            if method == "GET":
                # Rung the second time one looks, ended the third.
                following = {"queued": "ringing", "ringing": self.outcomes[0] if self.outcomes else "in-progress"}
                shown = dict(call)
                if call["status"] == "ringing" and self.outcomes:
                    self.outcomes.pop(0)
                call["status"] = following.get(call["status"], call["status"])
                return shown
            if call["status"] != "in-progress":
                raise self.fault(400, 21220)
            if len(fields.get("Twiml", "")) > 4000:
                raise self.fault(400, 21218)
            call["moved"] = fields.get("Twiml") or fields.get("Url")
            return {name: value for name, value in call.items() if name != "moved"}
        self.messages.append(fields)
        if "From" not in fields and "MessagingServiceSid" not in fields:
            raise self.fault(400, 21603)
        return {"sid": "SM" + secrets.token_hex(16), "status": "queued", "to": fields["To"]}


class ThreeCX(Fake):
    def __init__(self, client, secret):
        super().__init__()
        self.client, self.secret, self.token, self.tokens = client, secret, None, 0
        self.status = {"TrunksRegistered": 1, "TrunksTotal": 1}
        self.collections = {name: [] for name in ("Trunks", "Services", "Users", "InboundRules", "OutboundRules")}
        self.queues, self.groups, self.participants, self.moved = {}, {}, {}, []

    def fault(self, status):
        return Fault(status, {"error": {"code": "", "message": "refused"}} if status != 401 else None)

    def handle(self, method, path, query, headers, body):
        if path == "/connect/token":
            form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
            if method != "POST" or form != {"client_id": self.client, "client_secret": self.secret,
                                            "grant_type": "client_credentials"}:
                raise Fault(400, {"error": "invalid_client"})
            # Only the newest is taken.
            self.token, self.tokens = secrets.token_urlsafe(200), self.tokens + 1
            return 200, {"token_type": "Bearer", "expires_in": 3600, "access_token": self.token}, "application/json"
        if headers.get("Authorization") != f"Bearer {self.token}" or not self.token:
            raise self.fault(401)
        if path.startswith("/callcontrol/"):
            return self.control(method, path, body)
        if not path.startswith("/xapi/v1/"):
            raise self.fault(404)
        for template, verb, known, entity, status in facts.THREE_CX:
            pattern = re.escape(template).replace(r"\{Id\}", r"(-?\d+)").replace(r"\{Number\}", r"'([^']*)'")
            found = re.fullmatch(pattern, path[len("/xapi/v1"):])
            if found and verb.upper() == method:
                break
        else:
            raise self.fault(405 if found else 404)
        given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        if any(name not in known for name in given):
            raise self.fault(400)
        for name in ("$top", "$skip"):
            if name in given and not re.fullmatch(r"\d+", given[name]):
                raise self.fault(400)
        properties = facts.THREE_CX_PROPERTIES[entity]
        for name in ("$select", "$expand"):
            if any(part not in properties for part in given.get(name, properties[0]).split(",")):
                raise self.fault(400)
        return self.act(template, method, found.groups(), given, body, status)

    def act(self, template, method, values, given, body, status):
        def shown(thing):
            names = given.get("$select", "").split(",") if "$select" in given else list(thing)
            names += given.get("$expand", "").split(",")
            return {name: value for name, value in thing.items() if name in names}

        if template == "/SystemStatus":
            return 200, shown(self.status), "application/json"
        if template.startswith("/Queues"):
            return 200, shown(self.named(self.queues, values[0])), "application/json"
        if template.startswith("/RingGroups"):
            return 200, shown(self.named(self.groups, values[0])), "application/json"
        if template == "/InboundRules({Id})":
            rule = next((r for r in self.collections["InboundRules"] if r["Id"] == int(values[0])), None)
            if rule is None:
                raise self.fault(404)
            if method == "GET":
                return 200, shown(rule), "application/json"
            change = json.loads(body)
            for name, value in change.items():
                if name not in facts.THREE_CX_PROPERTIES["Pbx.InboundRule"]:
                    raise self.fault(400)
                if name.endswith("Destination"):
                    if any(part not in facts.THREE_CX_PROPERTIES["Pbx.Destination"] for part in value) \
                            or value.get("To") not in facts.THREE_CX_ENUMS["Pbx.DestinationType"]:
                        raise self.fault(400)
            rule.update(change)
            return status, None, ""
        things = self.collections[template.split("/")[1].split("(")[0]]
        cut = things[int(given.get("$skip", 0)):][:int(given.get("$top", 100))]
        return 200, {"value": [shown(thing) for thing in cut]}, "application/json"

    def named(self, things, number):
        if number not in things:
            raise self.fault(404)
        return things[number]

    def control(self, method, path, body):
        parts = path.split("/")[2:]
        if len(parts) < 2 or parts[0] not in self.participants or parts[1] != "participants":
            raise self.fault(404)
        if len(parts) == 2 and method == "GET":
            return 200, self.participants[parts[0]], "application/json"
        if len(parts) == 4 and parts[3] == "routeto" and method == "POST":
            asked = json.loads(body)
            if set(asked) - {"reason", "destination", "timeout", "attacheddata"} or not asked.get("destination"):
                raise self.fault(422)
            if not any(str(p["id"]) == parts[2] for p in self.participants[parts[0]]):
                raise self.fault(404)
            self.moved.append((parts[2], asked["destination"]))
            return 202, {"finalstatus": "Success", "reason": ""}, "application/json"
        raise self.fault(404)


class Asterisk:
    """Answers as the captured Asterisk did (Tests/Vectors/ami), and notes every line it would not have taken."""

    LINES = {
        "Login": ["Username", "Events", "Secret"], "Ping": [], "Logoff": [], "CoreShowChannels": [],
        "Redirect": ["Channel", "Context", "Exten", "Priority"], "DBPut": ["Family", "Key", "Val"],
        "DBGet": ["Family", "Key"], "Getvar": ["Channel", "Variable"], "MixMonitor": ["Channel", "File"],
        "QueueStatus": ["Queue"], "PJSIPShowRegistrationsOutbound": [],
    }

    def __init__(self, user, secret, greeting=b"Asterisk Call Manager/13.0.0\r\n", context=None):
        self.context = context
        self.user, self.secret, self.greeting = user, secret, greeting
        self.database, self.channels, self.moved, self.recorded = {}, [], [], []
        self.violations, self.logins, self.cut = [], 0, False
        self.members, self.registrations = [], {}
        self.noise = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        if self.context:
            try:
                connection = self.context.wrap_socket(connection, server_side=True)
            except OSError:
                return
        connection.sendall(self.greeting)
        pending, is_in = b"", False
        while True:
            try:
                more = connection.recv(65536)
            except OSError:
                return
            if not more:
                return
            pending += more
            while b"\r\n\r\n" in pending:
                action, pending = pending.split(b"\r\n\r\n", 1)
                lines = [line.split(": ", 1) for line in action.decode("latin1").split("\r\n")]
                name = lines[0][1] if lines and len(lines[0]) == 2 else "?"
                names = [line[0] for line in lines]
                expected = ["Action"] + self.LINES.get(name, ["?"])
                if sorted(names) != sorted(expected + ["ActionID"]) or any(ord(c) < 32 for line in lines for c in "".join(line)):
                    self.violations.append(action)
                fields = dict(line for line in lines if len(line) == 2)
                if self.cut:
                    self.cut = False
                    connection.close()
                    return
                answer = self.answer(name, fields, is_in)
                is_in = is_in or (name == "Login" and answer.startswith(b"Response: Success"))
                connection.sendall(self.noise + answer)

    def answer(self, name, fields, is_in):
        identifier = fields.get("ActionID", "")

        def message(kind, value, *lines):
            return ("\r\n".join([f"{kind}: {value}", f"ActionID: {identifier}", *lines]) + "\r\n\r\n").encode()

        def error(text):
            return message("Response", "Error", f"Message: {text}")

        if name == "Login":
            self.logins += 1
            if (fields.get("Username"), fields.get("Secret")) != (self.user, self.secret):
                return error("Authentication failed")
            return message("Response", "Success", "Message: Authentication accepted")
        if not is_in:
            return error("Permission denied")
        if name == "Ping":
            return message("Response", "Success", "Ping: Pong", "Timestamp: 1795185321.431713")
        if name == "DBPut":
            self.database[fields["Family"], fields["Key"]] = fields["Val"]
            return message("Response", "Success", "Message: Updated database successfully")
        if name == "DBGet":
            value = self.database.get((fields["Family"], fields["Key"]))
            if value is None:
                return error("Database entry not found")
            return message("Response", "Success", "EventList: start", "Message: Result will follow") + \
                (f"Event: DBGetResponse\r\nFamily: {fields['Family']}\r\nKey: {fields['Key']}\r\nVal: {value}\r\n"
                 f"ActionID: {identifier}\r\n\r\n").encode() + \
                message("Event", "DBGetComplete", "EventList: Complete", "ListItems: 1")
        if name == "CoreShowChannels":
            answer = message("Response", "Success", "EventList: start", "Message: Channels will follow")
            for channel, unique, call, context in self.channels:
                answer += message(
                    "Event", "CoreShowChannel", f"Channel: {channel}", "ChannelState: 6", "ChannelStateDesc: Up",
                    "CallerIDNum: +15125550100", "CallerIDName: Pat\x01 Smith", f"Context: {context}", "Exten: 100",
                    f"Uniqueid: {unique}", f"Linkedid: {call}", "Duration: 00:00:01", "BridgeId: ")
            return answer + message("Event", "CoreShowChannelsComplete", "EventList: Complete", f"ListItems: {len(self.channels)}")
        if name in ("Redirect", "Getvar", "MixMonitor"):
            if not any(channel == fields["Channel"] for channel, *_ in self.channels):
                return error(f"Channel does not exist: {fields['Channel']}") if name == "Redirect" else error("No such channel")
            if name == "Redirect":
                self.moved.append((fields["Channel"], fields["Context"], fields["Exten"]))
                return message("Response", "Success", "Message: Redirect successful")
            if name == "Getvar":
                value = dict(self.recorded).get(fields["Channel"], "")
                return message("Response", "Success", f"Variable: {fields['Variable']}", f"Value: {value}")
            self.recorded.append((fields["Channel"], fields["File"]))
            return message("Response", "Success")
        if name == "PJSIPShowRegistrationsOutbound":
            # As res_pjsip_outbound_registration.c writes them, with the event between that holds a password.
            answer = message("Response", "Success", "EventList: start", "Message: Following are Events for each Outbound registration")
            for registration, status in self.registrations.items():
                answer += message("Event", "OutboundRegistrationDetail", "ObjectType: registration", f"ObjectName: {registration}",
                                  "ServerUri: sip:sip.carrier.example", f"Status: {status}", "NextReg: 33")
                answer += message("Event", "AuthDetail", "ObjectType: auth", f"ObjectName: {registration}", "Password: never-read")
            return answer + message("Event", "OutboundRegistrationDetailComplete", "EventList: Complete", "Registered: 1", "NotRegistered: 0")
        if name == "QueueStatus":
            answer = message("Response", "Success", "EventList: start", "Message: Queue status will follow")
            answer += message("Event", "QueueParams", f"Queue: {fields['Queue']}")
            for status, paused in self.members:
                answer += message("Event", "QueueMember", f"Queue: {fields['Queue']}", f"Status: {status}", f"Paused: {paused}")
            return answer + message("Event", "QueueStatusComplete", "EventList: Complete", "ListItems: 1")
        return error(f"Invalid/unknown command: {name}. Use Action: ListCommands to show available commands.")
