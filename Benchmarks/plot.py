#!/usr/bin/env python3
"""Draws the pictures of a results file: plot.py latest.json writes one SVG for each beside it."""
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
# Text stays text: small files that can be searched, in the reader's own font.
matplotlib.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "callvault", "font.family": "sans-serif",
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "figure.facecolor": "white", "axes.facecolor": "white",
})

from matplotlib import pyplot  # noqa: E402 - after the choice of how to draw
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator  # noqa: E402

# Dark enough on white, and told apart by people who do not see red and green.
_COLOURS = ["#0b5394", "#c2410c", "#047857", "#7e22ce", "#a16207", "#be123c"]
_NOBODYS = "#6b7280"


def _plain(value, _=None):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g} {unit}"
    return f"{value:g}"


def _bytes(value, _=None):
    if value % 1e6 == 0:
        return f"{value / 1e6:g} MB"
    for limit, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:g} B"


def _apart(places):
    """Those that leave room for their labels on a logarithmic axis; the last one is always there."""
    kept = []
    for place in reversed(places):
        if not kept or kept[-1] / place > (places[-1] / places[0]) ** 0.1:
            kept.append(place)
    return kept[::-1]


def _picture(plot, file):
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
    ours = [line["label"] for line in plot["lines"] if not line["beside"]]
    colours = dict(zip(ours, _COLOURS))
    for line in plot["lines"]:
        xs, ys = zip(*line["points"])
        if line["beside"]:
            axes.plot(xs, ys, "--", marker="s", markersize=3.5, linewidth=1.3, alpha=0.6,
                      color=colours.get(line["beside"], _NOBODYS), label=line["label"])
        else:
            axes.plot(xs, ys, "-", marker="o", markersize=4.5, linewidth=1.9,
                      color=colours[line["label"]], label=line["label"])
    axes.set_xscale("log")
    axes.set_xticks(_apart(sorted({x for line in plot["lines"] for x, _ in line["points"]})))
    axes.xaxis.set_major_formatter(FuncFormatter(_bytes if "bytes" in plot["x"] else _plain))
    axes.xaxis.set_minor_locator(NullLocator())
    values = [y for line in plot["lines"] for _, y in line["points"]]
    if plot["log_y"] and min(values) > 0:
        axes.set_yscale("log")
        few = max(values) / min(values) < 30
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(min(values) / 1.5, max(values) * 1.5)
    else:
        axes.set_ylim(0, max(values) * 1.15)
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.grid(True, which="major", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(plot["x"])
    axes.set_ylabel(plot["y"])
    axes.set_title(plot["title"], loc="left", fontsize=12)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(file, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    pyplot.close(figure)


def draw(file):
    for section in json.loads(file.read_text())["sections"].values():
        for name, plot in section["plots"].items():
            if any(line["points"] for line in plot["lines"]):
                _picture(plot, file.parent / f"{name}.svg")


if __name__ == "__main__":
    draw(pathlib.Path(sys.argv[1]))
