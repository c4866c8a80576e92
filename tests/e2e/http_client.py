#!/usr/bin/env python3
"""http_client.py ADDRESS PORT CA NAME RELAY-STATS SERVER-CONTROL ANSWER-TIMEOUT -- what hfrelay --http does with
requests, good and bad, in front of http_server.py. Prints "ok name" or "not ok name: why" per check."""
import hashlib
import json
import os
import random
import socket
import ssl
import sys
import threading
import time

address, port, ca, name, relay_stats, control, answer_timeout = sys.argv[1:]
answer_timeout = int(answer_timeout)
context = ssl.create_default_context(cafile=ca)
context.maximum_version = ssl.TLSVersion.TLSv1_2


class Failed(Exception):
    pass


def expect(condition, why):
    if not condition:
        raise Failed(why)


def ask_unix(path, text):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(text)
        return b"".join(iter(lambda: s.recv(65536), b""))


def stat(row):
    return sum(s["rows"].get(row, 0) for s in json.loads(ask_unix(relay_stats, b"stats json\n")))


def server_is(word):
    return int(ask_unix(control, word.encode() + b"\n"))


def soon(condition, why, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, why)
        time.sleep(0.02)


class Client:
    def __init__(self):
        tcp = socket.create_connection((address, int(port)), 60)
        self.tls = context.wrap_socket(tcp, server_hostname=name)
        self.file = self.tls.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.tls.close()

    def send(self, text):
        self.tls.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))

    def send_what_is_taken(self, data):
        self.tls.settimeout(1)
        try:
            self.send(data)
        except TimeoutError:
            pass
        self.tls.settimeout(60)

    def get(self, target, *fields, method="GET", version="1.1", body=b""):
        self.send("\r\n".join([f"{method} {target} HTTP/{version}", f"Host: {name}", *fields, "", ""]).encode() + body)
        return self.response(method == "HEAD")

    def response(self, head_only=False):
        line = self.file.readline()
        expect(line.startswith(b"HTTP/1."), f"no response: {line!r}")
        status, fields, body = int(line.split()[1]), [], b""
        while (field := self.file.readline()) not in (b"\r\n", b""):
            fields.append(field.decode("latin-1").strip().lower())
        length = [int(f.split(":")[1]) for f in fields if f.startswith("content-length:")]
        if status < 200 or status in (204, 304) or head_only:
            pass
        elif "transfer-encoding: chunked" in fields:
            while size := int(self.file.readline(), 16):
                body += self.file.read(size)
                expect(self.file.readline() == b"\r\n", "chunk's end")
            while self.file.readline() != b"\r\n":
                pass
        elif length:
            body = self.file.read(length[0])
            expect(len(body) == length[0], "the body breaks off")
        else:
            body = self.file.read()
        return status, fields, body

    def echo(self, *a, **k):
        status, fields, body = self.get(*a, **k)
        expect(status == 200, f"status {status}")
        return json.loads(body)

    def half_close(self):
        """close_notify, and reading goes on."""
        self.tls.setblocking(False)
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.tls.settimeout(60)

    def ended(self):
        try:
            return self.file.read() == b""
        except ssl.SSLZeroReturnError:  # how Python says it after half_close
            return True


def connections_are_shared():
    seen = set()
    used = stat("kept_used")
    for _ in range(100):
        with Client() as c:
            told = c.echo("/echo", "Connection: close")
            seen.add(told["conn"])
            expect(c.ended(), "the client's connection goes on")
            expect(not any(f.lower().startswith("connection:") for f in told["head"]), str(told["head"]))
    expect(len(seen) <= 2, f"{len(seen)} connections for 100 clients")
    expect(stat("kept_used") - used >= 98, "kept_used")


