#!/usr/bin/env python3
"""http_server.py PORT -- a web server that does what a target's name says, well or badly, and shows
what came: /echo answers with the connection's number, the request's on it, its head and its body, as JSON."""
import asyncio
import hashlib
import json
import sys

accepted = 0


async def body_of(reader, fields):
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        while (await reader.readline()) != b"\r\n":
            pass
        return body
    return await reader.readexactly(int(fields.get("content-length", 0)))


def response(body, status="200 OK", *fields):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


async def answer(reader, writer, conn, cnt, once):
    """Whether the connection goes on."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    if once:
        return False
    method, target, version = lines[0].split(" ")
    fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    if fields.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if target == "/413":
        writer.write(response(b"no", "413 Content Too Large", "Connection: close"))
        await writer.drain()
        await reader.read(1)
        return False
    if target == "/refuse": # and the body is read all the same
        writer.write(response(b"no", "413 Content Too Large"))
    if target == "/early": # a long answer that does not wait for the body
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        await asyncio.sleep(1)
        writer.write(b"def")
        return False
    if target in ("/never", "/stalls"): # and the request's body is not read
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789" if target == "/stalls" else b"")
        await asyncio.sleep(30)
        return False
    if target == "/silent":
        return False
    if target == "/cut":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        return False
    if target == "/garbage":
        writer.write(b"hello\r\n")
        await reader.read(1)
        return False
    if target == "/until":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"until the end" * 1000)
        return False
    if target == "/ws":
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhi ")
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        return False
    body = await body_of(reader, fields)
    told = json.dumps(
        {"conn": conn, "request": cnt, "head": lines, "body": len(body),
         "sha256": hashlib.sha256(body).hexdigest(), "version": version}
    ).encode()
    if target == "/refuse":
        return True
    if target == "/slow":
        await asyncio.sleep(1)
    if target == "/204":
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    elif target == "/304":
        writer.write(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n")
    elif target == "/hints":
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + response(told))
    elif target == "/chunked":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n in (1, 10, 100_000):
            writer.write(b"%x\r\n%s\r\n" % (n, b"c" * n))
            await writer.drain()
        writer.write(b"0\r\nX-Sum: 1\r\n\r\n")
    elif target == "/big":
        writer.write(response(b"B" * 3_000_000))
    elif target == "/dribble":
        for byte in response(told):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)
    elif target == "/extra":
        writer.write(response(told) + response(b"evil"))
    elif target == "/bye":
        writer.write(response(told, "200 OK", "Connection: close"))
        return False
    elif method == "HEAD":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    else:
        writer.write(response(told, "200 OK", "Keep-Alive: timeout=5", "Connection: keep-alive, X-Hop", "X-Hop: 1"))
    await writer.drain()
    return True


async def serve(reader, writer):
    global accepted
    accepted += 1
    conn, cnt, once = accepted, 1, False
    try:
        while await answer(reader, writer, conn, cnt, once):
            once = cnt == 1 and fragile.is_set()
            cnt += 1
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def control(reader, writer):
    """A line in: fragile or sound. From then on connections break at their second request, or not."""
    word = (await reader.readline()).strip()
    (fragile.set if word == b"fragile" else fragile.clear)()
    writer.write(b"%d\n" % accepted)
    writer.close()


async def main():
    global fragile
    fragile = asyncio.Event()
    await asyncio.start_unix_server(control, sys.argv[2])
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


asyncio.run(main())
