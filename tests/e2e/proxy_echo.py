#!/usr/bin/env python3
"""A web server that says what the PROXY protocol header, version 2, said of its client.

proxy_echo.py ADDRESS PORT: every request is answered with one line per field. The header is read
as HAProxy's document writes it; a connection without one is closed.
"""
import socketserver
import struct
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
NAMES = {0x01: "alpn", 0x02: "authority", 0xE4: "ja4", 0xE5: "subject", 0xE6: "issuer", 0xE7: "sha256"}
SSL_NAMES = {0x21: "version", 0x22: "cn", 0x23: "cipher"}


def tlvs(data):
    while data:
        kind, length = struct.unpack_from("!BH", data)
        if len(data) < 3 + length:
            raise ValueError("a TLV is cut")
        yield kind, data[3 : 3 + length]
        data = data[3 + length :]


def lines(header):
    for kind, value in tlvs(header):
        if kind in NAMES:
            yield f"{NAMES[kind]} {value.decode()}"
        if kind == 0x20:
            client, verify = struct.unpack_from("!BI", value)
            yield f"client {client}"
            yield f"verify {verify}"
            for sub, text in tlvs(value[5:]):
                if sub in SSL_NAMES:
                    yield f"{SSL_NAMES[sub]} {text.decode()}"


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        head = self.rfile.read(16)
        if len(head) < 16 or head[:12] != SIGNATURE or head[12] != 0x21 or head[13] != 0x11:
            return
        header = self.rfile.read(struct.unpack("!H", head[14:])[0])
        body = "".join(f"{line}\n" for line in lines(header[12:])).encode()
        while True:
            line = self.rfile.readline()
            if not line:
                return
            if line != b"\r\n":
                continue
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
            return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    with Server((sys.argv[1], int(sys.argv[2])), Handler) as server:
        server.serve_forever()
