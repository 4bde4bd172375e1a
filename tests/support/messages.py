"""The messages of protocol 3 as bytes, for scripts that say them (manual 55.7). The common ones are in peer.py."""

import struct

from peer import message, text


def parse(sql, name="", types=()):
    return message("P", text(name) + text(sql) + struct.pack(f"!h{len(types)}I", len(types), *types))


def bind(statement="", portal="", values=()):
    cells = b"".join(struct.pack("!i", len(value)) + value for value in values)
    return message("B", text(portal) + text(statement) + struct.pack("!hh", 0, len(values)) + cells + struct.pack("!h", 0))


def describe(kind="P", name=""):
    return message("D", kind.encode() + text(name))


def execute(portal="", limit=0):
    return message("E", text(portal) + struct.pack("!i", limit))


def close(kind, name):
    return message("C", kind.encode() + text(name))


def copy_data(data):
    return message("d", data)


def copy_fail(why):
    return message("f", text(why))


def function_call(oid, *values):
    cells = b"".join(struct.pack("!i", len(value)) + value for value in values)
    return message("F", struct.pack("!Ihh", oid, 0, len(values)) + cells + struct.pack("!h", 0))


SYNC, FLUSH, TERMINATE, COPY_DONE = message("S"), message("H"), message("X"), message("c")
PARSED, BOUND, CLOSED, NO_DATA, EMPTY, SUSPENDED = (message(kind) for kind in "123nIs")


def parameter_types(*types):
    return message("t", struct.pack(f"!h{len(types)}I", len(types), *types))


def copy_response(kind, columns=2):
    """CopyInResponse G, CopyOutResponse H, CopyBothResponse W: text."""
    return message(kind, struct.pack(f"!bh{columns}h", 0, columns, *[0] * columns))


def function_result(value):
    return message("V", struct.pack("!i", len(value)) + value)
