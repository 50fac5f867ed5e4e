"""A vault whose process may be killed or denied at any moment."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Outside"))
os.environ.setdefault("CALLVAULT", str(REPOSITORY / ".build/debug/callvault"))
os.environ.setdefault("SCRATCH", tempfile.mkdtemp(prefix="callvault-torture."))

from vault_service import CALLVAULT, SCRATCH, Service, say, wav  # noqa: E402, F401

VERIFY = SCRATCH + "/verify"


def build_verifier():
    """Debian's Go packages judge the log; they are none of ours."""
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOPROXY="off",
                       GOCACHE=SCRATCH + "/go")
    subprocess.run(["go", "build", "-o", VERIFY, str(REPOSITORY / "Tests/Outside/gotlog/verify.go")],
                   check=True, env=environment)
    shutil.rmtree(SCRATCH + "/go", ignore_errors=True)


def children(pid):
    try:
        return [int(p) for t in os.listdir("/proc/%d/task" % pid)
                for p in open("/proc/%d/task/%s/children" % (pid, t)).read().split()]
    except OSError:
        return []


class Victim(Service):
    """`Service`, with a start that may be denied and an end without warning."""

    timeout = 60
    drop = None

    def connection(self):
        connection = super().connection()
        connection.timeout = self.timeout
        return connection

    def make(self, drop=False):
        self.init = self.command("init", "--data", self.data, "--keys", self.keys)
        if drop:
            self.drop = os.path.join(self.folder, "drop")
            os.makedirs(self.drop)
            with open(os.path.join(self.data, "callvault.yaml"), "a") as settings:
                settings.write("\nintake:\n  folders:\n    - { path: %s, source: drops, "
                               "time_zone: UTC, settle: 0s }\n" % self.drop)

    def spawn(self, prefix=()):
        """Starts the program, and does not wait until it is ready."""
        reading, writing = os.pipe()
        with open(self.stderr, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, CALLVAULT, "serve", "--data", self.data, "--keys", self.keys, "--listen",
                 "127.0.0.1:0", "--ready-fd", str(writing)], env=self.environment(),
                stderr=log, stdout=log, pass_fds=[writing])
        os.close(writing)
        self.ready = reading

    def wait_ready(self):
        """Whether it came to serve; False when it ended instead."""
        with os.fdopen(self.ready) as ready:
            line = ready.readline().strip()
        if not line.startswith("https://"):
            return False
        self.url = line
        self.port = int(line.rsplit(":", 1)[1])
        self.certificate = os.path.join(self.data, "tls", "certificate.pem")
        return True

    def kill(self):
        """SIGKILL to the process that this object started; its own children must follow it."""
        offspring = children(self.process.pid)
        self.process.kill()
        self.process.wait()
        deadline = time.monotonic() + 10
        for pid in offspring:
            while os.path.exists("/proc/%d" % pid) and zombie(pid) is False:
                assert time.monotonic() < deadline, "a child of the killed process lives on"
                time.sleep(0.01)

    def tail(self, lines=15):
        return "\n".join(open(self.stderr, errors="replace").read().splitlines()[-lines:])


def zombie(pid):
    try:
        return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
