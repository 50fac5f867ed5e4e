"""Figures beside peers and targets, and the curves of how they grow; saved after every figure."""
import json
import time

import measure


def _number(value):
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f}"


def _sample(value):
    if isinstance(value, measure.Sample):
        return {"median": value.median, "low": value.low, "high": value.high,
                "rounds": len(value.values)}
    return {"median": value, "low": value, "high": value, "rounds": 1}


class Section:
    """What one figure script found."""

    def __init__(self, name, title, say, **circumstances):
        self.say = say
        self.data = {"name": name, "title": title, **circumstances, "rows": [], "plots": {}}

    def compare(self, figure, ours, peer, peer_name, unit, at_least=None, at_most=None, note="",
                otherwise=None):
        """A figure beside its peer's; the target is a ratio of the two.

        `otherwise` is another way to meet the target, as (met, words).
        """
        ours, peer = _sample(ours), _sample(peer)
        ratio = ours["median"] / peer["median"] if peer["median"] else None
        target = met = None
        if at_least is not None:
            target, met = f"≥ {at_least:.3g}×", ratio is not None and ratio >= at_least
        elif at_most is not None:
            target, met = f"≤ {at_most:.3g}×", ratio is not None and ratio <= at_most
        if otherwise:
            met, target = met or otherwise[0], f"{target} or {otherwise[1]}"
        self._add(figure=figure, ours=ours, unit=unit, peer=peer, peer_name=peer_name,
                  ratio=ratio, target=target, met=met, note=note)

    def value(self, figure, ours, unit, at_most=None, note=""):
        """A figure that has no peer; the target is a value."""
        ours = _sample(ours)
        self._add(figure=figure, ours=ours, unit=unit, peer=None, peer_name=None, ratio=None,
                  target=None if at_most is None else f"≤ {at_most} {unit}",
                  met=None if at_most is None else ours["median"] <= at_most, note=note)

    def _add(self, **row):
        self.data["rows"].append(row)
        beside = f", {row['ratio']:.2f}× {row['peer_name']}" if row["ratio"] is not None else ""
        verdict = {None: "", True: f"   meets {row['target']}",
                   False: f"   MISSES {row['target']}"}[row["met"]]
        self.say(f"{row['figure']}: {_number(row['ours']['median'])} {row['unit']}{beside}{verdict}")

    def failed(self, reason):
        """Something kept the rest of this section from being measured."""
        self.data["failed"] = reason
        self.say(f"{self.data['title']} could not be measured: {reason}")

    def plot(self, name, title, x, y, log_y=True):
        """Begins a picture; x and y are the labels of its axes, with units."""
        self.data["plots"][name] = {"title": title, "x": x, "y": y, "log_y": log_y, "lines": []}

    def line(self, plot, label, points, beside=None):
        """One curve of a picture: points are (x, y). A peer's names ours that it is held beside."""
        self.data["plots"][plot]["lines"].append(
            {"label": label, "beside": beside, "points": [list(point) for point in points]})


class Results:
    """The file of all sections. Those that this run does not take stay as they are."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "latest.json"
        self.data = {"v": 2, "sections": {}}
        if self.file.exists():
            before = json.loads(self.file.read_text())
            if before.get("v") == 2:
                self.data = before

    def put(self, section, machine):
        self.data["machine"] = machine
        self.data["sections"][section.data["name"]] = section.data
        self.save()

    def save(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.data, indent=1, ensure_ascii=False) + "\n")
        (self.folder / "latest.md").write_text(self.markdown())

    def missed(self, names):
        return [row["figure"] for name, section in self.data["sections"].items() if name in names
                for row in section["rows"] if row["met"] is False]

    def markdown(self):
        machine = self.data["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        lines = [
            "# Figures", "",
            f"Taken {machine['date']} at commit {machine['commit']} by `make bench`: "
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
            f"{machine['kernel']}; disk {machine['disk']}, memory disk {machine['memory_disk']}; "
            f"{machine['busy_at_start']} % busy with other work when it began. {versions}.", "",
            "Ours and the peer's were taken in turns in the same run; each number is the median of "
            "the rounds, with the lowest and the highest behind it.", ""]
        for section in self.data["sections"].values():
            lines += self._section(section, machine)
        return "\n".join(lines).rstrip() + "\n"

    def _section(self, section, machine):
        lines = [f"## {section['title']}", ""]
        if section.get("quick"):
            lines += ["**Quick: small sizes, few rounds; not for comparison.**", ""]
        if (section["commit"], section["date"][:10]) != (machine["commit"], machine["date"][:10]):
            lines += [f"From a run of {section['date']} at commit {section['commit']}.", ""]
        if section.get("busy", 0) > 5:
            lines += [f"**Others used {section['busy']} % of the machine when this began.**", ""]
        if section.get("failed"):
            lines += [f"**The rest could not be measured:** {section['failed']}", ""]
        if not section["rows"]:
            return lines
        lines += ["| figure | CallVault | peer | ratio | target | met |", "|---|---|---|---|---|---|"]
        notes = []
        for row in section["rows"]:
            mark = ""
            if row["note"]:
                notes.append(row["note"])
                mark = f" ({len(notes)})"
            peer = "" if row["peer"] is None else (
                f"{row['peer_name']}: {self._shown(row['peer'])} {row['unit']}")
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}×"
            met = {None: "", True: "yes", False: "**no**"}[row["met"]]
            lines.append(f"| {row['figure']}{mark} | {self._shown(row['ours'])} {row['unit']} | {peer} "
                         f"| {ratio} | {row['target'] or ''} | {met} |")
        lines.append("")
        lines += [f"{number}. {note}" for number, note in enumerate(notes, 1)]
        if notes:
            lines.append("")
        for name, plot in section["plots"].items():
            lines += [f"![{plot['title']}]({name}.svg)", ""]
        return lines

    @staticmethod
    def _shown(sample):
        median = _number(sample["median"])
        if sample["rounds"] == 1:
            return median
        return f"{median} ({_number(sample['low'])}–{_number(sample['high'])})"


def section(name, title, say, machine, quick, busy):
    return Section(name, title, say, commit=machine["commit"], quick=quick, busy=busy,
                   date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
