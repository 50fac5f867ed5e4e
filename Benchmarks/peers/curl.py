"""One client for both servers: curl, which trusts their one certificate and no other."""
import measure
from service import headers

_FORMAT = "%{time_appconnect} %{time_total} %{http_code}"


def transfer(certificate, url, fields=(), upload=None, method=None):
    """Seconds from the end of the TLS handshake to the end of the answer."""
    command = ["curl", "-sS", "--fail", "--cacert", certificate, "-o", "/dev/null", "-w", _FORMAT]
    command += headers(dict(fields))
    if upload:
        command += ["-T", upload, "-H", "Expect:"]
    if method:
        command += ["-X", method]
    shaken, total, _ = measure.run(*command, url).stdout.decode().split()
    return float(total) - float(shaken)
