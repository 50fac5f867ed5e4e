"""Recordings over TLS, down and up, beside nginx with the plain file."""
import os
import shutil
import time

import measure
from peers.curl import transfer
from peers.nginx import Nginx
from service import Service, wav

TITLE = "Downloads and uploads over TLS"


def run(bench, section):
    folder = bench.memory / "transfer"
    folder.mkdir()
    section.plot("transfer", "Over TLS, one client at a time", "size of the recording (bytes)", "MB/s")
    with Service(bench.disk / "transfer") as service, \
            Nginx(bench.disk / "transfer/nginx", service.certificate, service.key) as nginx:
        sizes = [1 << 10, 1 << 14, 1 << 18, 1 << 22, 10**8 // bench.divisor, (1 << 30) // bench.divisor]
        curves = {}
        for size in sizes:
            # The more bytes, the less one round differs from the next.
            rounds = 20 if size <= 1 << 22 else bench.rounds + 2 if size <= 10**8 else 1
            file = wav(folder / "plain", size)
            speeds = _one_size(service, nginx, file, size, rounds)
            for label, speed in speeds.items():
                curves.setdefault(label, []).append((size, speed.median))
            if size == 10**8 // bench.divisor:
                _rows(section, size, speeds)
            file.unlink()
        for label, points in curves.items():
            ours, _, peer = label.partition(", ")
            section.line("transfer", label, points, beside=ours if peer else None)
    bench.discard(bench.disk / "transfer")


def _rows(section, size, speeds):
    name = f"{size / 1e6:.0f} MB"
    section.compare(f"download {name}", speeds["download"], speeds["download, nginx"],
                    "nginx, plain file", "MB/s", at_least=0.6,
                    note="Ours is authorised, logged, decrypted and sent; curl is the client of both. "
                         "From the end of the TLS handshake.")
    section.compare(f"upload {name}", speeds["upload"], speeds["upload, nginx"],
                    "nginx WebDAV and fsync", "MB/s", at_least=0.6,
                    note="Ours answers when the recording is durable; nginx's file and its folder are "
                         "synced within the time.")


def _one_size(service, nginx, file, size, rounds):
    (recording,) = service.store(file, service.new_calls(1))
    shutil.copyfile(file, nginx.www / "file")
    # Each upload is a recording of its own: the same bytes in one call are stored once.
    calls = iter(service.new_calls(rounds + 1))

    def upload_to_nginx():
        target = nginx.www / "put" / "file"
        took = transfer(service.certificate, f"{nginx.url}/put/file", upload=file)
        took += _synced(target) + _synced(target.parent)
        target.unlink()
        return took

    taken = measure.in_turns(rounds, **{
        "download": lambda: transfer(
            service.certificate, f"{service.url}/v1/recordings/{recording}/audio", service.reading),
        "download, nginx": lambda: transfer(service.certificate, f"{nginx.url}/file"),
        "upload": lambda: transfer(
            service.certificate, f"{service.url}/v1/calls/{next(calls)}/recordings",
            {**service.writing, "Content-Type": "audio/wav"}, upload=file, method="POST"),
        "upload, nginx": upload_to_nginx,
    })
    return {label: times.map(lambda took: size / 1e6 / took) for label, times in taken.items()}


def _synced(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        start = time.monotonic()
        os.fsync(handle)
        return time.monotonic() - start
    finally:
        os.close(handle)
