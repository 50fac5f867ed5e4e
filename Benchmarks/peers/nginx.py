"""nginx over TLS 1.3: plain files below `www`, and PUT through WebDAV below `www/put`."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time


def program():
    return shutil.which("nginx") or "/usr/sbin/nginx"


class Nginx:
    """Used as `with Nginx(folder, certificate, key) as nginx:`; the folder is made by it."""

    def __init__(self, folder, certificate, key):
        self.folder = pathlib.Path(folder)
        self.www = self.folder / "www"
        (self.www / "put").mkdir(parents=True)
        # Beside what it becomes: a body that is moved to another volume is written twice.
        (self.folder / "body").mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 2; {user}
pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off; sendfile on; client_max_body_size 0;
  client_body_temp_path {self.folder}/body; client_body_buffer_size 1m;
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
    root {self.www};
    keepalive_requests 100000000;
    location /put/ {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
""")

    def __enter__(self):
        self.process = subprocess.Popen(
            [program(), "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError("nginx does not listen: " + (self.folder / "error.log").read_text()[-500:])

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
