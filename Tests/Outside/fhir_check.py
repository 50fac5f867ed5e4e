#!/usr/bin/env python3
"""Validate FHIR R4 AuditEvent JSON: fhir.resources (PyPI, R4B models) + the rules it does NOT enforce.

Made with the design of the views (Documentation/formats/views.md), before the program, and copied from
there unchanged below this text, as were the cases in Tests/Vectors/fhir.
usage: fhir_check.py events.ndjson|events.json   (exit 1 on any failure)"""
import sys, json
from fhir.resources.R4B.auditevent import AuditEvent
DCM = 'http://dicom.nema.org/resources/ontology/DCM'
def strict(e):
    AuditEvent.model_validate(e)                      # structure, 1..1 fields, unknown fields, instants with zone
    bad = []
    if not e.get('agent'): bad.append('agent 1..*')
    if e.get('action') not in (None, 'C', 'R', 'U', 'D', 'E'): bad.append('action code')
    if e.get('outcome') not in (None, '0', '4', '8', '12'): bad.append('outcome code')
    for a in e.get('agent', []):
        n = a.get('network')
        if n and n.get('type') not in (None, '1', '2', '3', '4', '5'): bad.append('network.type')
    for x in e.get('entity', []):
        if 'name' in x and 'query' in x: bad.append('sev-1: name and query')
    if sum(1 for a in e.get('agent', []) if a.get('requestor')) > 1: bad.append('more than one requestor')
    if bad: raise ValueError('; '.join(bad))
def codes(cc): return {(c.get('system'), c.get('code')) for c in ((cc or {}).get('coding') or [])}
def balp(e):
    """BALP PatientRead / PrivacyDisclosure.Source checks (IHE/ITI.BasicAudit input/fsh/PatientRead.fsh, Disclose.fsh)"""
    t = e['type'].get('code'); sub = {(s.get('system'), s.get('code')) for s in e.get('subtype', [])}
    roles = [codes(a.get('type')) for a in e.get('agent', [])]
    has = lambda c: any((DCM, c) in r for r in roles)
    pat = [x for x in e.get('entity', []) if (x.get('type') or {}).get('code') == '1' and (x.get('role') or {}).get('code') == '1' and x.get('what')]
    bad = []
    if not (has('110152') and has('110153')): bad.append('needs Source (110153) and Destination (110152) agents')
    if len(pat) != 1: bad.append('needs exactly one patient entity')
    if t == 'rest':
        if not ({c for s, c in sub} & {'read', 'vread'}): bad.append('subtype read|vread')
        if e.get('outcome') != '0' or e.get('action') != 'R': bad.append('read success')
    if t == '110106':
        if ('http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', 'disclose') not in sub: bad.append('subtype disclose')
        src = next((a for a in e['agent'] if (DCM, '110153') in codes(a.get('type'))), None)
        if not src or src.get('who') != e['source']['observer']: bad.append('val-audit-source: source.observer must be the source agent')
        if 'outcome' not in e: bad.append('outcome 1..1')
    if bad: raise ValueError('; '.join(bad))
if __name__ == '__main__':
    raw = open(sys.argv[1]).read()
    try: doc = json.loads(raw)
    except ValueError: doc = [json.loads(l) for l in raw.splitlines() if l.strip()]
    if isinstance(doc, dict) and 'cases' in doc:          # a vector file: every verdict must be the expected one
        wrong = 0
        for c in doc['cases']:
            e = c.get('event', c.get('resource', c.get('auditEvent')))
            try:
                strict(e)
                if e['type'].get('code') in ('rest', '110106'): balp(e)
                got = 'accept'
            except Exception: got = 'reject'
            if got != c['expect']: wrong += 1; print('case', c.get('name', c.get('id')), 'expected', c['expect'], 'got', got)
        print(len(doc['cases']), 'cases,', wrong, 'wrong'); sys.exit(bool(wrong))
    evs = doc if isinstance(doc, list) else [doc]
    rc = 0
    for i, e in enumerate(evs):
        try:
            strict(e)
            if e['type'].get('code') in ('rest', '110106'): balp(e)
        except Exception as x: rc = 1; print('event', i, 'INVALID', str(x).splitlines()[0])
    print(len(evs), 'events checked'); sys.exit(rc)
