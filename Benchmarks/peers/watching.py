"""Those who watch something and write what they think of it."""
import time


class Log:
    """Reads what a program writes, and tells when it says down and up."""

    def __init__(self, program, down, up):
        self.program, self.marks, self.place = program, {"down": down, "up": up}, 0

    def poll(self):
        with open(self.program.log, "rb") as file:
            file.seek(self.place)
            text = file.read()
        text = text[:text.rfind(b"\n") + 1]
        self.place += len(text)
        now = time.monotonic()
        for line in text.split(b"\n"):
            for event, mark in self.marks.items():
                if mark in line:
                    yield event, now


def first(watchers, seconds, wanted, pace=0.002):
    """The first time of that event at each watcher, until all have one or the time is over."""
    found = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and len(found) < len(watchers):
        for name, watcher in watchers.items():
            for event, at in watcher.poll():
                if event == wanted:
                    found.setdefault(name, at)
        time.sleep(pace)
    return found
