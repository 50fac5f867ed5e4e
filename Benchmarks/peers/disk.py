"""The disk alone: how often, and how soon, an append is durable."""
import json

import measure
from service import PROGRAM


def fdatasync(folder, seconds, writers=1, *pace):
    """Writers append 4 KiB and wait for fdatasync: calls a second and latencies in µs.

    With a pace each begins so often, in µs; without, the next at once.
    """
    done = measure.run(PROGRAM, "disk-latency", folder / "fdatasync.probe", writers,
                       int(seconds * 1000), *pace)
    return json.loads(done.stdout)