def who_asks_is_told():
    with Client() as c:
        head = c.echo("/echo", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: http", "Connection: X-Hop", "X-Hop: 1")["head"]
        me = c.tls.getsockname()[0]
    lists = [f.split(":", 1)[1].strip() for f in head if f.lower().startswith("x-forwarded-for:")]
    expect(", ".join(lists).split(", ") == ["1.2.3.4", me], str(lists))
    expect([f for f in head if f.lower().startswith("x-forwarded-proto:")] == ["X-Forwarded-Proto: https"], str(head))
    expect(not any("x-hop" in f.lower() for f in head), str(head))


def a_connection_asks_often():
    with Client() as c:
        for i in range(50):
            status, fields, body = c.get("/echo")
            expect(status == 200 and not any("x-hop" in f or f.startswith("keep-alive:") for f in fields), str(fields))
        seen = {c.echo("/echo", "Content-Length: 1", method="POST", body=b"x")["conn"] for _ in range(20)}
        expect(len(seen) == 1, f"{len(seen)} connections for the POSTs of one client")
        c.send(f"GET /slow HTTP/1.1\r\nHost: {name}\r\n\r\nGET /204 HTTP/1.1\r\nHost: {name}\r\n\r\n"
               f"POST /echo HTTP/1.1\r\nHost: {name}\r\nContent-Length: 3\r\n\r\nabc")
        expect([c.response()[0], c.response()[0]] == [200, 204], "pipelined")
        expect(json.loads(c.response()[2])["body"] == 3, "the third one")


def every_kind_of_response():
    with Client() as c:
        expect(c.get("/chunked")[2] == b"c" * 100_011, "chunked")
        expect(c.get("/204")[0] == 204, "204")
        expect(c.get("/304")[0] == 304, "304")
        expect(c.get("/echo", method="HEAD")[1].count("content-length: 1000") == 1, "HEAD")
        expect(c.get("/hints")[0] == 103, "interim")
        expect(c.response()[0] == 200, "after the interim one")
        told = c.echo("/echo", "Content-Length: 1", body=b"x") # a GET, of which some servers read no body
        expect(c.echo("/echo")["conn"] != told["conn"], "a connection is kept behind a GET with a body")
        expect(c.get("/big")[2] == b"B" * 3_000_000, "big")
        expect(c.get("/dribble")[0] == 200, "dribble")
        expect(c.get("/bye")[0] == 200, "a server that closes")
        expect(c.get("/echo")[0] == 200, "and the next one")
        status, fields, body = c.get("/until")
        expect("connection: close" in fields and body == b"until the end" * 1000, f"until the end: {fields}")


def http10_clients():
    with Client() as c:
        expect(c.get("/hints", version="1.0")[0] == 200 and c.ended(), "without keep-alive")
    with Client() as c:
        status, fields, _ = c.get("/echo", "Connection: keep-alive", version="1.0")
        expect("connection: keep-alive" in fields, str(fields))
        expect(c.get("/echo", version="1.0")[0] == 200 and c.ended(), "the last one")


def bodies_arrive():
    data = os.urandom(5_000_000)
    digest = hashlib.sha256(data).hexdigest()
    with Client() as c:
        expect(c.echo("/echo", f"Content-Length: {len(data)}", method="POST", body=data)["sha256"] == digest, "by length")
        chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(p), p) for p in (data[:7], data[7:100_000], data[100_000:]))
        told = c.echo("/echo", "Transfer-Encoding: chunked", method="PUT", body=chunks + b"0\r\nA: b\r\n\r\n")
        expect(told["sha256"] == digest, "in chunks")
        c.send(f"POST /echo HTTP/1.1\r\nHost: {name}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        expect(c.response()[0] == 100, "100")
        c.send("body")
        expect(json.loads(c.response()[2])["body"] == 4, "after 100")
        status, fields, _ = c.get("/413", "Content-Length: 1000", method="POST")
        expect(status == 413 and "connection: close" in fields and c.ended(), "an early answer")
    for _ in range(3):
        with Client() as c:
            status, fields, _ = c.get("/refuse", "Content-Length: 1000", method="POST")
            expect(status == 413 and c.ended(), "an early answer by a server that stays")
        with Client() as c:
            expect(c.get("/echo")[0] == 200, "a request taken for somebody's body")


def another_protocol():
    with Client() as c:
        c.send(f"GET /ws HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        expect(c.response()[0] == 101, "101")
        expect(c.file.read(3) == b"hi ", "greeting")
        for text in (b"one", b"GET / HTTP/1.1\r\n\r\n", os.urandom(500_000)):
            c.send(text)
            expect(c.file.read(len(text)) == text, "echo")
    soon(lambda: stat("streams") == 0, "the tunnel stays")


def bad_requests_are_refused():
    before, refused = server_is("sound"), stat("requests_refused")
    host = f"Host: {name}\r\n"
    bad = {
        "two ways to end": f"POST / HTTP/1.1\r\n{host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        "two lengths": f"POST / HTTP/1.1\r\n{host}Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
        "a signed length": f"POST / HTTP/1.1\r\n{host}Content-Length: +4\r\n\r\n",
        "a hidden coding": f"POST / HTTP/1.1\r\n{host}Transfer-Encoding : chunked\r\n\r\n",
        "a folded line": f"GET / HTTP/1.1\r\n{host}A: b\r\n c\r\n\r\n",
        "bare line feeds": f"GET / HTTP/1.1\nHost: {name}\n\n",
        "no host": "GET / HTTP/1.1\r\n\r\n",
        "no HTTP": "\x16\x03\x01 hello\r\n\r\n",
    }
    for why, text in bad.items():
        with Client() as c:
            c.send(text)
            status, fields, _ = c.response()
            expect(status == 400 and "connection: close" in fields and c.ended(), f"{why}: {status}")
    for status, text in ((501, f"CONNECT a:1 HTTP/1.1\r\n{host}\r\n"),
                         (501, f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n"),
                         (431, f"GET / HTTP/1.1\r\n{host}A: {'b' * 40000}\r\n\r\n")):
        with Client() as c:
            c.send(text)
            expect(c.response()[0] == status and c.ended(), f"want {status}")
    with Client() as c: # the head is with the server when its chunks turn out to be none
        c.send(f"POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n\r\n")
        expect(c.response()[0] == 400 and c.ended(), "chunks")
    expect(stat("requests_refused") - refused == len(bad) + 4, "requests_refused")
    expect(server_is("sound") - before <= 1, "the server was asked")


def what_a_server_says_too_much():
    with Client() as c:
        first = c.echo("/extra")
        expect(c.echo("/echo")["conn"] != first["conn"], "its connection serves another request")
    for _ in range(5):
        with Client() as c:
            expect(b"evil" not in c.get("/echo")[2], "somebody else's answer")


def servers_that_break_off():
    bad = stat("responses_bad")
    for target in ("/silent", "/garbage"):
        with Client() as c:
            expect(c.get(target)[0] == 502 and c.ended(), f"{target} is no 502")
    expect(stat("responses_bad") - bad == 2, "responses_bad")
    with Client() as c:
        try:
            c.get("/cut")
        except (Failed, OSError):
            return
        raise Failed("a response cut off looks whole")


def servers_that_never_answer():
    late = stat("responses_late")
    for fields in ((), ("Content-Length: 9000000",)): # the second one does not take the body, either
        with Client() as c:
            began = time.monotonic()
            c.send("\r\n".join(["POST /never HTTP/1.1", f"Host: {name}", *fields, "", ""]))
            if fields:
                c.send_what_is_taken(bytes(9_000_000))
            expect(c.response()[0] == 504, "no 504")
            expect(time.monotonic() - began >= answer_timeout, "too early")
    with Client() as c:
        try:
            c.get("/stalls")
        except (Failed, OSError):
            pass
        else:
            raise Failed("half a response looks whole")
    expect(stat("responses_late") - late == 3, "responses_late")
    with Client() as c:
        expect(json.loads(c.get("/echo")[2])["body"] == 0, "the next one")


def clients_may_take_their_time():
    late, pause = stat("responses_late"), answer_timeout + 1
    with Client() as slow, Client() as half, Client() as tunnel, Client() as idle:
        idle.echo("/echo")
        slow.send(f"GET /big HTTP/1.1\r\nHost: {name}\r\n\r\n")
        half.send(f"POST /echo HTTP/1.1\r\nHost: {name}\r\nContent-Length: 8\r\n\r\nhalf")
        tunnel.send(f"GET /ws HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        expect(tunnel.response()[0] == 101 and tunnel.file.read(3) == b"hi ", "101")
        time.sleep(pause)
        expect(len(slow.response()[2]) == 3_000_000, "who reads late")
        half.send("half")
        expect(json.loads(half.response()[2])["body"] == 8, "who sends late")
        tunnel.send("still there")
        expect(tunnel.file.read(11) == b"still there", "a tunnel's silence")
        idle.echo("/echo")
    expect(stat("responses_late") == late, "responses_late")


def a_kept_connection_may_have_ended():
    server_is("fragile") # each answers one request and breaks at the second
    try:
        ended = stat("kept_ended")
        for i in range(40):
            with Client() as c:
                expect(c.get("/echo")[0] == 200, f"GET {i}")
            with Client() as c:
                told = c.echo("/echo", "Content-Length: 1", method="POST", body=b"x")
                expect(told["request"] == 1, "a POST that cannot be said again on a kept connection")
        with Client() as c: # a client who has had a response knows what an end without one means
            c.echo("/echo")
            try:
                status = c.get("/echo", "Content-Length: 1", method="POST", body=b"x")[0]
            except (Failed, OSError):
                status = "none"
            expect(status in (200, "none"), f"POST after a GET: {status}")
        expect(stat("kept_ended") - ended >= 10, f"{stat('kept_ended') - ended} were said again")
    finally:
        server_is("sound")


def who_goes_early_leaves_nothing():
    for i in range(20):
        with Client() as c: # an answer is on the way
            c.send(f"GET /big HTTP/1.1\r\nHost: {name}\r\n\r\n")
            c.tls.recv(10)
        with Client() as c: # a body is
            c.send(f"POST /echo HTTP/1.1\r\nHost: {name}\r\nContent-Length: 100\r\n\r\nhalf")
        with Client() as c:
            told = c.echo("/echo", f"X-Mine: {i}")
            expect(f"X-Mine: {i}" in told["head"], "somebody else's answer")
    soon(lambda: stat("streams") == 0, f"{stat('streams')} streams stay")


def who_has_said_all_is_answered():
    for target, method, body, want in (("/slow", "GET", b"", b"{"), ("/early", "POST", b"half", b"abcdef")):
        with Client() as c:
            length = f"Content-Length: {2 * len(body)}\r\n" if body else ""
            c.send(f"{method} {target} HTTP/1.1\r\nHost: {name}\r\n{length}\r\n".encode() + body)
            if body:
                c.file.peek(1) # the answer has begun
            c.half_close()
            status, _, got = c.response()
            expect(status == 200 and got.startswith(want), f"{target}: {status} {got[:20]!r}")
            expect(c.ended(), f"{target}: and goes on")
    with Client() as c:
        c.send(f"POST /echo HTTP/1.1\r\nHost: {name}\r\nContent-Length: 9\r\n\r\nhalf")
        c.half_close()
        expect(c.response()[0] == 400, "half a request")


def crowd_member(dice, me, wrong):
    """Good and bad manners as the dice fall; whatever the others do, what is answered is one's own."""
    def asks_often(c):
        for i in range(dice.randrange(1, 6)):
            body = dice.randbytes(dice.choice((0, 1, 5000)))
            told = c.echo("/echo", f"X-Mine: {me}-{i}", *([f"Content-Length: {len(body)}"] if body else []),
                          method="POST" if body else "GET", body=body)
            expect(f"X-Mine: {me}-{i}" in told["head"], "somebody else's answer")
            expect(told["sha256"] == hashlib.sha256(body).hexdigest(), "somebody else's body")

    def at_once(c):
        c.send("".join(f"GET /echo HTTP/1.1\r\nHost: {name}\r\nX-Mine: {me}-{i}\r\n\r\n" for i in range(4)))
        for i in range(dice.randrange(5)):
            expect(f"X-Mine: {me}-{i}" in json.loads(c.response()[2])["head"], "somebody else's answer")

    def goes_early(c):
        c.send(f"POST /echo HTTP/1.1\r\nHost: {name}\r\nTransfer-Encoding: chunked\r\n\r\n"[: dice.randrange(1, 80)])

    def takes_a_part(c):
        c.send(f"GET {dice.choice(('/big', '/chunked', '/slow', '/until'))} HTTP/1.1\r\nHost: {name}\r\n\r\n")
        c.tls.recv(dice.choice((1, 100, 100_000)))

    def half_closes(c):
        c.send(f"GET {dice.choice(('/big', '/echo', '/cut', '/silent', '/extra'))} HTTP/1.1\r\nHost: {name}\r\n\r\n")
        c.half_close()
        c.tls.recv(1)

    def talks_to_a_bad_one(c):
        status, _, body = c.get(dice.choice(("/cut", "/silent", "/garbage", "/extra", "/bye", "/refuse", "/nothing")))
        expect(status in (200, 413, 502) and b"evil" not in body, f"status {status}")

    def makes_no_sense(c):
        c.send(dice.randbytes(dice.randrange(1, 300)) + b"\r\n\r\n")
        expect(c.response()[0] in (400, 501), "answered")

    for _ in range(40):
        act = dice.choice((asks_often, asks_often, at_once, goes_early, takes_a_part, half_closes, talks_to_a_bad_one,
                           makes_no_sense))
        try:
            with Client() as c:
                act(c)
        except Exception as e:
            if act in (asks_often, at_once, makes_no_sense) or "somebody" in str(e) or "status" in str(e):
                wrong.append(f"{act.__name__}: {e!r}")


def a_crowd_of_all_manners():
    seed, wrong = random.randrange(1 << 32), []
    crowd = [threading.Thread(target=crowd_member, args=(random.Random(seed + i), f"{i}", wrong)) for i in range(16)]
    for one in crowd:
        one.start()
    most = 0
    for one in crowd:
        while one.is_alive():
            most = max(most, stat("kept"))
            one.join(0.05)
    expect(not wrong, f"seed {seed}: {wrong[:3]}")
    expect(0 < most <= 8, f"seed {seed}: up to {most} were kept")
    soon(lambda: stat("streams") == 0, f"seed {seed}: {stat('streams')} streams stay")


def kept_connections_end():
    with Client() as c:
        c.get("/echo")
    expect(stat("kept") >= 1, "none is kept")
    soon(lambda: stat("kept") == 0 and stat("conns") == 0, "they stay")


bad = 0
for run in (connections_are_shared, who_asks_is_told, a_connection_asks_often, every_kind_of_response, http10_clients,
            bodies_arrive, another_protocol, bad_requests_are_refused, what_a_server_says_too_much,
            servers_that_break_off, servers_that_never_answer, clients_may_take_their_time,
            a_kept_connection_may_have_ended, who_goes_early_leaves_nothing, who_has_said_all_is_answered,
            a_crowd_of_all_manners, kept_connections_end):
    label = run.__name__.replace("_", " ")
    try:
        run()
        print("ok", label, flush=True)
    except Exception as e:
        bad = 1
        print(f"not ok {label}: {e!r}", flush=True)
sys.exit(bad)
