#!/usr/bin/env python3
"""First figures of CallVault, each beside a peer measured in the same run.

usage: bench.py [--quick] [--only NAME,...]

Needs the release build (`make bench` makes it), Debian's nginx-light, age, wrk, golang-go, and the
virtual environment of bootstrap.sh. Everything runs on this machine's loopback and on tmpfs; servers
are ended by their own pid. Writes Benchmarks/results/latest.{json,md,svg}.
"""
import argparse, json, os, pathlib, platform, shutil, signal, socket, ssl, subprocess, sys, tempfile
import threading, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build" / "release"
RESULTS = ROOT / "Benchmarks" / "results"
CALLVAULT = BUILD / "callvault"
BENCH = BUILD / "callvault-bench"
PYTHON = ROOT / ".venv" / "bin" / "python"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, **options)


def timed(*command, repeat=3, **options):
    """The median wall time of `repeat` runs after one that does not count."""
    times = []
    for round in range(repeat + 1):
        start = time.monotonic()
        run(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        if round:
            times.append(time.monotonic() - start)
    return sorted(times)[len(times) // 2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Table:
    def __init__(self):
        self.rows = []

    def add(self, figure, ours, peer, peer_name, unit, note=""):
        ratio = None if not peer else ours / peer
        self.rows.append(dict(figure=figure, ours=ours, peer=peer, peer_name=peer_name, unit=unit,
                              ratio=ratio, note=note))
        shown = "" if ratio is None else f"  {ratio:.2f}x {peer_name} ({peer:,.1f})"
        say(f"{figure}: {ours:,.1f} {unit}{shown}")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), "unknown")
    return dict(cpu=model, cores=os.cpu_count(), kernel=platform.release(),
                date=time.strftime("%Y-%m-%d"), memory_kib=int(open("/proc/meminfo").readline().split()[1]))


def fdatasync_rate(folder, seconds=2):
    """How often a second this disk makes a small append durable: the floor under one audited read."""
    path = pathlib.Path(folder) / "fdatasync.probe"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    count, start, worst = 0, time.monotonic(), []
    while time.monotonic() - start < seconds:
        before = time.monotonic()
        os.write(handle, b"x" * 600)
        os.fdatasync(handle)
        worst.append(time.monotonic() - before)
        count += 1
    os.close(handle)
    path.unlink()
    worst.sort()
    return count / seconds, worst[int(len(worst) * 0.99)] * 1000


