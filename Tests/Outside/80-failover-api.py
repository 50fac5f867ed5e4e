#!/usr/bin/env python3
"""schemathesis reads the supervisor's own description and tries every operation over TLS: no 5xx, no undocumented status.

Once with a token of all scopes, once with none. Events never end and are tried by hand.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

from supervisor import DAYS, Supervisor, Target, token
from vault_service import SCRATCH, Service, say

program = shutil.which("schemathesis")
if not program:
    print("schemathesis is not installed (PyPI)")
    sys.exit(77)

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SCOPES = ["route:read", "route:write", "signals:write", "emergency:write", "metrics:read"]


def policy(target, digest):
    return """
v: 1
version: "test"
owner: test
private_addresses: true
hours: {time_zone: Etc/UTC, week: {%s}}
targets:
  pbx: {role: pbx, probes: [{kind: http, url: "http://127.0.0.1:%d", path: "/", interval_ms: 200}, {kind: passive}]}
  internet: {role: uplink, quorum: 1, probes: [{kind: uplink, places: [{tcp: "127.0.0.1:%d"}], interval_ms: 200}]}
routes:
  - {name: desk, state: NORMAL, provider: 3cx, needs: [pbx], contacts: ["sip:desk@127.0.0.1"], records: true}
  - {name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}
emergency: {routes: [desk, pstn]}
switching: {hold_down_ms: 0, flap_limit: 100}
failback: {when: recovered, dwell_ms: 100}
tokens: [{name: tester, sha256: %s, scopes: [%s]}]
""" % (DAYS, target.port, target.port, digest, ", ".join('"%s"' % scope for scope in SCOPES))


def run(title, url, bearer, phases):
    headers = ["--header", "Authorization: Bearer " + bearer] if bearer else []
    result = subprocess.run(
        [program, "run", document, "--url", url, "--checks", CHECKS, "--max-examples",
         os.environ.get("CALLVAULT_EXAMPLES", "3"), "--phases", phases, "--request-timeout", "30",
         "--seed", "20261128", "--continue-on-failure", "--suppress-health-check", "all", "--workers", "1",
         "--no-color", *headers],
        cwd=SCRATCH, capture_output=True, text=True, timeout=600,
        env=dict(os.environ, REQUESTS_CA_BUNDLE=certificate, SSL_CERT_FILE=certificate))
    if result.returncode != 0:
        print(result.stdout[-20000:] + result.stderr[-4000:] + supervisor.told()[-4000:])
        sys.exit("schemathesis found something: " + title)
    line = [line for line in result.stdout.splitlines() if "generated" in line and "passed" in line]
    say(title + ": " + (line[-1].strip() if line else "passed"))


target, supervisor, service = Target(), Supervisor(), Service()
text, digest = token(bytes(range(32)))
with service:
    pass
supervisor.make(service.data, policy(target, digest))
supervisor.process, ready = supervisor.begin("--listen", "127.0.0.1:0")
try:
    assert ready.readline(), supervisor.told()
    url = re.search(r"https://[\d.:]+", supervisor.told())[0]
    certificate = os.path.join(supervisor.folder, "tls", "certificate.pem")
    supervisor.until("desk")
    api = supervisor.ask("GET", "/openapi.json")[1]
    # It answers for as long as somebody listens.
    del api["paths"]["/v1/events"]
    document = os.path.join(SCRATCH, "api.json")
    with open(document, "w") as file:
        json.dump(api, file)
    run("with every scope", url, text, "examples,coverage,fuzzing")
    run("by nobody", url, None, "coverage")
    # Five thousand years of business hours ended it once.
    begun = time.monotonic()
    status, problem = supervisor.ask("GET", "/v1/service-level?from=0389-02-23T21:58:21Z&to=5596-09-05T17:15:50Z")
    assert status == 422 and time.monotonic() - begun < 5, (status, problem)
    assert supervisor.process.poll() is None
    supervisor.command("override", "--end")
    supervisor.until("desk")
finally:
    supervisor.end()
