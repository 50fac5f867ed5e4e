#!/usr/bin/env python3
"""Days of retention, counted again by python-dateutil; and the policy's shape, judged by PyPI's jsonschema.

The rules of Documentation/formats/retention.md, section 1, written a second time in Python and asked about random
policies, people and calls: leap days, time zones, birthdays of majority, versions of rules.
CALLVAULT_RETENTION_SEED repeats a run, CALLVAULT_RETENTION_CASES makes it longer.
"""
import calendar
import datetime
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys

try:
    import jsonschema
    import yaml
    from dateutil import tz
    from dateutil.relativedelta import relativedelta
except ImportError as missing:
    print("%s is not installed (PyPI)" % missing.name)
    sys.exit(77)

ROOT = pathlib.Path(os.environ["REPOSITORY"])
PROGRAM = os.path.join(os.environ["TOOLS"], "retention-dates")
CASES = int(os.environ.get("CALLVAULT_RETENTION_CASES", "100000"))
SEED = int(os.environ.get("CALLVAULT_RETENTION_SEED", random.randrange(1 << 32)))
dice = random.Random(SEED)
UTC = datetime.timezone.utc


def say(text):
    print(": " + text, flush=True)


# ---- the shape of the policy

class Strict(yaml.BaseLoader):
    """Numbers and booleans where this program's subset of YAML has them, text everywhere else."""


