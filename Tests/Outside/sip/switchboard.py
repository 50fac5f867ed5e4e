"""A small phone system that holds real calls of sipp and can move them: what stands behind Asterisk's or Twilio's interface
in tests, because neither runs here.

A call that is moved gets what a bridge to somebody else gives it: a new leg to those people, and a re-INVITE with
their media in the dialog that goes on.
"""
import re
import socket
import threading
import time


class Call:
    def __init__(self, number, place, headers, dialled):
        self.number, self.place, self.dialled = number, place, dialled
        self.id, self.caller, self.ours = headers["call-id"], headers["from"], headers["to"] + ";tag=sw%d" % number
        self.target = re.search(r"<([^>]*)>", headers["contact"])[1]
        self.sequence, self.is_up, self.moved_at, self.desk = 100, False, None, None
        self.begun = time.monotonic()


class Switchboard:
    def __init__(self, desk):
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.desk = ("127.0.0.1", desk)
        self.calls, self.answers, self.lock = {}, {}, threading.Condition()
        self.order, self.moving, self.most = [], 0, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def up(self):
        return [call for call in self.calls.values() if call.is_up]

    def serve(self):
        while True:
            data, place = self.socket.recvfrom(65535)
            head, _, body = data.decode().partition("\r\n\r\n")
            first, *lines = head.split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers.setdefault(name.strip().lower(), value.strip())
            if first.startswith("SIP/2.0 "):
                status = int(first.split()[1])
                if status >= 200:
                    with self.lock:
                        self.answers[headers["call-id"], headers["cseq"]] = (headers, body)
                        self.lock.notify_all()
                continue
            method, target, _ = first.split(" ")
            with self.lock:
                if method == "INVITE":
                    call = self.calls.get(headers["call-id"])
                    if call is None:
                        number = len(self.calls)
                        call = Call(number, place, headers, re.match(r"sip:([^@]*)@", target)[1])
                        self.calls[call.id] = call
                    self.answer(call, headers, lines)
                elif method == "ACK" and headers["call-id"] in self.calls:
                    self.calls[headers["call-id"]].is_up = True

    def answer(self, call, headers, lines):
        vias = "\r\n".join(line for line in lines if line.lower().startswith("via"))
        body = self.media(self.port)
        self.socket.sendto(
            ("SIP/2.0 200 OK\r\n%s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:127.0.0.1:%d>\r\n"
             "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s"
             % (vias, headers["from"], call.ours, call.id, headers["cseq"], self.port, len(body), body)).encode(), call.place)

    @staticmethod
    def media(port):
        return ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                "m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n" % port)

    def request(self, method, target, place, sender, receiver, identifier, sequence, body=""):
        """Sends a request, again while nobody answers, and returns the answer."""
        text = ("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%s%d%s\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
                "Call-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:127.0.0.1:%d>\r\n%sContent-Length: %d\r\n\r\n%s"
                % (method, target, self.port, re.sub(r"\W", "", identifier), sequence, method, sender, receiver, identifier,
                   sequence, method, self.port, "Content-Type: application/sdp\r\n" if body else "", len(body), body)).encode()
        if method == "ACK":
            return self.socket.sendto(text, place)
        key, deadline = (identifier, "%d %s" % (sequence, method)), time.monotonic() + 8
        while True:
            self.socket.sendto(text, place)
            with self.lock:
                if self.lock.wait_for(lambda: key in self.answers, 0.5):
                    return self.answers[key]
            assert time.monotonic() < deadline, "nobody answered " + method

    def move(self, identifier):
        """Rings the desk, and gives the caller its media; returns when both have taken it."""
        call = self.calls[identifier]
        with self.lock:
            self.moving += 1
            self.most = max(self.most, self.moving)
            self.order.append(call)
        leg = "desk-%d-%d" % (self.port, call.number)
        target, sender = "sip:desk@127.0.0.1:%d" % self.desk[1], "<sip:%s@127.0.0.1>;tag=d%d" % (call.dialled, call.number)
        headers, media = self.request("INVITE", target, self.desk, sender, "<%s>" % target, leg, 1, self.media(self.port))
        self.request("ACK", target, self.desk, sender, headers["to"], leg, 1)
        call.desk = (target, sender, headers["to"], leg)
        call.sequence += 1
        self.request("INVITE", call.target, call.place, call.ours, call.caller, call.id, call.sequence, media)
        self.request("ACK", call.target, call.place, call.ours, call.caller, call.id, call.sequence)
        call.moved_at = time.monotonic()
        with self.lock:
            self.moving -= 1

    def end(self):
        """Hangs up every call at both ends."""
        for call in self.calls.values():
            call.sequence += 1
            self.request("BYE", call.target, call.place, call.ours, call.caller, call.id, call.sequence)
            if call.desk:
                target, sender, receiver, leg = call.desk
                self.request("BYE", target, self.desk, sender, receiver, leg, 2)
