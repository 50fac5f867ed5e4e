#!/usr/bin/env python3
"""schemathesis reads the description and tries every operation: no 5xx, no undocumented status.

Once as the service gives it, where ids name nothing; then with the ids of a call and a recording
that exist put into it, so that answers with content are held against their schemas too.
"""
import json
import os
import shutil
import subprocess
import sys

from vault_service import SCRATCH, Service, say, wav

program = shutil.which("schemathesis")
if not program:
    print("schemathesis is not installed (PyPI)")
    sys.exit(77)

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance," \
    "response_schema_conformance"


def run(service, title, document, token, phases):
    command = [
        program, "run", document, "--checks", CHECKS, "--max-examples",
        os.environ.get("CALLVAULT_EXAMPLES", "5"), "--phases", phases, "--request-timeout", "30",
        "--seed", "20261120", "--continue-on-failure", "--suppress-health-check", "all",
        "--workers", "1", "--no-color"]
    if not document.startswith("https:"):
        command += ["--url", service.url]
    if token:
        command += ["--header", "Authorization: Bearer " + token]
    result = subprocess.run(
        command, cwd=SCRATCH, capture_output=True, text=True, timeout=600,
        env=dict(os.environ, REQUESTS_CA_BUNDLE=service.certificate,
                 SSL_CERT_FILE=service.certificate))
    if result.returncode != 0:
        print(result.stdout[-20000:] + result.stderr[-4000:])
        with open(service.stderr) as log:
            print(log.read()[-4000:])
        sys.exit("schemathesis found something: " + title)
    line = [l for l in result.stdout.splitlines() if "generated" in l and "passed" in l]
    say(title + ": " + (line[-1].strip() if line else "passed"))


with Service() as service:
    operator = service.token("operator")
    clinician = service.token("clinician")
    created, stored = service.put(
        wav([0, 1000, -1000] * 800), operator, **{"from": "+13135550100", "agent": "Dana"})
    status, _, body = service.request(
        "POST", "/v1/calls/%s/transcripts" % created["call"],
        {"provider": "test", "language": "en", "segments": [
            {"speaker": "a", "text": "b", "start_ms": 0, "end_ms": 1, "confidence": None}]},
        operator)
    assert status == 201, body
    run(service, "as it is, by nobody", service.url + "/openapi.json", None, "examples,coverage")

    status, _, body = service.request("GET", "/openapi.json")
    document = json.loads(body)
    # An administrator would seal the service for the rest of the test: 65-ceremony tries it.
    del document["paths"]["/v1/seal"]
    parameters = document["components"]["parameters"]
    parameters["Call"]["schema"] = {"enum": [created["call"]]}
    parameters["Recording"]["schema"] = {"enum": [stored["recording"]]}
    known = os.path.join(SCRATCH, "with-ids.json")
    with open(known, "w") as file:
        json.dump(document, file)
    for role in ("privacy-officer", "operator", "administrator"):
        run(service, "with real ids, as " + role, known, service.token(role),
            "examples,coverage,fuzzing")
    status, _, body = service.request("GET", "/v1/health/ready")
    assert status == 200, body
