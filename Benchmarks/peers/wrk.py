"""wrk: as many requests as a server answers over kept connections."""
import re

import measure
from service import headers

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def rate(url, paths, fields, clients, seconds, folder):
    """(requests a second, p99 in seconds) of `clients` connections that ask for these paths in turn."""
    script = folder / "paths.lua"
    listed = ",".join(f'"{path}"' for path in paths)
    script.write_text(f"local paths = {{{listed}}}\nlocal turn = 0\n"
                      "request = function()\n  turn = turn % #paths + 1\n"
                      "  return wrk.format(nil, paths[turn])\nend\n")
    said = measure.run("wrk", f"-t{min(2, clients)}", f"-c{clients}", f"-d{seconds}s", "--timeout",
                       "10s", "--latency", "-s", script, *headers(fields), url).stdout.decode()
    trouble = re.search(r"Non-2xx.*|Socket errors.*", said)
    if trouble:
        raise RuntimeError("wrk: " + trouble.group(0))
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", said).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1)), float(number) * _UNITS[unit]
