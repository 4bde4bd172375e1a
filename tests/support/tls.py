"""Certificates, and TLS on scripted peers.

    authority = Authority(folder, "people")          # or Authority(folder, made=(ca.crt, ca.key))
    cert, key = authority.sign("app")                # PEM files; password=… encrypts the key
    authority.revocations(cert)                      # a list that revokes it

    client = secure(Client(port), trust=authority)   # SSLRequest, then the handshake
    client = secure(Client(port), is_direct=True, alpn=["postgresql"])
"""

import pathlib
import ssl
import struct
import subprocess

from peer import SSL_REQUEST

CA_CONFIGURATION = """
[ca]
default_ca = it
[it]
database = {folder}/index
default_md = sha256
default_crl_days = 30
"""


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Authority:
    def __init__(self, folder, name="authority", made=None):
        self.folder, self.count = pathlib.Path(folder) / name, 0
        self.folder.mkdir()
        self.cert, self.key = made or (self.folder / "ca.crt", self.folder / "ca.key")
        if not made:
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                    "-keyout", self.key, "-out", self.cert)

    def sign(self, common_name, names="DNS:localhost,IP:127.0.0.1", password=None):
        self.count += 1
        cert, key, request, extension = (self.folder / f"{self.count}.{end}" for end in ("crt", "key", "csr", "ext"))
        extension.write_text(f"subjectAltName={names}\n")
        cipher = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        openssl("req", "-newkey", "rsa:2048", *cipher, "-subj", f"/CN={common_name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-days", "30", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                "-CAcreateserial", "-extfile", extension, "-out", cert)
        key.chmod(0o600)
        return cert, key

    def revocations(self, *certs):
        """A list of those that this authority has revoked."""
        (self.folder / "index").touch()
        configuration, crl = self.folder / "ca.conf", self.folder / "ca.crl"
        configuration.write_text(CA_CONFIGURATION.format(folder=self.folder))
        ca = ["ca", "-config", configuration, "-cert", self.cert, "-keyfile", self.key]
        for cert in certs:
            openssl(*ca, "-revoke", cert)
        openssl(*ca, "-gencrl", "-out", crl)
        return crl


def client_context(trust=None, own=None, alpn=None, version=None):
    context = ssl.create_default_context(cafile=str(trust.cert) if trust else None)
    if not trust:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if own:
        context.load_cert_chain(*map(str, own))
    if alpn:
        context.set_alpn_protocols(alpn)
    if version:
        context.minimum_version, context.maximum_version = version, version
    return context


def secure(client, context=None, is_direct=False, session=None, **settings):
    """TLS on a scripted client; an end without close_notify raises ssl.SSLEOFError."""
    if not is_direct:
        client.send(struct.pack("!ii", 8, SSL_REQUEST))
        assert client.read(1) == b"S"
    client.connection = (context or client_context(**settings)).wrap_socket(
        client.connection, server_hostname="localhost", suppress_ragged_eofs=False, session=session)
    return client


def accept(session, own, tickets=0):
    """TLS on a scripted server's session, which a client begins with SSLRequest."""
    assert session.read(8) == struct.pack("!ii", 8, SSL_REQUEST)
    session.send(b"S")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, own))
    context.num_tickets = tickets
    session.connection = context.wrap_socket(session.connection, server_side=True, suppress_ragged_eofs=False)
