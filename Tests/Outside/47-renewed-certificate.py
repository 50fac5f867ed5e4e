#!/usr/bin/env python3
"""SIGHUP takes a renewed certificate into use while clients are served, and half a renewal changes
nothing."""
import http.client
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time

from vault_service import SCRATCH, Service, say

RENEWALS = 10


def certify(name):
    """A certificate of its own authority for localhost; its folder."""
    folder = os.path.join(SCRATCH, name)
    os.makedirs(folder)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder + "/key.pem", "-out", folder + "/certificate.pem"],
        check=True, capture_output=True)
    return folder


def subject(service):
    """Whose certificate openssl is shown."""
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", "127.0.0.1:%d" % service.port, "-servername",
         "localhost"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    found = [line for line in shown.stdout.splitlines() if line.startswith("subject=")]
    return found[0].split("=", 1)[1].strip() if found else shown.stderr


def lines(service, event):
    with open(service.stderr) as log:
        return sum('"event":"%s"' % event in line for line in log)


def hang_up(service, event):
    """Sends SIGHUP and waits for the line that says what came of it."""
    before = lines(service, event)
    service.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 60
    while lines(service, event) == before:
        assert service.lives(), "SIGHUP ended the service"
        assert time.monotonic() < deadline, "no line says %s" % event
        time.sleep(0.02)


def install(service, certificate, key):
    for source, target in ((certificate + "/certificate.pem", "certificate.pem"),
                           (key + "/key.pem", "key.pem")):
        fresh = os.path.join(service.data, "tls", target + ".new")
        shutil.copyfile(source, fresh)
        os.replace(fresh, os.path.join(service.data, "tls", target))


with Service() as service:
    first = subject(service)
    names = ["renewed-%d" % number for number in range(RENEWALS)]
    folders = [certify(name) for name in names]
    # An open connection keeps what it has, and is served on.
    kept = service.connection()
    assert service.request("GET", "/v1/health/live", connection=kept)[0] == 200
    stop = threading.Event()
    served, failures = [0] * 4, []

    def client(number):
        blind = ssl.create_default_context()
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE
        while not stop.is_set():
            try:
                own = http.client.HTTPSConnection(
                    "127.0.0.1", service.port, context=blind, timeout=60)
                assert service.request("GET", "/v1/health/live", connection=own)[0] == 200
                own.close()
                served[number] += 1
            except Exception as error:  # Told at the end.
                failures.append(repr(error))
                return

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in clients:
        thread.start()
    for name, folder in zip(names, folders):
        install(service, folder, folder)
        hang_up(service, "certificate-reloaded")
        assert subject(service) == "CN = " + name, (subject(service), name)
    # A certificate without its key, and none at all: what served goes on.
    install(service, folders[0], folders[1])
    hang_up(service, "certificate-not-reloaded")
    os.remove(os.path.join(service.data, "tls", "key.pem"))
    hang_up(service, "certificate-not-reloaded")
    assert subject(service) == "CN = " + names[-1]
    stop.set()
    for thread in clients:
        thread.join()
    assert not failures, failures[:3]
    assert min(served) > 0, served
    assert service.request("GET", "/v1/health/live", connection=kept)[0] == 200
    kept.close()
    service.stop()
    say("%d renewals under %d requests without a failure; first was %s, last is %s"
        % (RENEWALS, sum(served), first, names[-1]))
