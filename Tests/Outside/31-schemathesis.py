#!/usr/bin/env python3
"""schemathesis reads /openapi.json and tries every operation: no 5xx, no undocumented status."""
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

with Service() as service:
    writer = service.token("operator")
    created, stored = service.put(wav([0, 1000, -1000] * 800), writer, **{"from": "+13135550100"})
    with open(os.path.join(SCRATCH, "schemathesis.toml"), "w") as configuration:
        configuration.write("")
    totals = []
    for role in ("privacy-officer", "operator", "administrator", "auditor"):
        token = service.token(role)
        result = subprocess.run(
            [program, "run", service.url + "/openapi.json", "--checks", CHECKS,
             "--header", "Authorization: Bearer " + token, "--max-examples",
             os.environ.get("CALLVAULT_EXAMPLES", "12"), "--phases", "examples,coverage,fuzzing",
             "--request-timeout", "20", "--seed", "20261120", "--continue-on-failure",
             "--suppress-health-check", "all", "--workers", "1", "--no-color"],
            cwd=SCRATCH, capture_output=True, timeout=800,
            env=dict(os.environ, REQUESTS_CA_BUNDLE=service.certificate,
                     SSL_CERT_FILE=service.certificate))
        text = result.stdout.decode()
        if result.returncode != 0:
            print(text[-20000:])
            print(result.stderr.decode()[-4000:])
            print(open(service.stderr).read()[-4000:])
            sys.exit("schemathesis found something as " + role)
        line = [l for l in text.splitlines() if "generated" in l and "passed" in l]
        totals.append(role + ": " + (line[-1].strip() if line else "passed"))
    status, _, body = service.request("GET", "/v1/health/ready")
    assert status == 200, body
    for line in totals:
        say(line)
