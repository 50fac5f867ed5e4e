"""The disk alone: how often, and how soon, an append is durable."""
import json

import measure
from service import PROGRAM


def fdatasync(folder, seconds):
    """One writer appends 4 KiB and waits for fdatasync: calls a second and latencies in µs."""
    done = measure.run(PROGRAM, "disk-latency", folder / "fdatasync.probe", int(seconds * 1000))
    return json.loads(done.stdout)
