#!/usr/bin/env python3
"""Holds vendor_facts.py, which the fakes go by, against the vendors' own API descriptions, where these are at hand."""
import json, os, sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import vendor_facts as facts

folder = Path(os.environ.get("CALLVAULT_SPECS") or Path(os.environ["REPOSITORY"]) / "../shared/specs").resolve()
if not (folder / "twilio").is_dir() or not (folder / "3cx").is_dir():
    print("the vendors' API descriptions are not here (CALLVAULT_SPECS names their folder)")
    sys.exit(77)
import yaml

loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
checks = 0


def check(condition, *what):
    global checks
    checks += 1
    if not condition:
        raise SystemExit(f"not what the description says: {what}")


def agrees(fact, schema, description, where):
    """Whatever a fact says of a value, its schema says."""
    if "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].split("/")[-1]]
    for name in ("pattern", "minimum", "maximum"):
        check(fact.get(name) is None or fact[name] == schema.get(name), where, name, fact, schema)
    if "enum" in fact:
        check(sorted(fact["enum"]) == sorted(schema["enum"]), where, schema)
    if "type" in fact:
        check(fact["type"] == schema["type"], where, fact, schema)


def properties(description, name):
    """All properties of an entity, those of what it builds on included."""
    found, rest = {}, [description["components"]["schemas"][name]]
    while rest:
        schema = rest.pop()
        if "$ref" in schema:
            rest.append(description["components"]["schemas"][schema["$ref"].split("/")[-1]])
        found.update(schema.get("properties", {}))
        rest += schema.get("allOf", [])
    return found


twilio = {name: json.loads((folder / "twilio" / name).read_text()) for name in ("trunking_v1.json", "api_v2010.json")}
for name, path, method, query, form, required, status in facts.TWILIO:
    description = twilio[name]
    operation = description["paths"][path][method]
    given = {p["name"]: p["schema"] for p in operation.get("parameters", []) if p["in"] == "query"}
    for parameter, fact in query.items():
        check(parameter in given, path, parameter)
        agrees(fact, given[parameter], description, (path, parameter))
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            folder_before = path.split("/{" + parameter["name"] + "}")[0].split("/")[-1]
            kind = facts.PATH_SIDS.get(parameter["name"]) or facts.PATH_SIDS[folder_before]
            check(parameter["schema"]["pattern"] == facts.SID[kind], path, parameter)
    check((form is not None) == ("requestBody" in operation), path)
    if form is not None:
        schema = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        for parameter, fact in form.items():
            check(parameter in schema["properties"], path, parameter)
            agrees(fact, schema["properties"][parameter], description, (path, parameter))
        check(required == schema.get("required", []), path, schema.get("required"))
    check(str(status) in operation["responses"], path, status)
    check(description["components"]["securitySchemes"] == {"accountSid_authToken": {"type": "http", "scheme": "basic"}})
for name, entity, fields in facts.TWILIO_FIELDS:
    known = properties(twilio[name], entity)
    check(set(fields) <= set(known), entity, set(fields) - set(known))

pbx = yaml.load((folder / "3cx/xapi.yaml").read_text(), Loader=loader)
check(pbx["servers"] == [{"url": "/xapi/v1"}])
check(pbx["components"]["securitySchemes"]["Application"]["flows"]["clientCredentials"]["tokenUrl"] == "/connect/token")
for path, method, query, entity, status in facts.THREE_CX:
    operation = pbx["paths"][path][method]
    given = {(pbx["components"]["parameters"][p["$ref"].split("/")[-1]] if "$ref" in p else p)["name"]
             for p in operation.get("parameters", [])}
    check(set(query) <= given, path, set(query) - given)
    check(str(status) in operation["responses"], path, status)
    check(entity.split(".")[-1] in json.dumps(operation) or entity in json.dumps(operation), path, entity)
for entity, names in facts.THREE_CX_PROPERTIES.items():
    known = properties(pbx, entity)
    check(set(names) <= set(known), entity, set(names) - set(known))
for name, values in facts.THREE_CX_ENUMS.items():
    check(sorted(pbx["components"]["schemas"][name]["enum"]) == sorted(values), name)
print(f": {len(facts.TWILIO)} calls of Twilio and {len(facts.THREE_CX)} of 3CX are as their descriptions say: {checks} facts")
