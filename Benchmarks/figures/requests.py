"""Many small audited reads at once, beside nginx's static files and the disk's own rate."""
import os

import measure
from peers import disk, wrk
from peers.nginx import Nginx
from service import Service, wav

TITLE = "Audited range reads"


def run(bench, section):
    folder = bench.memory / "requests"
    folder.mkdir()
    seconds = 5 if bench.divisor == 1 else 1
    with Service(bench.disk / "requests") as service, \
            Nginx(bench.disk / "requests/nginx", service.certificate, service.key) as nginx:
        file = wav(folder / "plain", 960_044)
        recordings = service.store(file, service.new_calls(100))
        (nginx.www / "small").write_bytes(os.urandom(1024))
        ask = {**service.reading, "Range": "bytes=0-1023"}
        paths = [f"/v1/recordings/{recording}/audio" for recording in recordings]

        def ours(clients, time):
            return wrk.rate(service.url, paths, ask, clients, time, folder)

        def theirs(clients, time):
            return wrk.rate(nginx.url, ["/small"], {}, clients, time, folder)

        _headline(bench, section, ours, theirs, seconds)
        _by_clients(bench, section, ours, theirs, max(1, seconds - 2))
    bench.discard(bench.disk / "requests")


def _headline(bench, section, ours, theirs, seconds):
    taken = measure.in_turns(
        bench.rounds, ours=lambda: ours(64, seconds), theirs=lambda: theirs(64, seconds),
        disk=lambda: disk.fdatasync(bench.disk, seconds),
        sixteen=lambda: ours(16, seconds))
    rate = taken["ours"].map(lambda pair: pair[0])
    floor = taken["disk"].map(lambda probe: probe["per_second"])
    section.compare(
        "1 KiB range reads, 64 clients", rate, taken["theirs"].map(lambda pair: pair[0]),
        "nginx, static 1 KiB", "a second", at_least=0.2,
        otherwise=(rate.median > floor.median, "above the disk's fdatasync rate"),
        note="Ours makes two entries for each: the intent is durable before the first byte. 100 "
             "recordings in turn, connections kept.")
    section.compare("1 KiB range reads, 64 clients", rate, floor, "fdatasync of 4 KiB appends",
                    "a second")
    section.compare(
        "1 KiB range read, 16 clients, p99", taken["sixteen"].map(lambda pair: pair[1] * 1e3),
        taken["disk"].map(lambda probe: probe["p99_us"] / 1e3), "fdatasync p99", "ms",
        note="From request to answer over TLS, the client on the same two cores.")


def _by_clients(bench, section, ours, theirs, seconds):
    section.plot("requests", "1 KiB over TLS, connections kept", "clients", "requests a second")
    section.plot("requests-p99", "1 KiB over TLS, connections kept", "clients", "p99 (ms)")
    counts, read = [1, 4, 16, 64, 256], "audited range read"
    for label, ask, beside in ((read, ours, None), ("nginx, static file", theirs, read)):
        points = [(clients, *ask(clients, seconds)) for clients in counts]
        section.line("requests", label, [(c, rate) for c, rate, _ in points], beside)
        section.line("requests-p99", label, [(c, p99 * 1e3) for c, _, p99 in points], beside)
    probe = disk.fdatasync(bench.disk, seconds)
    for plot, value in (("requests", probe["per_second"]), ("requests-p99", probe["p99_us"] / 1e3)):
        section.line(plot, "fdatasync, one writer", [(c, value) for c in counts], "the disk")