Strict.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), "tf")
Strict.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile("^-?(0|[1-9][0-9]*)$"), "-0123456789")
Strict.add_constructor("tag:yaml.org,2002:bool", lambda loader, node: node.value == "true")
Strict.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
schema = json.loads((ROOT / "Policies/retention.schema.json").read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
shipped = (ROOT / "Policies/retention.yaml").read_text()
validator.validate(yaml.load(shipped, Strict))
shapes = 0
refused = json.loads((ROOT / "Tests/Vectors/retention/refused.json").read_text())["cases"]
for case in refused:
    document = yaml.load(shipped.replace(case["old"], case["new"], 1), Strict)
    assert validator.is_valid(document) != case["shape"], (case["says"], case["new"])
    shapes += case["shape"]
say("the schema takes the shipped policy and refuses %d of %d wrong ones, the rest being beyond a shape" % (
    shapes, len(refused)))


# ---- dates, counted here

def plus_years(day, years):
    """The same day, or the one after where there is none."""
    try:
        later = day + relativedelta(years=years)
    except (ValueError, OverflowError):
        return None
    if later.day != day.day:
        later += relativedelta(days=1)
    return later


def plus(day, keep):
    if keep[1] == "y":
        return plus_years(day, keep[0])
    try:
        return day + relativedelta(days=keep[0])
    except (ValueError, OverflowError):
        return None


def random_day(first=1900, last=2200):
    if dice.random() < 0.15:
        leap = dice.randrange(first, last) // 4 * 4 or 4
        return datetime.date(leap, 2, 29) if calendar.isleap(leap) else datetime.date(leap, 3, 1)
    if dice.random() < 0.1:
        return datetime.date(dice.randrange(first, last), *dice.choice([(1, 1), (2, 28), (3, 1), (12, 31)]))
    start = datetime.date(first, 1, 1).toordinal()
    return datetime.date.fromordinal(dice.randrange(start, datetime.date(last, 1, 1).toordinal()))


ZONES = ["America/Detroit", "America/Phoenix", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia",
         "Pacific/Kiritimati", "Pacific/Honolulu", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Dublin",
         "Africa/Casablanca", "America/Puerto_Rico", "Etc/UTC"]
zones = {name: tz.gettz(name) for name in ZONES}
assert all(zones.values())


def spelled(time):
    """RFC 3339 with the offset as this program reads it."""
    offset = int(time.utcoffset().total_seconds()) // 60
    text = time.strftime("%Y-%m-%dT%H:%M:%S") if time.year >= 1000 else time.isoformat()[:19]
    return text + ("Z" if offset == 0 else "%s%02d:%02d" % (
        "-" if offset < 0 else "+", abs(offset) // 60, abs(offset) % 60))


def local_time():
    """A time in a zone, often near midnight, near a change of its clocks, or both."""
    zone = dice.choice(ZONES)
    day = random_day(1980, 2037)
    hour, minute = dice.choice([(0, 0), (23, 59), (0, 30), (2, 30), (dice.randrange(24), dice.randrange(60))])
    return zone, datetime.datetime(day.year, day.month, day.day, hour, minute, dice.randrange(60))


# ---- policies, decided here

TRIGGERS = ["date-of-service", "majority", "last-encounter", "contract-end", "event", "last-in-effect"]
STATES = {"US": None, "US-MI": "US", "US-AL": "US", "US-NE": "US", "US-MS": "US", "US-OH": "US", "CA": None,
          "CA-ON": "CA", "GB": None}


class Rule:
    def __init__(self, name, version):
        self.name, self.version = name, version
        self.after = dice.choice(TRIGGERS[:3] if dice.random() < 0.8 else TRIGGERS)
        self.keep = (dice.randrange(1, 30), "y") if dice.random() < 0.8 else (dice.randrange(1, 3651), "d")
        self.places = dice.sample(["US", "US-MI", "US-AL", "CA", "CA-ON"], dice.randrange(1, 3)) \
            if dice.random() < 0.3 else None
        self.effective = datetime.date(2000, 1, 1)
        self.until = None

    def text(self):
        line = "rule: %s, version: \"%d\", after: %s, keep: %d%s, effective: \"%s\"" % (
            self.name, self.version, self.after, *self.keep, self.effective)
        if self.until:
            line += ", until: \"%s\"" % self.until
        if self.places:
            line += ", in: [%s]" % ", ".join(self.places)
        return "      - {%s, cite: c, confirmed: true}\n" % line


class Policy:
    def __init__(self):
        self.majority = {"US": dice.choice([18, 19]), "CA": 18, "US-AL": 19, "US-MS": 21}
        if dice.random() < 0.3:
            self.majority["CA-ON"] = 20
        self.state = dice.choice(["US-MI", "US-AL", "CA"]) if dice.random() < 0.4 else None
        self.classes = {}
        for name in ("recording", "other", "medicare"):
            base = Rule("base", 1)
            base.places, base.after = None, dice.choice(["date-of-service"] * 3 + ["last-encounter"])
            rules = [base]
            for number in range(dice.randrange(4)):
                rules += self.lineage("r%d" % number)
            self.classes[name] = rules
        self.default = dice.choice(list(self.classes))

    @staticmethod
    def lineage(name):
        """A rule and the versions that came after it."""
        rules = [Rule(name, 1)]
        for version in range(2, dice.randrange(2, 5)):
            change = random_day(2005, 2030)
            if change <= rules[-1].effective:
                break
            rules[-1].until = change - datetime.timedelta(days=1)
            rules.append(Rule(name, version))
            rules[-1].effective = change
        return rules

    def text(self):
        lines = ["v: 2\nversion: t\nowner: o\ndefault: %s\n" % self.default]
        if self.state:
            lines.append("state: %s\n" % self.state)
        lines.append("jurisdictions:\n")
        lines += ["  %s: {majority: %d, cite: c, confirmed: true}\n" % pair for pair in self.majority.items()]
        lines.append("classes:\n")
        for name, rules in self.classes.items():
            lines.append("  %s:\n    owner: o\n    rules:\n" % name)
            lines += [rule.text() for rule in rules]
        lines.append("purge: {cite: c, owner: o, grace: 14d, percent: 5, recordings: 100, window: 30d, "
                     "sweep: propose, approvers: [records-manager]}\nquarantines: {}\n")
        return "".join(lines)

    def age(self, state):
        return self.majority.get(state, self.majority.get(STATES[state] or state))

    def decide(self, facts):
        unknown, days = set(), []
        state = facts.get("state") or self.state
        served = facts.get("served")
        for name in facts.get("classes") or [self.default]:
            if name not in self.classes:
                unknown.add("class")
                continue
            for rule in self.classes[name]:
                if rule.places:
                    if not state:
                        unknown.add("state")
                        continue
                    if state not in rule.places and STATES[state] not in rule.places:
                        continue
                began = served or facts.get(rule.after)
                if rule.until and began and began > rule.until:
                    continue
                if rule.after == "majority":
                    if facts["patient"] == "of-age":
                        continue
                    if facts["patient"] is None:
                        unknown.add("birth-date")
                        continue
                    age = self.age(state) if state else None
                    start = plus_years(facts["patient"], age or 21)
                    # Of age on the day of the call: relativedelta counts whole years that have passed.
                    if served and start <= served:
                        whole = relativedelta(served, facts["patient"]).years
                        assert whole >= (age or 21) or facts["patient"].strftime("%m%d") == "0229"
                        continue
                    if age is None:
                        unknown.add("state")
                        continue
                else:
                    start = facts.get(rule.after)
                    if start is None:
                        unknown.add(rule.after)
                        continue
                day = plus(start, rule.keep)
                if day is None:
                    unknown.add("end-of-calendar")
                else:
                    days.append(day)
        if not days and not unknown:
            unknown.add("rule")
        return "keep " + ",".join(sorted(unknown)) if unknown else str(max(days))


def facts_of_call():
    facts, words = {"patient": None}, []
    if dice.random() < 0.7:
        facts["classes"] = dice.sample(["recording", "other", "medicare"], dice.randrange(1, 3))
        if dice.random() < 0.03:
            facts["classes"].append("no-such-class")
        words.append("classes=" + ",".join(facts["classes"]))
    if dice.random() < 0.7:
        facts["state"] = dice.choice(list(STATES))
        words.append("state=" + facts["state"])
    if dice.random() < 0.95:
        zone, wall = local_time()
        time = tz.resolve_imaginary(wall.replace(tzinfo=zones[zone]))
        if time.utcoffset().total_seconds() % 60 == 0:
            facts["served"] = facts["date-of-service"] = time.date()
            words.append("served=" + spelled(time))
    kind = dice.random()
    if kind < 0.3:
        facts["patient"] = "of-age"
        words.append("of-age=yes")
    elif kind < 0.95:
        born = random_day(1930, 2037)
        if "served" in facts and dice.random() < 0.5:
            # Around a birthday that matters.
            born = facts["served"] - relativedelta(years=dice.choice([18, 19, 20, 21]),
                                                   days=dice.randrange(-2, 3))
        facts["patient"] = born
        words.append("born=%s" % born)
    for trigger in TRIGGERS[2:]:
        if dice.random() < 0.85:
            facts[trigger] = random_day(1980, 2037) if dice.random() < 0.98 else datetime.date(9990, 1, 1)
            words.append("%s=%s" % (trigger, facts[trigger]))
    return facts, " ".join(words)


questions, expected, kinds = [], [], {}


def ask(kind, question, answer):
    questions.append(question)
    expected.append("none" if answer is None else str(answer))
    kinds[kind] = kinds.get(kind, 0) + 1


for _ in range(CASES * 2 // 5):
    day, years = random_day(1, 9999), dice.randrange(0, 1001)
    ask("years", "years %s %d" % (day, years), plus_years(day, years))
for _ in range(CASES // 10):
    day, count = random_day(1, 9999), dice.randrange(1, 3651)
    ask("days", "days %s %d" % (day, count), plus(day, (count, "d")))
while kinds.get("zones", 0) < CASES // 5:
    zone, wall = local_time()
    time = tz.resolve_imaginary(wall.replace(tzinfo=zones[zone], fold=dice.randrange(2)))
    if time.utcoffset().total_seconds() % 60:
        continue
    if dice.random() < 0.5:
        ask("zones", "local " + spelled(time), time.date())
    elif tz.datetime_exists(wall, zones[zone]):
        ask("zones", "zone %s %s" % (zone, wall.strftime("%Y%m%d%H%M%S")), wall.date())
    else:
        earth = time.astimezone(UTC).replace(tzinfo=UTC)
        ask("zones", "everywhere " + spelled(earth),
            earth.astimezone(datetime.timezone(datetime.timedelta(hours=-12))).date())
decided = [0, 0]
while sum(kinds.values()) < CASES:
    policy = Policy()
    text = policy.text()
    questions.append("policy p %d\n%s" % (text.count("\n"), text.rstrip("\n")))
    expected.append(hashlib.sha256(text.encode()).hexdigest())
    for _ in range(100):
        facts, words = facts_of_call()
        answer = policy.decide(facts)
        decided[answer.startswith("keep")] += 1
        ask("decisions", "decide p " + words, answer)

shown = subprocess.run([PROGRAM], input="\n".join(questions) + "\n", capture_output=True, text=True, timeout=300)
answers = shown.stdout.splitlines()
assert shown.returncode == 0 and len(answers) == len(expected), (shown.returncode, answers[-1:], shown.stderr)
differences = [(question, ours, theirs) for question, ours, theirs in zip(questions, expected, answers)
               if ours != theirs]
for question, ours, theirs in differences[:5]:
    print("seed %d: %s: dateutil has %s, the program %s" % (SEED, question, ours, theirs))
assert not differences, "%d differences, seed %d" % (len(differences), SEED)
say("%d cases against dateutil, 0 differences: %s" % (
    sum(kinds.values()), ", ".join("%d %s" % (n, k) for k, n in kinds.items())))
say("of the decisions %d have a day and %d are kept for something unknown" % tuple(decided))
