"""What the figures were taken on; nothing that names a machine or a person."""
import os
import platform
import re
import shutil
import subprocess
import time


def _said(*command):
    done = subprocess.run(command, capture_output=True, timeout=60)
    return (done.stdout + done.stderr).decode(errors="replace")


def _version(pattern, *command):
    if not shutil.which(command[0]):
        return "absent"
    found = re.search(pattern, _said(*command))
    return found.group(1) if found else "unknown"


def filesystem(folder):
    """The kind of file system that holds a folder."""
    kinds = {}
    for line in open("/proc/self/mounts"):
        _, place, kind = line.split()[:3]
        kinds[place.replace("\\040", " ")] = kind
    place = os.path.realpath(folder)
    while place not in kinds:
        place = os.path.dirname(place)
    return kinds[place]


def commit(root):
    name = _said("git", "-C", str(root), "rev-parse", "--short=12", "HEAD").strip()
    # The results themselves are written by this very run.
    changed = _said("git", "-C", str(root), "status", "--porcelain", "--", ".",
                    ":!Benchmarks/results").strip()
    return name + (" with local changes" if changed else "")


def busy():
    """How much of the cores others use, in percent, over two seconds in which we do nothing."""
    def ticks():
        fields = [int(field) for field in open("/proc/stat").readline().split()[1:]]
        return sum(fields), fields[3] + fields[4]

    total, idle = ticks()
    time.sleep(2)
    later_total, later_idle = ticks()
    passed = max(1, later_total - total)
    return round(100 * (1 - (later_idle - idle) / passed))


def facts(root, disk, memory):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), "unknown")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit(root),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": filesystem(disk),
        "memory_disk": filesystem(memory),
        "busy_at_start": busy(),
        "versions": {
            "Swift": _version(r"Swift version ([\w.]+)", "swift", "--version"),
            "OpenSSL": _version(r"OpenSSL ([\w.]+)", "openssl", "version"),
            "nginx": _version(r"nginx/([\w.]+)", "nginx", "-v"),
            "curl": _version(r"curl ([\w.]+)", "curl", "--version"),
            "wrk": _version(r"wrk (?:debian/)?([\w.-]+)", "wrk", "-v"),
            "age": _version(r"v?([\d.]+)", "age", "--version"),
            "gpg": _version(r"GnuPG\) ([\d.]+)", "gpg", "--version"),
            "Go": _version(r"go([\d.]+)", "go", "version"),
            "Python": platform.python_version(),
        },
    }
