"""What the service needs while many recordings come in and go out at once."""
import subprocess
import threading
import time

import measure
from service import Service, wav

TITLE = "Memory under many streams"


def run(bench, section):
    folder = bench.memory / "memory"
    folder.mkdir()
    points = []
    levels = [1, 4, 16, 50, 100] if bench.divisor == 1 else [1, 4, 16]
    for half in levels:
        # Memory must not depend on length, so only the largest level takes recordings of full size.
        size = 10**8 // (bench.divisor * (1 if half == levels[-1] else 5))
        file = wav(folder / "plain", size)
        place = bench.disk / "memory"
        runs = []
        # It differs by several megabytes from run to run: with whose buffers are there at the same moment.
        for _ in range(bench.rounds if half == levels[-1] else 1):
            with Service(place) as service:
                runs.append(_streams(service, folder, file, half))
            bench.discard(place)
        peaks, trees, notes = zip(*runs)
        peak = measure.Sample([bytes_ / 1e6 for bytes_ in peaks])
        points.append((2 * half, peak.median))
        if half == levels[-1]:
            section.value(f"peak memory, {half} uploads and {half} downloads of {size / 1e6:.0f} MB "
                          "at once", peak, "MB", at_most=80,
                          note=f"VmHWM of the service; with its audio probes at most "
                               f"{max(trees) / 1e6:.0f} MB (proportional set). The last run: {notes[-1]}")
    section.plot("memory", "Memory of the service", "recordings moving at once, half up and half down",
                 "peak resident memory (MB)", log_y=False)
    section.line("memory", "CallVault", points)
    section.line("memory", "the limit", [(points[0][0], 80), (points[-1][0], 80)], "the limit")


def _streams(service, folder, file, half):
    """Starts all transfers at one moment and returns (peak, peak of the tree, how it went)."""
    recordings = service.store(file, service.new_calls(min(half, 10)))
    calls = service.new_calls(half)
    # The storing above was served by this process too; its peak must not count.
    service.stop()
    service.start()
    down = [(f"{service.url}/v1/recordings/{recordings[n % len(recordings)]}/audio", service.reading,
             None) for n in range(half)]
    up = [(f"{service.url}/v1/calls/{call}/recordings",
           {**service.writing, "Content-Type": "audio/wav"}, file) for call in calls]
    start = time.monotonic()
    clients = []
    watch = _Watch(service)
    try:
        for name, transfers in (("down", down), ("up", up)):
            configuration = folder / name
            configuration.write_text("next\n".join(
                _transfer(service.certificate, *transfer) for transfer in transfers))
            clients.append(subprocess.Popen(
                ["curl", "-sS", "--parallel", "--parallel-immediate", "--parallel-max", "300",
                 "--config", str(configuration)], stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        said = [client.communicate(timeout=measure.remaining()) for client in clients]
    finally:
        watch.end()
        for client in clients:
            if client.poll() is None:
                client.kill()
                client.wait()
    took = time.monotonic() - start
    for client, (_, errors) in zip(clients, said):
        if client.returncode != 0:
            raise RuntimeError(f"a transfer failed: {errors[-300:].decode(errors='replace')}")
    times = [line.split() for output, _ in said for line in output.decode().split("\n") if line]
    refused = [code for _, _, code in times if code not in ("200", "201")]
    if refused or len(times) != 2 * half:
        raise RuntimeError(f"{len(times)} of {2 * half} transfers ended, refused: {refused[:5]}")
    together = min(float(end) for _, end, _ in times) - max(float(begun) for begun, _, _ in times)
    return service.peak_bytes(), watch.tree, (
        f"Connections open at once: {watch.connections}; all {2 * half} transfers were under way "
        f"together for {max(0, together):.0f} s of {took:.0f} s.")


def _transfer(certificate, url, fields, upload):
    lines = [f'url = "{url}"', f'cacert = "{certificate}"', 'output = "/dev/null"', "fail",
             'write-out = "%{time_appconnect} %{time_total} %{http_code}\\n"']
    lines += [f'header = "{name}: {value}"' for name, value in fields.items()]
    if upload:
        lines += [f'upload-file = "{upload}"', 'request = "POST"', 'header = "Expect:"']
    return "\n".join(lines) + "\n"


class _Watch:
    """Looks ten times a second at the connections of a service and at the memory of its process tree."""

    def __init__(self, service):
        self.connections = self.tree = 0
        self._service, self._ended = service, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self):
        self._ended.set()
        self._thread.join()

    def _look(self):
        while not self._ended.wait(0.1):
            self.connections = max(self.connections, self._established())
            self.tree = max(self.tree, _proportional(self._service.process.pid))

    def _established(self):
        local = f":{self._service.port:04X}"
        return sum(1 for line in open("/proc/net/tcp")
                   if line.split()[1].endswith(local) and line.split()[3] == "01")


def _proportional(pid):
    """The proportional set size of a process and of its children, in bytes."""
    total = 0
    try:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
        for thread in (f"/proc/{pid}/task/{pid}/children",):
            total += sum(_proportional(int(child)) for child in open(thread).read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # A child that ended between two looks.
    return total
