"""A client that logs in by hand: any method, TLS mode and protocol version, so that each can be asserted."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct

from peer import LIMIT, SSL_REQUEST, Client, message, text


class Refused(Exception):
    """An ErrorResponse during the login."""

    def __init__(self, body):
        fields = {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}
        super().__init__(f"{fields.get('C')}: {fields.get('M')}")
        self.sqlstate, self.message, self.hint = fields.get("C"), fields.get("M"), fields.get("H")


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data.encode(), hashlib.sha256).digest()


def encoded(data):
    return base64.b64encode(data).decode()


def verifier(password, salt=None, iterations=4096):
    """As PostgreSQL keeps it."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored, server = sha256(mac(salted, "Client Key")), mac(salted, "Server Key")
    return f"SCRAM-SHA-256${iterations}:{encoded(salt)}${encoded(stored)}:{encoded(server)}"


def md5_secret(user, password):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


class Login(Client):
    """tls: None, "request" or "direct"; `context` an SSLContext. After `begin`: `methods` that were asked for, `negotiated`
    the NegotiateProtocolVersion's body, if any."""

    def __init__(self, port, tls=None, context=None):
        super().__init__(port)
        self.methods, self.negotiated, self.peer_certificate = [], [], None
        if tls == "request":
            self.send(struct.pack("!ii", 8, SSL_REQUEST))
            assert self.read(1) == b"S", "no TLS is offered"
        if tls == "direct":
            context.set_alpn_protocols(["postgresql"])
        if tls:
            self.connection.settimeout(LIMIT)
            self.connection = context.wrap_socket(self.connection, server_hostname="localhost")
            self.peer_certificate = self.connection.getpeercert(binary_form=True)
            assert tls != "direct" or self.connection.selected_alpn_protocol() == "postgresql"

    def begin(self, user, password, database, minor=0, binds=False, **parameters):
        """Up to ReadyForQuery; raises Refused."""
        words = {"user": user, "database": database, **parameters}
        body = struct.pack("!hh", 3, minor) + b"".join(text(k) + text(v) for k, v in words.items()) + b"\0"
        self.send(struct.pack("!i", len(body) + 4), body)
        while True:
            kind, body = self.receive()
            if kind == "E":
                raise Refused(body)
            if kind == "v":
                assert not self.methods, "NegotiateProtocolVersion comes before the login"
                self.negotiated.append(body)
            if kind == "R":
                self.answer(body, user, password, binds)
            if kind == "K":
                self.key = body
            if kind == "Z":
                return self

    def answer(self, body, user, password, binds):
        code, rest = struct.unpack("!i", body[:4])[0], body[4:]
        if code == 3:
            self.methods.append("password")
            self.send(message("p", text(password)))
        elif code == 5:
            self.methods.append("md5")
            inner = hashlib.md5((password + user).encode()).hexdigest().encode()
            self.send(message("p", text("md5" + hashlib.md5(inner + rest).hexdigest())))
        elif code == 10:
            self.scram_first([name.decode() for name in rest.split(b"\0") if name], binds)
        elif code == 11:
            self.scram_final(rest.decode(), password)
        elif code == 12:
            assert rest.decode() == f"v={encoded(self.signature)}", "the server did not prove itself"
        else:
            assert code == 0, code

    def scram_first(self, mechanisms, binds):
        mechanism = "SCRAM-SHA-256-PLUS" if binds else "SCRAM-SHA-256"
        assert mechanism in mechanisms, mechanisms
        self.methods.append(mechanism)
        is_offered = "SCRAM-SHA-256-PLUS" in mechanisms
        can_bind = self.peer_certificate is not None
        self.header = ("p=tls-server-end-point,," if binds else "y,," if can_bind and not is_offered else "n,,").encode()
        self.bound = sha256(self.peer_certificate) if binds else b""
        self.bare = f"n=,r={encoded(os.urandom(18))}"
        first = self.header + self.bare.encode()
        self.send(message("p", text(mechanism) + struct.pack("!i", len(first)) + first))

    def scram_final(self, server_first, password):
        parts = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        without_proof = f"c={encoded(self.header + self.bound)},r={parts['r']}"
        auth = f"{self.bare},{server_first},{without_proof}"
        client_key = mac(salted, "Client Key")
        proof = bytes(a ^ b for a, b in zip(client_key, mac(sha256(client_key), auth)))
        self.signature = mac(mac(salted, "Server Key"), auth)
        self.send(message("p", f"{without_proof},p={encoded(proof)}".encode()))


def context_for(ca, version=None, certificate=None):
    """An SSLContext that trusts `ca`; `certificate` is the client's (file, key)."""
    context = ssl.create_default_context(cafile=str(ca))
    if version:
        context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(*map(str, certificate))
    return context


def closes(client):
    """Waits until the other side closes."""
    client.connection.settimeout(LIMIT)
    try:
        while client.connection.recv(65536):
            pass
    except (ConnectionResetError, ssl.SSLError, socket.timeout):
        pass
