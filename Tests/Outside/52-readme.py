#!/usr/bin/env python3
"""The README's short session does what the README says, line by line as it stands there."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from ports import free_port
from vault_service import CALLVAULT, SCRATCH, say

README = pathlib.Path(os.environ["REPOSITORY"], "README.md").read_text()


def main():
    port = free_port()
    session = re.search(r"```console\n(.*?)```", README, re.S).group(1)
    lines = [line[2:] for line in session.splitlines() if line.startswith("$ ")]
    program = pathlib.Path(SCRATCH, "bin", "callvault")
    program.parent.mkdir()
    program.symlink_to(CALLVAULT)
    # One shell for all lines, as at a terminal: what it is told is echoed with its exit code.
    shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, bufsize=1, cwd=SCRATCH)
    said = {}

    def run(line):
        shell.stdin.write(line + "\necho \"<<$?>>\"\n")
        output = []
        for answer in shell.stdout:
            ended = re.fullmatch(r"<<(\d+)>>\n", answer)
            if ended:
                return int(ended.group(1)), "".join(output)
            output.append(answer)
        raise AssertionError("the shell ended after: " + line)

    service = None
    try:
        for line in lines:
            typed = line
            line = line.replace("/tmp/practice", SCRATCH + "/practice")
            line = line.replace("$PWD/.build/release", str(program.parent)).replace("9443", str(port))
            if "RECORDING" in line:
                line = line.replace("RECORDING", re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                                                           said["put"]).group(0))
            if "VERIFIER_KEY" in line:
                line = line.replace("VERIFIER_KEY", re.search(r"\S+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+",
                                                              said["init"]).group(0))
            code, answer = run(line)
            wanted = 10 if "audit verify" in line else 0
            assert code == wanted, "%s\nexit %d, not %d:\n%s" % (typed, code, wanted, answer)
            for command in ("init", "put", "get", "audit verify"):
                if "callvault %s " % command in line:
                    said[command] = answer
            if line.endswith("&"):
                service = int(run("echo $!")[1])
                for _ in range(300):
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", port)) == 0:
                            break
                    time.sleep(0.1)
        assert "nanchored" in said["audit verify"], said["audit verify"]
        assert os.path.getsize(os.path.join(SCRATCH, "beginning.wav")) == 100_000
    finally:
        if service:
            os.kill(service, signal.SIGTERM)
            run("wait")
        shell.stdin.close()
        shell.wait(60)
    say("%d lines, each with the exit code that the README gives it" % len(lines))


main()