class Vault:
    """A served vault in a folder of its own, with the tokens a benchmark needs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.port = free_port()
        run(CALLVAULT, "init", "--data", self.data, "--json", stdout=subprocess.DEVNULL)
        self.log = open(self.folder / "serve.log", "wb")
        ready, child = os.pipe()
        self.process = subprocess.Popen(
            [str(CALLVAULT), "serve", "--data", str(self.data), "--listen",
             f"127.0.0.1:{self.port}", "--ready-fd", str(child)],
            pass_fds=[child], stdout=self.log, stderr=self.log)
        os.close(child)
        if not os.read(ready, 64):
            raise SystemExit("serve did not start: see " + str(self.log.name))
        os.close(ready)
        self.url = f"https://localhost:{self.port}"
        self.tokens = {}

    def token(self, role, scope=None):
        if (role, scope) not in self.tokens:
            extra = ["--scope", scope] if scope else []
            made = run(CALLVAULT, "token", "create", "--data", self.data, "--name",
                       f"bench-{role}-{len(self.tokens)}", "--role", role, *extra, "--json",
                       capture_output=True)
            self.tokens[(role, scope)] = json.loads(made.stdout)["token"]
        return self.tokens[(role, scope)]

    def put(self, file, source_id, *extra):
        made = run(CALLVAULT, "put", file, "--data", self.data, "--source", "bench", "--source-id",
                   source_id, *extra, "--json", capture_output=True,
                   env=dict(os.environ, CALLVAULT_TOKEN=self.token("service", WRITE_SCOPE)))
        return json.loads(made.stdout)

    def peak_kib(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(status.split("VmHWM:")[1].split()[0])

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.log.close()


WRITE_SCOPE = "recordings:write"


class Nginx:
    """nginx over TLS with the vault's own certificate: static files, and PUT through WebDAV."""

    def __init__(self, folder, certificate, key):
        self.folder = pathlib.Path(folder) / "nginx"
        for name in ("www", "tmp"):
            (self.folder / name).mkdir(parents=True)
        self.port = free_port()
        (self.folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 2; pid {self.folder}/pid; error_log {self.folder}/error.log;
user root;
events {{ worker_connections 2048; }}
http {{
  access_log off; sendfile on; client_max_body_size 0; client_body_temp_path {self.folder}/tmp;
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
    root {self.folder}/www;
    keepalive_requests 1000000;
  }}
}}
""")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf")],
                                        stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.05)
        self.url = f"https://localhost:{self.port}"

    def end(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)


def envelope(table, work, size):
    plain, sealed, opened = work / "plain", work / "sealed", work / "opened"
    run("sh", "-c", f"head -c {size} /dev/urandom > {plain}")
    run("cc", "-O2", "-w", "-o", work / "sealer", ROOT / "Benchmarks/peers/sealer.c", "-lcrypto",
        "-lpthread")
    mb = size / 1e6
    ours = mb / timed(BENCH, "seal", plain, sealed)
    peer = mb / timed(work / "sealer", "e", "65536", plain, work / "peer")
    table.add("seal, tmpfs to tmpfs", ours, peer, "sealer.c", "MB/s")
    ours = mb / timed(BENCH, "open", sealed, opened)
    run("cmp", plain, opened)
    peer = mb / timed(work / "sealer", "d", "65536", work / "peer", opened)
    table.add("open, tmpfs to tmpfs", ours, peer, "sealer.c", "MB/s")
    run("sh", "-c", f"age-keygen -o {work}/age.key 2> {work}/age.pub")
    recipient = open(work / "age.pub").read().split()[-1]
    peer = mb / timed("age", "-r", recipient, "-o", work / "age.out", plain)
    table.add("seal beside age", mb / timed(BENCH, "seal", plain, sealed), peer, "age", "MB/s")
    for name in ("plain", "sealed", "opened", "peer", "age.out"):
        (work / name).unlink()


def verification(table, work, entries):
    log = work / "log"
    made = run(BENCH, "log", log, entries, capture_output=True)
    key = made.stdout.decode().strip()
    run("sh", "-c", f"GO111MODULE=off GOPATH=/usr/share/gocode GOPROXY=off GOCACHE={work}/go go build "
        f"-o {work}/verify {ROOT}/Tests/Outside/gotlog/verify.go")
    def verify():
        start = time.monotonic()
        done = subprocess.run([str(CALLVAULT), "audit", "verify", str(log), "--key", key],
                              capture_output=True)
        if done.returncode not in (0, 10):
            raise SystemExit(f"verify said {done.returncode}: {done.stdout.decode()}")
        return time.monotonic() - start
    ours = entries / sorted(verify() for _ in range(3))[1]
    peer = entries / timed(work / "verify", key, log, repeat=2)
    table.add(f"full verify of {entries:,} entries", ours, peer, "verify.go", "entries/s")
    usage = run("/usr/bin/env", "python3", "-c",
                "import resource,subprocess,sys;subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL);"
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
                CALLVAULT, "audit", "verify", log, "--key", key, capture_output=True)
    table.add("memory of that verify", int(usage.stdout) / 1024, None, "", "MiB")
    shutil.rmtree(log)


def wrk(url, path, headers, seconds, clients):
    command = ["wrk", "-t2", f"-c{clients}", f"-d{seconds}s", "--latency"]
    for header in headers:
        command += ["-H", header]
    out = run(*command, url + path, capture_output=True).stdout.decode()
    refused = [line for line in out.splitlines() if "Non-2xx" in line]
    if refused:
        raise SystemExit("wrk: " + refused[0])
    rate = next(float(line.split()[1]) for line in out.splitlines() if "Requests/sec" in line)
    return rate


def serving(table, work, disk, seconds):
    vault = Vault(disk)
    nginx = None
    try:
        tone = work / "tone.wav"
        run("sox", "-n", "-r", "8000", "-b", "16", "-c", "1", tone, "synth", "60", "sine", "440")
        stored = vault.put(tone, "tone-1")
        nginx = Nginx(work, vault.data / "tls/certificate.pem", vault.data / "tls/key.pem")
        (nginx.folder / "www/1k").write_bytes(os.urandom(1024))
        reader = vault.token("clinician")
        headers = [f"Authorization: Bearer {reader}", "Range: bytes=0-1023", "Purpose-Of-Use: TREAT"]
        rate, p99 = fdatasync_rate(disk)
        ours = wrk(vault.url, f"/v1/recordings/{stored['recording']}/audio", headers, seconds, 64)
        peer = wrk(nginx.url, "/1k", [], seconds, 64)
        table.add("audited 1 KiB range reads, 64 clients", ours, peer, "nginx static", "reads/s",
                  f"the disk's own fdatasync rate in this run: {rate:,.0f}/s, p99 {p99:.2f} ms")
        big = work / "big.wav"
        run("sox", "-n", "-r", "48000", "-b", "16", "-c", "2", big, "synth", "520", "sine", "440")
        size = big.stat().st_size
        stored = vault.put(big, "big-1")
        shutil.copy(big, nginx.folder / "www/big")
        curl = ["curl", "-sS", "--fail", "--cacert", vault.data / "tls/certificate.pem", "-o", "/dev/null"]
        ours = size / 1e6 / timed(*curl, "-H", headers[0], "-H", headers[2],
                                  f"{vault.url}/v1/recordings/{stored['recording']}/audio")
        peer = size / 1e6 / timed(*curl, f"{nginx.url}/big")
        table.add("100 MB download over TLS", ours, peer, "nginx", "MB/s")
        many = [subprocess.Popen([str(c) for c in curl] + ["-H", headers[0], "-H", headers[2],
                f"{vault.url}/v1/recordings/{stored['recording']}/audio"]) for _ in range(20)]
        threads = [threading.Thread(target=vault.put, args=(big, f"load-{n}")) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in many:
            if process.wait() != 0:
                raise SystemExit("a download under load failed")
        table.add("peak memory, 10 uploads and 20 downloads of 100 MB at once",
                  vault.peak_kib() / 1024, None, "", "MiB")
    finally:
        if nginx:
            nginx.end()
        vault.end()


def write(table, facts):
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(dict(machine=facts, figures=table.rows), indent=1) + "\n")
    lines = [f"# Figures of {facts['date']}", "",
             f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_kib'] >> 20} GiB, Linux {facts['kernel']}.",
             "", "| figure | CallVault | peer | ratio | note |", "|---|---|---|---|---|"]
    for row in table.rows:
        peer = f"{row['peer']:,.1f} ({row['peer_name']})" if row["peer"] else ""
        ratio = f"{row['ratio']:.2f}x" if row["ratio"] else ""
        lines.append(f"| {row['figure']} | {row['ours']:,.1f} {row['unit']} | {peer} | {ratio} | {row['note']} |")
    (RESULTS / "latest.md").write_text("\n".join(lines) + "\n")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    options.add_argument("--only", default="envelope,verification,serving")
    chosen = options.parse_args()
    scale = 10 if chosen.quick else 1
    table = Table()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory, tempfile.TemporaryDirectory() as disk:
        work = pathlib.Path(memory)
        if "envelope" in chosen.only:
            envelope(table, work, (1 << 30) // scale)
        if "verification" in chosen.only:
            verification(table, work, 2_000_000 // scale)
        if "serving" in chosen.only:
            serving(table, work, disk, 10 if scale == 1 else 2)
    write(table, machine())


if __name__ == "__main__":
    main()
