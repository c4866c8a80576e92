#!/usr/bin/env python3
"""resume_client.py mix|turn ADDRESS PORT CA NAME HFCTL SOCKET -- clients that come back. Each says which
row of resume.def it must be counted in, and in the end every row must have grown by exactly as
many. Needs an appliance with one worker that keeps eight sessions, and nobody else at it.
  mix   every reason there is that can be brought about from outside. What libssl would not send is
        sent as bytes: a hello with any ticket or session id; the ServerHello that follows says enough
  turn  ticket keys turn by the clock meanwhile, every few seconds"""
import collections
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

what, address, port, ca, name, hfctl, control = sys.argv[1:]
at = (address, int(port))
NO_EMS = 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET has no name in Python
expected = collections.Counter()
wrong = []


def stats(module):
    text = subprocess.run([hfctl, "-s", control, "stats", "--json"], check=True,
                          capture_output=True, text=True).stdout
    tables = [s["rows"] for s in json.loads(text) if s["module"] == module]
    return {row: sum(t[row] for t in tables) for row in tables[0]
            if isinstance(tables[0][row], int)}


def rows():
    return {row: cnt for row, cnt in stats("tls").items() if row.startswith("resume_")}


def context(options=0, ciphers="ECDHE-RSA-AES128-GCM-SHA256"):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(ca)
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    ctx.set_ciphers(ciphers)
    ctx.options |= options
    return ctx


def visit(row, ctx, session=None, host=name):
    """One page; the session as it is afterwards."""
    expected["resume_" + row] += 1
    ctx.check_hostname = host == name
    with socket.create_connection(at, 20) as tcp:
        with ctx.wrap_socket(tcp, server_hostname=host, session=session) as tls:
            tls.sendall(b"GET / HTTP/1.0\r\nHost: " + name.encode() + b"\r\n\r\n")
            page = b"".join(iter(lambda: tls.recv(4096), b""))
            if b"hello from web server" not in page:
                wrong.append(f"{row}: page {page[:80]!r}")
            if tls.session_reused != (row in ("TICKET", "ID")):
                wrong.append(f"{row}: session_reused is {tls.session_reused}")
            return tls.session


def refused(row, ctx, session):
    expected["resume_" + row] += 1
    try:
        with socket.create_connection(at, 20) as tcp:
            ctx.wrap_socket(tcp, server_hostname=name, session=session)
        wrong.append(f"{row}: accepted")
    except ssl.SSLError as e:
        if "HANDSHAKE_FAILURE" not in str(e):
            wrong.append(f"{row}: {e}")


def hello(row, ticket=b"", session_id=b"", versions=False, ems=True):
    """A hello of bytes; returns the session id that the ServerHello says."""
    expected["resume_" + row] += 1
    def ext(number, body):
        return struct.pack(">HH", number, len(body)) + body
    host = name.encode()
    extensions = ext(0, struct.pack(">HBH", len(host) + 3, 0, len(host)) + host)
    extensions += ext(10, b"\0\2\0\x17") + ext(13, b"\0\2\4\1") + ext(11, b"\1\0")
    extensions += ext(35, ticket)
    if ems:
        extensions += ext(23, b"")
    if versions:
        extensions += ext(43, b"\4\3\4\3\3")
    body = b"\3\3" + os.urandom(32) + bytes([len(session_id)]) + session_id
    body += b"\0\2\xc0\x2f\1\0" + struct.pack(">H", len(extensions)) + extensions
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    with socket.create_connection(at, 20) as tcp:
        tcp.sendall(b"\x16\3\1" + struct.pack(">H", len(message)) + message)
        got = b""
        while len(got) < 7:
            piece = tcp.recv(4096)
            if not piece:
                wrong.append(f"{row}: no answer")
                return None
            got += piece
        if got[0] == 21:
            if row != "EMS_LOST" or got[5:7] != b"\2\x28":
                wrong.append(f"{row}: alert {got[5:7].hex()}")
            return None
        while len(got) < 5 + 4 + 34 + 1 + 32:
            got += tcp.recv(4096)
    return got[44:44 + got[43]]


def ticket_of(session):
    """Out of OpenSSL's DER: the octet string of a ticket's length."""
    pem = subprocess.run(["openssl", "sess_id", "-in", session, "-noout", "-text"], check=True,
                         capture_output=True, text=True).stdout
    dump = re.findall(r"^ {4}[0-9a-f]{4} - ((?:[0-9a-f]{2}[ -]){16})", pem, re.M)
    return bytes.fromhex("".join(dump).replace("-", " "))


