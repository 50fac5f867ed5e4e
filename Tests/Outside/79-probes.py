#!/usr/bin/env python3
"""Probes of names, certificates and registrations against real programs: dnsmasq, OpenSSL's server, and a Kamailio that
phones register with; Asterisk and 3CX by what they answer.
"""
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip"))
import peers
from peers import Program, free_port, until
from vault_service import say
from vendor_fakes import Asterisk, ThreeCX

missing = peers.lacks("kamailio", "dnsmasq", "openssl")
if missing:
    print("%s is not installed (Debian: kamailio dnsmasq-base openssl)" % missing)
    sys.exit(77)
SCRATCH = Path(os.environ["SCRATCH"])
DRIVER = Path(os.environ["TOOLS"], "telephony-driver")
SECRET = "s3cret-0123456789abcdef0123456789"
secret_file = SCRATCH / "secret"
secret_file.write_text(SECRET + "\n")
driver = subprocess.Popen([DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
checks = 0


def drive(do, **fields):
    driver.stdin.write(json.dumps(dict(fields, do=do)) + "\n")
    driver.stdin.flush()
    return json.loads(driver.stdout.readline())


def sees(kind, settings, word):
    """The probe reports that, and life only where that is life."""
    global checks
    checks += 1
    answer = drive("probe", kind=kind, settings=settings, until=[word])
    assert word in answer.get("seen", []) and ("alive" in answer["seen"]) == (word == "alive"), (settings, word, answer)


def refuses(kind, settings, words):
    global checks
    checks += 1
    answer = drive("probe", kind=kind, settings=settings, until=["alive"])
    assert words in answer.get("error", ""), (settings, answer)


def names():
    port, silent = free_port(), free_port()
    deaf = socket.socket(type=socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", silent))
    command = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=%d" % port,
               "--listen-address=127.0.0.1", "--bind-interfaces", "--user=" + os.environ.get("USER", "root"),
               "--host-record=sip.trunk.test,192.0.2.1", "--host-record=six.trunk.test,2001:db8::1",
               "--cname=alias.trunk.test,sip.trunk.test", "--local=/trunk.test/"]
    with Program(command, SCRATCH / "dnsmasq.log"):
        resolver = "127.0.0.1:%d" % port
        time.sleep(0.5)
        pace = "interval_ms: 100\nlimit_ms: 400\n"

        def ask(name, *resolvers):
            return "name: %s\nresolvers: [%s]\n%s" % (name, ", ".join('"%s"' % one for one in resolvers), pace)

        for name in ("sip.trunk.test", "six.trunk.test", "alias.trunk.test"):
            sees("dns", ask(name, resolver), "alive")
        sees("dns", ask("gone.trunk.test", resolver), "name-unresolved")
        # Nobody told it whom to ask about others: it refuses.
        sees("dns", ask("example.com", resolver), "wrong-answer")
        sees("dns", ask("sip.trunk.test", "127.0.0.1:%d" % silent), "timeout")
        sees("dns", ask("sip.trunk.test", "127.0.0.1:%d" % free_port()), "unreachable")
        # Of several, any that answers is life.
        answer = drive("probe", kind="dns", settings=ask("sip.trunk.test", "127.0.0.1:%d" % silent, resolver), until=["alive", "timeout"])
        assert {"alive", "timeout"} <= set(answer["seen"]), answer
        sees("uplink", "places: [{dns: sip.trunk.test, resolvers: [\"%s\"]}]\n%s" % (resolver, pace), "alive")
        refuses("dns", ask("\"*.trunk.test\"", resolver), "the name of a host")
        refuses("dns", ask("sip.trunk.test", "resolver.example"), "numeric address")


def certificates():
    for name, days in (("long", 60), ("short", 5)):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                        "-keyout", SCRATCH / (name + ".key"), "-out", SCRATCH / (name + ".pem"), "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        port = free_port()
        with Program(["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-cert", SCRATCH / (name + ".pem"),
                      "-key", SCRATCH / (name + ".key"), "-quiet"], SCRATCH / "s_server.log", stdin=subprocess.PIPE):
            time.sleep(0.5)
            settings = 'place: "localhost:%d"\nca: %s\ninterval_ms: 100\n' % (port, SCRATCH / (name + ".pem"))
            sees("tls", settings, "alive")
            found = drive("certificate", settings=settings)
            assert found == {"codes": ["certificate-ends"] if name == "short" else []}, (name, found)
            sees("tls", settings.replace("%s.pem" % name, "none.pem").replace(str(SCRATCH / "none.pem"),
                                                                              "/etc/ssl/certs/ca-certificates.crt"), "tls-failed")


REGISTRAR = """#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
tcp_accept_no_cl=yes
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "xhttp.so"
loadmodule "jsonrpcs.so"
loadmodule "ctl.so"
modparam("ctl", "binrpc", BINRPC)
modparam("jsonrpcs", "transport", 1)
modparam("usrloc", "timer_interval", 1)
modparam("registrar", "min_expires", 1)
request_route { if (method == "REGISTER") { save("location"); exit; } sl_send_reply("404", "Not here"); }
event_route[xhttp:request] { if ($hu =~ "^/RPC") { jsonrpc_dispatch(); exit; } xhttp_reply("404", "Not Found", "text/plain", ""); }
"""


def register(port, user, seconds):
    """One REGISTER, as a phone system sends it to a proxy in front of the carrier."""
    with socket.socket(type=socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(3)
        own = phone.getsockname()[1]
        phone.sendto((
            "REGISTER sip:127.0.0.1:%d SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
            "From: <sip:%s@127.0.0.1>;tag=a\r\nTo: <sip:%s@127.0.0.1>\r\nCall-ID: %s\r\nCSeq: %d REGISTER\r\n"
            "Contact: <sip:%s@127.0.0.1:%d>\r\nExpires: %d\r\nContent-Length: 0\r\n\r\n"
            % (port, own, time.monotonic_ns(), user, user, user, time.monotonic_ns() % 1_000_000_000, user, own, seconds)
        ).encode(), ("127.0.0.1", port))
        assert phone.recv(65535).startswith(b"SIP/2.0 200"), "registered"


def registrations():
    sip, rpc = free_port(), free_port()
    (SCRATCH / "registrar.cfg").write_text(REGISTRAR)
    with peers.Kamailio(str(SCRATCH), "registrar", str(SCRATCH / "registrar.cfg"),
                        ["udp:127.0.0.1:%d" % sip, "tcp:127.0.0.1:%d" % rpc]):
        until(lambda: peers.options(sip) is not None, 30, "Kamailio answers")
        settings = "at: kamailio\nurl: http://127.0.0.1:%d\nnames: [pbx]\ninterval_ms: 100\n" % rpc
        sees("registration", settings, "not-serving")
        register(sip, "pbx", 60)
        sees("registration", settings, "alive")
        sees("registration", settings.replace("[pbx]", "[pbx, other]"), "not-serving")
        register(sip, "other", 5)
        sees("registration", settings.replace("[pbx]", "[other]"), "alive")
        # It does not register again, and what it had runs out.
        time.sleep(8)
        sees("registration", settings.replace("[pbx]", "[other]"), "not-serving")
    sees("registration", settings, "unreachable")

    asterisk = Asterisk("callvault", SECRET)
    asterisk.registrations = {"carrier": "Registered", "backup": "Rejected"}
    manager = "at: asterisk\nhost: 127.0.0.1\nport: %d\nuser: callvault\nsecret_file: %s\ninterval_ms: 100\n" % (asterisk.port, secret_file)
    sees("registration", manager + "names: [carrier]\n", "alive")
    for wrong in ("[backup]", "[carrier, backup]", "[unknown]"):
        sees("registration", manager + "names: %s\n" % wrong, "not-serving")
    assert asterisk.violations == [], asterisk.violations

    pbx = ThreeCX("callvault", SECRET)
    pbx.collections["Trunks"] = [{"Number": "10000", "IsOnline": True}, {"Number": "10001", "IsOnline": False}]
    client = "at: threecx\nurl: %s\nclient: callvault\nsecret_file: %s\ninterval_ms: 100\n" % (pbx.origin, secret_file)
    sees("registration", client + 'names: ["10000"]\n', "alive")
    sees("registration", client + 'names: ["10001"]\n', "not-serving")
    refuses("registration", client.replace("threecx", "cisco") + 'names: ["1"]\n', "one of asterisk, threecx and kamailio")
    refuses("registration", client + "names: []\n", "1 to 16 names")


try:
    names()
    certificates()
    registrations()
    say("%d probes: dnsmasq asked for names, OpenSSL's certificates, registrations at a real Kamailio, Asterisk and 3CX" % checks)
finally:
    driver.stdin.close()
    driver.wait(30)
