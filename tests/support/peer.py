"""A scripted PostgreSQL server: it says exactly these bytes at exactly this moment.

    def script(session):               # one call a connection, on a thread of its own
        session.admit()                # startup packet in; AuthenticationOk … ReadyForQuery out
        session.expect("Q")            # the next message, of this type
        session.send(row_description("a"), data_row("1"), complete("SELECT 1"), ready())

    with Peer(script) as peer: …       # peer.port; failures of the script are raised at the end
"""

import socket
import struct
import threading

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


def message(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def ready(status="I"):
    return message("Z", status.encode())


def complete(tag):
    return message("C", text(tag))


def row_description(*names, oid=25):
    columns = b"".join(text(name) + struct.pack("!ihihih", 0, 0, oid, -1, -1, 0) for name in names)
    return message("T", struct.pack("!h", len(names)) + columns)


def data_row(*values):
    cells = b"".join(struct.pack("!i", -1) if value is None
                     else struct.pack("!i", len(value.encode())) + value.encode() for value in values)
    return message("D", struct.pack("!h", len(values)) + cells)


def error(sqlstate, what, severity="ERROR"):
    fields = b"".join(key.encode() + text(value) for key, value in
                      (("S", severity), ("V", severity), ("C", sqlstate), ("M", what)))
    return message("E", fields + b"\0")


def parameter(name, value):
    return message("S", text(name) + text(value))


class Session:
    """One connection, from the server's side."""

    def __init__(self, connection, peer):
        self.connection, self.peer, self.startup = connection, peer, {}
        self.input = b""

    def read(self, size):
        while len(self.input) < size:
            more = self.connection.recv(65536)
            if not more:
                raise EOFError
            self.input += more
        taken, self.input = self.input[:size], self.input[size:]
        return taken

    def read_startup(self):
        """The parameters; refuses TLS and GSS encryption on the way."""
        while True:
            length, code = struct.unpack("!ii", self.read(8))
            body = self.read(length - 8)
            if code in (SSL_REQUEST, GSS_REQUEST):
                self.send(b"N")
            elif code == CANCEL_REQUEST:
                raise EOFError
            else:
                words = body.split(b"\0")
                self.startup = {k.decode(): v.decode() for k, v in zip(words[0:-2:2], words[1:-2:2])}
                return self.startup

    def admit(self, pid=4711, key=42):
        self.read_startup()
        self.send(message("R", struct.pack("!i", 0)), parameter("server_version", "15.0"),
                  parameter("client_encoding", "UTF8"), parameter("server_encoding", "UTF8"),
                  parameter("standard_conforming_strings", "on"), parameter("DateStyle", "ISO, MDY"),
                  parameter("integer_datetimes", "on"), parameter("TimeZone", "UTC"),
                  message("K", struct.pack("!ii", pid, key)), ready())

    def receive(self):
        """(type, body) of the next message."""
        kind, length = struct.unpack("!ci", self.read(5))
        return kind.decode(), self.read(length - 4)

    def expect(self, kinds):
        kind, body = self.receive()
        assert kind in kinds, f"expected {kinds}, got {kind} {body[:100]}"
        return body

    def send(self, *parts):
        self.connection.sendall(b"".join(parts))

    def close(self):
        """At once, with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Peer:
    def __init__(self, script):
        self.script, self.failures, self.sessions = script, [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.is_closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def dsn(self, dbname="app", user="app"):
        return f"host=127.0.0.1 port={self.port} dbname={dbname} user={user} sslmode=disable"

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            session = Session(connection, self)
            self.sessions.append(session)
            threading.Thread(target=self.serve, args=(session,), daemon=True).start()

    def serve(self, session):
        try:
            self.script(session)
        except (EOFError, OSError):
            pass
        except BaseException as failure:  # pylint: disable=broad-except
            if not self.is_closing:
                self.failures.append(failure)
        finally:
            session.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_closing = True
        self.listener.close()
        for session in self.sessions:
            try:
                session.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        assert not self.failures, self.failures
