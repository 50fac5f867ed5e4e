"""Programs of others that speak SIP, and ours, each on a port of its own and ended by its process id."""
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))
from ports import free_port
os.environ["PATH"] += ":/usr/sbin:/sbin"


def lacks(*programs):
    """The first program that is not installed, or None."""
    return next((name for name in programs if not shutil.which(name)), None)


class Program:
    """A process group that is ended with the block."""

    def __init__(self, command, log, **options):
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, **options)

    def signal(self, number):
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def end(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Kamailio(Program):
    def __init__(self, scratch, name, config, listen, defines=(), private=4):
        folder = os.path.join(scratch, name)
        os.makedirs(folder, exist_ok=True)
        self.control = os.path.join(folder, "control.sock")
        if os.path.exists(self.control):
            os.remove(self.control)  # One that was killed leaves it.
        command = ["kamailio", "-w", folder, "-DD", "-E", "-f", os.path.join(HERE, config),  # An absolute one stays as it is.
                   "-P", os.path.join(folder, "pid"), "-Y", folder, "-m", "16", "-M", str(private),
                   "-A", 'BINRPC="unixs:%s"' % self.control]
        for define in defines:
            command += ["-A", define]
        for place in listen:
            command += ["-l", place]
        super().__init__(command, os.path.join(folder, "log"))

    def mode(self, name):
        subprocess.run(["kamcmd", "-s", "unixs:" + self.control, "htable.sets", "mode", "m", name],
                       check=True, stdout=subprocess.DEVNULL, timeout=20)


def options(port, host="127.0.0.1", source=None, timeout=1.0):
    """One OPTIONS by UDP; the status line of the answer, or None."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind((source or "127.0.0.1", 0))
        probe.settimeout(timeout)
        probe.connect((host, port))
        try:
            probe.send(request("OPTIONS", probe.getsockname(), "x"))
            return probe.recv(65535).split(b"\r\n")[0].decode()
        except OSError:
            return None


def request(method, via, call, target="sip:+13125550123@127.0.0.1", more="", transport="UDP"):
    """A request as a carrier would send it."""
    return ("%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s:%d;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"
            "From: <sip:caller@127.0.0.1>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: 1 %s\r\n"
            "Contact: <sip:caller@127.0.0.1>\r\nUser-Agent: a carrier whose requests are as long as usual\r\n"
            "%sContent-Length: 0\r\n\r\n"
            % (method, target, transport, via[0], via[1], call, call, target, call, method, more)).encode()


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in %d s not so: %s" % (seconds, what)
        time.sleep(0.02)


class Calls(threading.Thread):
    """A new call every `pace` seconds, and where the redirect server at `port` sent it."""

    def __init__(self, port, pace, patience):
        super().__init__(daemon=True)
        self.port, self.pace = port, pace
        self.sent, self.is_over = [], False
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(patience)

    def call(self, number, target="sip:+13125550123@127.0.0.1"):
        self.socket.sendto(
            request("INVITE", self.socket.getsockname(), "c%d" % number, target), ("127.0.0.1", self.port))
        while True:
            try:
                answer = self.socket.recv(65535)
            except (TimeoutError, ConnectionError):
                return "nowhere"
            if b"branch=z9hG4bKc%d;" % number in answer:
                found = re.search(rb"(?m)^Contact: <sip:([^@>]*)@", answer)
                return found[1].decode() if found else answer[8:11].decode()

    def run(self):
        number = 0
        while not self.is_over:
            begun = time.monotonic()
            self.sent.append((begun, self.call(number)))
            number += 1
            time.sleep(max(0, begun + self.pace - time.monotonic()))

    def now(self):
        return self.sent[-1][1] if self.sent else None


class Worker:
    """sip-worker: ours. Its lines are read as they come."""

    def __init__(self, program, *words):
        self.process = subprocess.Popen(
            [program, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode().rstrip("\n"))
        self.lines.put(None)

    def line(self, seconds=30):
        line = self.lines.get(timeout=seconds)
        assert line is not None, "sip-worker ended"
        return line

    def wait_for(self, event, seconds=30):
        """The time of the next line with that event, in seconds of the monotonic clock."""
        deadline = time.monotonic() + seconds
        while True:
            line = self.line(max(0.01, deadline - time.monotonic()))
            found = re.fullmatch(r"(\d+) (.*)", line)
            if found and found[2] == event:
                return int(found[1]) / 1e9

    def ask(self, text):
        self.process.stdin.write((text + "\n").encode())
        self.process.stdin.flush()
        said = []
        while (line := self.line()) != "done":
            said.append(line)
        return said

    def statistics(self):
        return {name: int(value) for name, value in
                re.findall(r"(\w+): (\d+)", self.ask("statistics")[0])}

    def end(self):
        """Ends it in order, and returns the lines that nobody has read."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(30)
        rest = []
        while (line := self.lines.get(timeout=30)) is not None:
            rest.append(line)
        return rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGCONT)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
