"""Scripted peers: a PostgreSQL server, and a client, that say exactly these bytes at exactly this moment.

    def script(session):               # one call a connection, on a thread of its own
        session.admit()                # startup packet in; AuthenticationOk … ReadyForQuery out
        session.expect("Q")            # the next message, of this type
        session.send(row_description("a"), data_row("1"), complete("SELECT 1"), ready())

    with Peer(script) as peer: …       # peer.port; failures of the script are raised at the end

    with Client(port) as client:       # nothing is said yet; client.login() for a session
        client.send(query("SELECT 1"))
        client.until_ready()           # all bytes up to ReadyForQuery
"""

import socket
import struct
import threading

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
VERSION_3_0, VERSION_3_2 = 3 << 16, 3 << 16 | 2
LIMIT = 30  # seconds that a client waits for an answer


def message(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def ready(status="I"):
    return message("Z", status.encode())


def complete(tag):
    return message("C", text(tag))


def query(sql):
    return message("Q", text(sql))


def startup(version=VERSION_3_0, **parameters):
    body = struct.pack("!i", version) + b"".join(text(k) + text(v) for k, v in parameters.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def authentication(code, more=b""):
    return message("R", struct.pack("!i", code) + more)


def row_description(*names, oid=25):
    """Of names, which are text, or of (name, OID of the type)."""
    pairs = [name if isinstance(name, tuple) else (name, oid) for name in names]
    columns = b"".join(text(name) + struct.pack("!ihihih", 0, 0, of, -1, -1, 0) for name, of in pairs)
    return message("T", struct.pack("!h", len(names)) + columns)


def data_row(*values):
    cells = b"".join(struct.pack("!i", -1) if value is None
                     else struct.pack("!i", len(value.encode())) + value.encode() for value in values)
    return message("D", struct.pack("!h", len(values)) + cells)


def error(sqlstate, what, severity="ERROR"):
    fields = b"".join(key.encode() + text(value) for key, value in
                      (("S", severity), ("V", severity), ("C", sqlstate), ("M", what)))
    return message("E", fields + b"\0")


def negotiation(version, *options):
    """NegotiateProtocolVersion."""
    return message("v", struct.pack("!ii", version, len(options)) + b"".join(map(text, options)))


def backend_key(pid, key):
    return message("K", struct.pack("!i", pid) + key)


def split(said):
    """The whole messages in these bytes, each with its header."""
    parts = []
    while said:
        length = 1 + struct.unpack("!i", said[1:5])[0]
        assert len(said) >= length, said
        parts.append(said[:length])
        said = said[length:]
    return parts


def parameter(name, value):
    return message("S", text(name) + text(value))


class Wire:
    """One connection, whichever side of it."""

    def __init__(self, connection):
        self.connection, self.input = connection, b""

    def read(self, size):
        while len(self.input) < size:
            more = self.connection.recv(65536)
            if not more:
                raise EOFError
            self.input += more
        taken, self.input = self.input[:size], self.input[size:]
        return taken

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

    def end(self):
        """In good order; the other side reads to the end."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        """At once, with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Session(Wire):
    """From the server's side."""

    def __init__(self, connection, peer):
        super().__init__(connection)
        self.peer, self.startup, self.version, self.packet = peer, {}, 0, b""

    def read_startup(self):
        """The parameters; refuses TLS and GSS encryption on the way."""
        while True:
            length, code = struct.unpack("!ii", self.read(8))
            body = self.read(length - 8)
            if code in (SSL_REQUEST, GSS_REQUEST):
                self.send(b"N")
            elif code == CANCEL_REQUEST:
                self.peer.take_cancel(self, body)
                raise EOFError
            else:
                self.version, self.packet = code, body
                words = body.split(b"\0")
                self.startup = {k.decode(): v.decode() for k, v in zip(words[0:-2:2], words[1:-2:2])}
                return self.startup

    def admit(self, pid=4711, key=struct.pack("!i", 42), front=b""):
        """`key`: of any length. `front`: what is said before the admission."""
        if not self.startup:
            self.read_startup()
        self.send(front, authentication(0), parameter("server_version", "15.0"),
                  parameter("client_encoding", "UTF8"), parameter("server_encoding", "UTF8"),
                  parameter("standard_conforming_strings", "on"), parameter("DateStyle", "ISO, MDY"),
                  parameter("integer_datetimes", "on"), parameter("TimeZone", "UTC"),
                  backend_key(pid, key), ready())


class Client(Wire):
    """From the client's side."""

    opened = []  # to be closed at the end of a test

    def __init__(self, port):
        super().__init__(socket.create_connection(("127.0.0.1", port), LIMIT))
        self.opened.append(self)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.key = b""  # process id and key

    def login(self, user="app", database="app", **parameters):
        """Where the server doesn't ask for a password."""
        self.send(startup(user=user, database=database, **parameters))
        while True:
            kind, body = self.receive()
            assert kind != "E", body
            if kind == "K":
                self.key = body
            if kind == "Z":
                return self

    def until_ready(self):
        """All bytes up to ReadyForQuery, that one included."""
        said = b""
        while True:
            kind, body = self.receive()
            said += message(kind, body)
            if kind == "Z":
                return said

    def ask(self, sql):
        self.send(query(sql))
        return self.until_ready()

    def rest(self):
        """All bytes until the server closes."""
        said, self.input = self.input, b""
        while True:
            try:
                more = self.connection.recv(65536)
            except ConnectionResetError:
                return said
            if not more:
                return said
            said += more

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


class UnixClient(Client):
    """Over the proxy's Unix socket."""

    def __init__(self, path):  # pylint: disable=super-init-not-called
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LIMIT)
        connection.connect(str(path))
        Wire.__init__(self, connection)
        self.opened.append(self)
        self.key = b""


class Peer:
    sslmode = "disable"

    def __init__(self, script):
        self.script, self.failures, self.sessions = script, [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.is_closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def take_cancel(self, session, body):
        """A CancelRequest has come; the connection is closed when this returns."""

    def dsn(self, dbname="app", user="app"):
        return f"host=127.0.0.1 port={self.port} dbname={dbname} user={user} sslmode={self.sslmode}"

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
            session.end()
        assert not self.failures, self.failures
