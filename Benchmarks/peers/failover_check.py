#!/usr/bin/python3 -SE
"""One check for keepalived, which has none of SIP, of an engine's answers or of registrations: exit 0 is life.

usage: failover_check.py sip|sip-tcp|ai|registration|name MANAGER_PORT SECRET
"""
import os
import socket
import sys

kind = sys.argv[1]


def ask(family, port, text, wanted):
    with socket.socket(type=family) as stream:
        stream.settimeout(0.5)
        stream.connect(("127.0.0.1", port))
        stream.sendall(text)
        got = b""
        while wanted not in got:
            more = stream.recv(65535)
            if not more:
                return False
            got += more
        return True


OPTIONS = (b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:5060;branch=z9hG4bK%d;rport\r\nMax-Forwards: 70\r\n"
           b"From: <sip:hc@127.0.0.1>;tag=hc\r\nTo: <sip:127.0.0.1>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
try:
    if kind.startswith("sip"):
        way = b"TCP" if kind == "sip-tcp" else b"UDP"
        lives = ask(socket.SOCK_STREAM if way == b"TCP" else socket.SOCK_DGRAM, 5071,
                    OPTIONS % (way, os.getpid(), os.getpid()), b"SIP/2.0 200")
    elif kind == "ai":
        body = b'{"v":1,"nonce":"a","utterance":"when are you open"}'
        lives = ask(socket.SOCK_STREAM, 8071, b"POST /say HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
                    b"monday at nine")
    elif kind == "registration":
        lives = ask(socket.SOCK_STREAM, int(sys.argv[2]), (
            "Action: Login\r\nUsername: callvault\r\nEvents: off\r\nSecret: %s\r\nActionID: 1\r\n\r\n"
            "Action: PJSIPShowRegistrationsOutbound\r\nActionID: 2\r\n\r\n" % sys.argv[3]).encode(), b"Status: Registered\r\n")
    else:
        question = b"\0\1\1\0\0\1\0\0\0\0\0\0\3sip\5trunk\4test\0\0\1\0\1"
        lives = ask(socket.SOCK_DGRAM, 53, question, bytes([127, 0, 0, 1]))
except OSError:
    lives = False
os._exit(not lives)
