#!/usr/bin/env python3
"""Faults that leave something alive, seen by the whole supervisor and by Kamailio, HAProxy and keepalived at the same time.

usage: unshare --net --mount failover_faults.py CALLVAULT FOLDER ROUNDS

Prints a JSON document: for each fault when a call of ours first went another way, when we had decided it, and when each
watcher that can express the fault had noticed. The stage is that of Tests/Outside/78-failover-faults.py.
"""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
os.environ.update(CALLVAULT=sys.argv[1], SCRATCH=sys.argv[2], REPOSITORY=str(ROOT))
sys.path.insert(0, str(ROOT / "Tests/Outside/sip"))
import outages
import peers
from outages import REDIRECT, SECRET, Stage
from peers import Calls, Kamailio, Program
from supervisor import Supervisor
from vault_service import SCRATCH, Service
from watching import Log, first


def dispatcher(name, uri, port, *defines):
    targets = os.path.join(SCRATCH, name + ".list")
    pathlib.Path(targets).write_text("1 %s 0 10\n" % uri)
    return Log(Kamailio(SCRATCH, name, str(HERE / "sip_dispatcher.cfg"), ["udp:127.0.0.1:%d" % port],
                        ['LIST="%s"' % targets, *defines]), b"DSEVENT down", b"DSEVENT up")


def keepalived(stage):
    """Its checks as scripts, once a second, which is its minimum; None where it may not run."""
    subprocess.run("ip link add d0 type veth peer name d1 && ip addr add 10.9.9.1/24 dev d0 && ip link set d0 up "
                   "&& ip link set d1 up", shell=True, check=True)
    kinds = ["sip", "sip-tcp", "ai", "registration", "name"]
    scripts = "".join(
        'vrrp_script %s {\n  script "%s %s %d %s"\n  interval 1\n  timeout 1\n  fall 1\n  rise 1\n}\n'
        % (kind, HERE / "failover_check.py", kind, stage.asterisk.port, SECRET) for kind in kinds)
    config = os.path.join(SCRATCH, "keepalived.conf")
    pathlib.Path(config).write_text(
        "global_defs {\n  router_id bench\n  script_user root\n}\n%svrrp_instance V {\n  state BACKUP\n  interface d0\n"
        "  virtual_router_id 51\n  priority 100\n  advert_int 1\n  track_script {\n    %s\n  }\n}\n"
        % (scripts, "\n    ".join(kinds)))
    program = Program(["keepalived", "-n", "-l", "-D", "-P", "-f", config, "-p", SCRATCH + "/ka.pid", "-r", SCRATCH + "/vrrp.pid"],
                      os.path.join(SCRATCH, "keepalived.log"))
    return program, {kind: Log(program, b"VRRP_Script(%s) failed" % kind.encode(), b"VRRP_Script(%s) succeeded" % kind.encode())
                     for kind in kinds}


def haproxy(stage):
    config = os.path.join(SCRATCH, "haproxy.cfg")
    text = (HERE / "failover_haproxy.cfg").read_text()
    pathlib.Path(config).write_text(text.replace("@SECRET@", SECRET).replace("@MANAGER@", str(stage.asterisk.port)))
    program = Program(["haproxy", "-db", "-f", config], os.path.join(SCRATCH, "haproxy.log"))
    logs = {name: Log(program, b"%s is DOWN" % name.encode(), b"%s is UP" % name.encode())
            for name in ("trunks/sip", "engines/ai", "managers/registration")}
    logs["names/name"] = Log(program, b"names/name is going DOWN", b"names/name ('sip.trunk.test') is UP")
    return program, logs


def watchers(fault, kamailio, proxy, alive):
    """Who can express the fault, by name."""
    kind = fault.partition(":")[0]
    own = {
        "SIP": {"Kamailio, threshold 1": kamailio["udp-1"], "Kamailio, threshold 3": kamailio["udp-3"],
                "HAProxy": proxy["trunks/sip"], "keepalived, a script": alive["sip"]},
        "TCP half open": {"Kamailio, threshold 3": kamailio["tcp-3"], "HAProxy": proxy["trunks/sip"],
                          "keepalived, a script": alive["sip-tcp"]},
        "DNS": {"Kamailio, threshold 3": kamailio["name-3"], "HAProxy": proxy["names/name"],
                "keepalived, a script": alive["name"]},
        "AI": {"HAProxy": proxy["engines/ai"], "keepalived, a script": alive["ai"]},
        "trunk unregistered": {"HAProxy": proxy["managers/registration"], "keepalived, a script": alive["registration"]},
    }
    return own[kind]


def main():
    rounds = int(sys.argv[3])
    resolver = os.path.join(SCRATCH, "resolv.conf")
    pathlib.Path(resolver).write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
    service, supervisor = Service(), Supervisor()
    stage, calls = Stage(SCRATCH), Calls(REDIRECT, pace=0.02, patience=2)
    programs, result = [], {"faults": {}}
    try:
        with service:
            pass
        supervisor.make(service.data, stage.policy())
        supervisor.start()
        peers.until(lambda: peers.options(REDIRECT) is not None, 30, "the redirect server answers")
        address = "sip:127.0.0.1:%d" % outages.TRUNK
        kamailio = {
            "udp-1": dispatcher("udp-1", address, 5061, "THRESHOLD=1"),
            "udp-3": dispatcher("udp-3", address, 5063, "THRESHOLD=3"),
            "tcp-3": dispatcher("tcp-3", address + ";transport=tcp", 5064, "THRESHOLD=3", "TCP"),
            "name-3": dispatcher("name-3", "sip:%s:%d" % (outages.NAME, outages.TRUNK), 5065, "THRESHOLD=3"),
        }
        programs += [log.program for log in kamailio.values()]
        program, proxy = haproxy(stage)
        programs.append(program)
        program, alive = keepalived(stage)
        programs.append(program)
        calls.start()
        peers.until(lambda: calls.now() == "ai", 30, "calls go to the AI engine")
        time.sleep(4)
        for fault in Stage.FAULTS:
            logs = watchers(fault, kamailio, proxy, alive)
            taken = result["faults"][fault] = {"detected": [], "switched": [], "peers": {name: [] for name in logs}}
            for _ in range(rounds):
                first(logs, 0.05, "nothing", 0.003)
                seen, begun = {}, time.monotonic()
                watching = threading.Thread(target=lambda: seen.update(first(logs, 8, "down", 0.003)))
                watching.start()
                detected, switched = stage.trial(fault, supervisor, calls, watching.join)
                taken["detected"].append(detected)
                taken["switched"].append(switched)
                for name in logs:
                    taken["peers"][name].append(seen[name] - begun if name in seen else None)
                first({name: log for name, log in logs.items() if name in seen}, 20, "up", 0.003)
        print(json.dumps(result))
    finally:
        calls.is_over = True
        supervisor.end()
        stage.end()
        for program in programs:
            program.end()


main()
