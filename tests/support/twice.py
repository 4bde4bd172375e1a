"""The same client's script, said to old directly and through the proxy: every byte that comes back must be the same."""

import re
import struct

from peer import Client, message, startup, text

# What a server makes anew for each connection.
OWN = re.compile(rb"(?<=PID )\d+|(?<=process )\d+")


def parse(sql, name="", types=()):
    return message("P", text(name) + text(sql) + struct.pack("!h", len(types))
                   + b"".join(struct.pack("!I", of) for of in types))


def bind(*values, portal="", name="", formats=(), results=()):
    cells = b"".join(struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
                     for value in values)
    return message("B", text(portal) + text(name) + struct.pack(f"!h{len(formats)}h", len(formats), *formats)
                   + struct.pack("!H", len(values)) + cells + struct.pack(f"!h{len(results)}h", len(results), *results))


def describe(what, name=""):
    return message("D", what.encode() + text(name))


def execute(portal="", rows=0):
    return message("E", text(portal) + struct.pack("!i", rows))


def close(what, name=""):
    return message("C", what.encode() + text(name))


def sync():
    return message("S")


def flush():
    return message("H")


class Talk(Client):
    """A client that writes down all that it hears."""

    def __init__(self, port):
        super().__init__(port)
        self.heard = []

    def receive(self):
        kind, body = super().receive()
        if kind == "K":
            self.key = body
            body = b"its own"
        elif kind == "A":
            body = body.replace(self.key[:4], b"self") if self.key else body
        self.heard.append((kind, OWN.sub(b"its own", body)))
        return kind, body

    def begin(self, **parameters):
        """The startup packet, and all until ReadyForQuery or the end."""
        self.send(startup(**parameters))
        return self.until("Z")

    def until(self, kinds, times=1):
        """Reads until the nth message of one of these types, or until the server closes; the last type."""
        while times:
            try:
                kind, _ = self.receive()
            except (EOFError, ConnectionResetError):
                self.heard.append(("closed", b""))
                return "closed"
            times -= kind in kinds
        return kind

    def say(self, *messages, until="Z", times=1):
        self.send(*messages)
        return self.until(until, times)

    def ask(self, *statements):
        for sql in statements:
            self.say(message("Q", text(sql)))


class Both:
    """both(script, user=…, …): the transcript, which is the same on both ways."""

    def __init__(self, old_port, proxy_port, database):
        self.ports, self.database = (old_port, proxy_port), database

    def raw(self, script):
        """The script speaks for itself from the startup packet on."""
        heard = []
        for port in self.ports:
            with Talk(port) as client:
                script(client)
                heard.append(client.heard)
        direct, through = heard
        for i, (one, other) in enumerate(zip(direct, through)):
            assert one == other, f"message {i} after {[k for k, _ in direct[max(0, i - 8):i]]}: {one} != {other}"
        assert len(direct) == len(through), (direct[len(through):][:5], through[len(direct):][:5])
        return direct

    def __call__(self, script, **parameters):
        def whole(client):
            assert client.begin(**{"user": "app", "database": self.database, **parameters}) == "Z"
            script(client)
        return self.raw(whole)


def codes(transcript):
    """The SQLSTATEs of errors, notices and warnings, in their order."""
    return [field[1:].decode() for kind, body in transcript if kind in "EN"
            for field in body.split(b"\0") if field[:1] == b"C"]


def kinds(transcript):
    return "".join(kind if len(kind) == 1 else "." for kind, _ in transcript)