def mix():
    # By ticket, many times over, with and without extended master secret.
    for options in (0, NO_EMS):
        ctx = context(options)
        session = visit("NONE", ctx)
        for _ in range(10):
            session = visit("TICKET", ctx, session)

    # By id.
    ctx = context(ssl.OP_NO_TICKET)
    kept = visit("NONE", ctx)
    for _ in range(5):
        visit("ID", ctx, kept)

    # RFC 7627 5.3.
    ctx = context(NO_EMS)
    session = visit("NONE", ctx)
    ctx.options &= ~NO_EMS
    for _ in range(2):
        visit("EMS_NEW", ctx, session)
    session = visit("NONE", ctx)
    ctx.options |= NO_EMS
    for _ in range(3):
        refused("EMS_LOST", ctx, session)

    # Another name, another suite.
    ctx = context()
    session = visit("NONE", ctx)
    for _ in range(4):
        visit("OTHER_NAME", ctx, session, "other." + name)
    ctx.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    for _ in range(2):
        visit("OTHER_SUITE", ctx, session)

    # More sessions by id than are kept: the one that nobody used any more is gone.
    ctx = context(ssl.OP_NO_TICKET)
    first = visit("NONE", ctx)
    for _ in range(16):
        visit("NONE", ctx)
    visit("ID_GONE", ctx, first)

    # Bytes: tickets of others, damaged ones; ids of others; ids of any length under a good ticket.
    expected["resume_NONE"] += 1
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["openssl", "s_client", "-connect", f"{address}:{port}", "-tls1_2",
                        "-servername", name, "-cipher", "ECDHE-RSA-AES128-GCM-SHA256",
                        "-sess_out", file.name], stdin=subprocess.DEVNULL, capture_output=True)
        ticket = ticket_of(file.name)
    if len(ticket) != 192:
        wrong.append(f"a ticket of {len(ticket)} bytes")
    for length in (1, 16, 191, 193, 1000):
        hello("TICKET_FOREIGN", os.urandom(length))
    hello("TICKET_FOREIGN", b"\2" + ticket[1:])
    hello("TICKET_KEY", ticket[:8] + bytes([ticket[8] ^ 1]) + ticket[9:])
    for i in range(16, 192, 8):
        if hello("TICKET_BAD", ticket[:i] + bytes([ticket[i] ^ 0x10]) + ticket[i + 1:],
                 b"\5" * 32) == b"\5" * 32:
            wrong.append("a missed ticket's id is echoed")
    hello("EMS_LOST", ticket, ems=False)
    for length in range(33):  # Ticketbleed: as many bytes as came, and those
        session_id = os.urandom(length)
        if hello("TICKET", ticket, session_id) != session_id:
            wrong.append(f"an id of {length} bytes is not echoed as it is")
    for length in range(33):
        session_id = os.urandom(length)
        row = "NONE" if length == 0 else "ID_FOREIGN"
        if hello(row, b"", session_id) == session_id and length:
            wrong.append("a foreign id is echoed")
        if length:
            hello("ID_FILLER", b"", session_id, versions=True)


def epoch():
    return stats("control")["ticket_epoch"]


def next_epoch():
    now, until = epoch(), time.monotonic() + 60
    while epoch() == now and time.monotonic() < until:
        time.sleep(0.1)


def turn():
    ctx = context()
    next_epoch()
    one = visit("NONE", ctx)
    if visit("TICKET", ctx, one).ticket_lifetime_hint == 0:
        wrong.append("no lifetime")
    next_epoch()
    two = visit("TICKET", ctx, one)  # opened by the key of before, renewed under the one of now
    next_epoch()
    visit("TICKET_KEY", ctx, one)
    three = visit("TICKET", ctx, two)
    next_epoch()
    next_epoch()
    visit("TICKET_KEY", ctx, three)


before = rows()
{"mix": mix, "turn": turn}[what]()
after = rows()
grown = {row: after[row] - before[row] for row in after if after[row] != before[row]}
if grown != dict(expected):
    wrong.append("rows %s, expected %s" % (sorted(grown.items()), sorted(expected.items())))
print(*["%s %d" % (row[7:], cnt) for row, cnt in sorted(grown.items())], sep=", ")
if wrong:
    sys.exit("; ".join(wrong[:5]))
