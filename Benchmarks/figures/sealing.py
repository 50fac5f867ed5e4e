"""Sealing and opening files by the envelope alone, and storing one whole."""
import filecmp
import os

import measure
from peers import sealers
from service import CALLVAULT, Service, wav

TITLE = "Sealing and opening"


def run(bench, section):
    folder = bench.memory / "sealing"
    folder.mkdir()
    size = (1 << 30) // bench.divisor
    ours, yardstick = sealers.ours(), sealers.yardstick(folder)
    others = [sealers.age(folder), sealers.openssl_cms(folder), sealers.gpg(folder),
              sealers.tink(folder)]
    try:
        _whole(bench, section, folder, size, [ours, yardstick, *others])
    finally:
        sealers.end_agent(folder)
    _by_size(bench, section, folder, ours, yardstick)
    _put(bench, section, folder, size, yardstick)


def _name(size):
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def _whole(bench, section, folder, size, all):
    plain, sealed, opened = folder / "plain", folder / "sealed", folder / "opened"
    wav(plain, size)

    def timed(sealer):
        def once():
            times = sealer.seal(plain, sealed), sealer.open(sealed, opened)
            if bench.is_careful and not filecmp.cmp(plain, opened, shallow=False):
                raise RuntimeError(f"{sealer.name} did not give back what it sealed")
            # Memory is for one file of each kind: the next program writes its own.
            sealed.unlink()
            opened.unlink()
            return times
        return once

    # Nothing to warm up: the file is in memory, and a round takes half a minute.
    taken = measure.in_turns(
        bench.rounds, warm_up=False, **{sealer.name: timed(sealer) for sealer in all})
    plain.unlink()
    for place, action in enumerate(("seal", "open")):
        speeds = {name: times.map(lambda pair: size / 1e6 / pair[place])
                  for name, times in taken.items()}
        ours = speeds.pop("CallVault")
        for name, theirs in speeds.items():
            is_yardstick = name == "sealer.c"
            section.compare(
                f"{action} {_name(size)}, memory to memory", ours, theirs, name, "MB/s",
                at_least=0.9 if is_yardstick else None,
                note="One thread, one file, by the envelope's own functions; sealer.c writes the same "
                     "format in plain C." if is_yardstick and action == "seal" else "")


def _by_size(bench, section, folder, ours, yardstick):
    section.plot("sealing", "Sealing and opening, memory to memory, a process for each file",
                 "size of the file (bytes)", "MB/s")
    curves = {}
    for size in [1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 26, (1 << 30) // bench.divisor]:
        plain, sealed, opened = folder / "plain", folder / "sealed", folder / "opened"
        wav(plain, size)
        rounds = 15 if size <= 1 << 22 else 3
        for sealer in (ours, yardstick):
            taken = [(sealer.seal(plain, sealed), sealer.open(sealed, opened)) for _ in range(rounds)]
            for action, times in zip(("seal", "open"), zip(*taken)):
                speed = size / 1e6 / measure.Sample(list(times)).median
                curves.setdefault((action, sealer), []).append((size, speed))
        for file in (plain, sealed, opened):
            file.unlink()
    for (action, sealer), points in curves.items():
        section.line("sealing", f"{action}, {sealer.name}", points,
                     beside=f"{action}, {ours.name}" if sealer is yardstick else None)


def _put(bench, section, folder, size, yardstick):
    """The command `put` from memory to disk, beside the same steps by other programs."""
    plain, beside = folder / "plain", bench.disk / "beside"
    wav(plain, size)
    with Service(bench.disk / "put") as service:
        token = service.token("service", "recordings:write")
        turn = iter(range(1000))

        def put():
            return size / 1e6 / measure.seconds(
                CALLVAULT, "put", plain, "--data", service.data, "--source", "bench", "--source-id",
                next(turn), env={**os.environ, "CALLVAULT_TOKEN": token})

        def steps():
            took = yardstick.seal(plain, beside) + measure.seconds("sha256sum", beside)
            took += measure.seconds("sync", beside)
            beside.unlink()
            return size / 1e6 / took

        taken = measure.in_turns(bench.rounds, put=put, steps=steps)
    section.compare(
        f"put {_name(size)}, memory to disk", taken["put"], taken["steps"],
        "sealer.c, sha256sum, sync", "MB/s",
        note="The whole command: over the service's socket, sealed, digested, synced, entered in the "
             "catalog and the log. The peer's three programs run one after the other.")
    bench.discard(bench.disk / "put")
    plain.unlink()
