"""Ports for servers of the tests that are told theirs, or come back on it."""
import secrets
import socket

claims = []


def free_port():
    """A port that is free for UDP and TCP, and no other test's while this process lives.

    It lies below those that the kernel hands out (ip_local_port_range), to clients too: while its server is not up
    yet, or is dead, nobody gets it who asked for any.
    """
    while True:
        port = 20_000 + secrets.randbelow(32_768 - 20_000)
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                # An abstract name, which goes with its process and is of one network as ports are.
                claim.bind("\0callvault-port-%d" % port)
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        claims.append(claim)
        return port
