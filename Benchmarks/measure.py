"""Running commands within a time limit, and taking figures in turns."""
import dataclasses
import os
import statistics
import subprocess
import time

_ends = None


def begin(seconds):
    """From now on no command outlives this many seconds."""
    global _ends
    _ends = time.monotonic() + seconds


def remaining():
    left = _ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time limit of the whole run is over")
    return left


def run(*command, **options):
    """Runs to the end; a failure shows what the command said last, never its arguments: tokens are among them."""
    name = os.path.basename(str(command[0]))
    try:
        return subprocess.run([str(c) for c in command], check=True, timeout=remaining(),
                              **{"capture_output": True, **options})
    except subprocess.CalledProcessError as error:
        said = ((error.stdout or b"") + (error.stderr or b"")).decode(errors="replace")
        raise RuntimeError(f"{name} ended with {error.returncode}: {said[-500:]}") from None
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{name} was still running when the time was over") from None


def seconds(*command, **options):
    """The wall time of one run."""
    start = time.monotonic()
    run(*command, **options)
    return time.monotonic() - start


@dataclasses.dataclass
class Sample:
    """What several rounds gave; the median speaks for them."""
    values: list

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def low(self):
        return min(self.values)

    @property
    def high(self):
        return max(self.values)

    def map(self, change):
        return Sample([change(value) for value in self.values])


def in_turns(rounds, warm_up=True, **measures):
    """Takes each measure once a round, one after the other, so that a slow moment hits all alike.

    A first round does not count: it warms caches. The order turns round with each round.
    """
    taken = {name: [] for name in measures}
    names = list(measures)
    for turn in range(-1 if warm_up else 0, rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            value = measures[name]()
            if turn >= 0:
                taken[name].append(value)
    return {name: Sample(values) for name, values in taken.items()}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
