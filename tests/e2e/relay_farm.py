"""relay_farm.py BUILD -- hfrelay as its servers and its appliance see it.

Servers are asyncio in a thread, with an own reading of the PROXY protocol. What is sent is a pattern
per stream made and checked by relay_peer, so equal means equal to the last byte. Prints "ok name" or
"not ok name: why" per check; exits 1 when one failed."""

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

BUILD = sys.argv[1]
REFUSED, SERVER, LIMIT = 6, 7, 5  # enum hf_link_reset_reason


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tlvs(data):
    found, at = {}, 0
    while at < len(data):
        kind, length = struct.unpack_from("!BH", data, at)
        assert at + 3 + length <= len(data), "TLV runs over"
        found[kind] = (at + 3, data[at + 3 : at + 3 + length])
        at += 3 + length
    return found


async def read_proxy(reader):
    """HAProxy's PROXY protocol, version 2."""
    head = await reader.readexactly(16)
    assert head[:12] == b"\r\n\r\n\0\r\nQUIT\n", "signature"
    assert head[12] == 0x21, "version and command"
    length = struct.unpack("!H", head[14:])[0]
    body = await reader.readexactly(length)
    assert head[13] == 0x11, "TCP over IPv4"
    src, dst, sport, dport = struct.unpack_from("!4s4sHH", body)
    info = {
        "client": (socket.inet_ntoa(src), sport),
        "local": (socket.inet_ntoa(dst), dport),
    }
    found = tlvs(body[12:])
    if 0x03 in found:
        at = 16 + 12 + found[0x03][0]
        whole = bytearray(head + body)
        told = struct.unpack_from("!I", whole, at)[0]
        whole[at : at + 4] = bytes(4)
        assert crc32c(whole) == told, "CRC32C"
        info["crc"] = True
    ssl = found[0x20][1]
    client, verify = struct.unpack_from("!BI", ssl)
    sub = tlvs(ssl[5:])
    info |= {
        "alpn": found[0x01][1],
        "sni": found[0x02][1],
        "id": found[0x05][1],
        "ssl": (client, verify, sub[0x21][1], sub[0x23][1]),
    }
    return info


class Server:
    """One TCP server on a port of its own, or on one given. mode: echo as it comes, echo after the
    end, greet (and read to the end), hold (read nothing until told), reset after the first bytes."""

    loop = None

    def __init__(self, mode="echo", proxy=False, port=0):
        self.mode, self.proxy, self.port = mode, proxy, port
        self.accepted, self.headers, self.errors = 0, [], []
        self.go = asyncio.Event()
        self.tasks = set()
        self.call(self.start())

    @classmethod
    def call(cls, coroutine):
        if not cls.loop:
            cls.loop = asyncio.new_event_loop()
            threading.Thread(target=cls.loop.run_forever, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, cls.loop).result(30)

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    async def start(self):
        self.server = await asyncio.start_server(
            self.serve, "127.0.0.1", self.port, backlog=1024
        )
        self.port = self.server.sockets[0].getsockname()[1]

    def stop(self):
        async def stop():
            self.server.close()
            for task in self.tasks:
                task.cancel()

        self.call(stop())

    def release(self):
        self.loop.call_soon_threadsafe(self.go.set)

    async def serve(self, reader, writer):
        self.accepted += 1
        self.tasks.add(asyncio.current_task())
        try:
            if self.proxy:
                self.headers.append(await read_proxy(reader))
            await getattr(self, self.mode)(reader, writer)
        except asyncio.CancelledError:
            pass
        except ConnectionError:
            pass
        except Exception as e:
            self.errors.append(repr(e))
        finally:
            writer.close()
            self.tasks.discard(asyncio.current_task())

    async def echo(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def after_end(self, reader, writer):
        writer.write(await reader.read(-1))
        await writer.drain()

    async def greet(self, reader, writer):
        writer.write(b"hello")
        await reader.read(-1)

    async def hold(self, reader, writer):
        await self.go.wait()
        await self.echo(reader, writer)

    async def reset(self, reader, writer):
        await reader.read(1000)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Failed(Exception):
    pass


def expect(condition, why):
    if not condition:
        raise Failed(why)


def soon(condition, why, seconds=30):
    """Waits for it: nothing here depends on how fast the machine is."""
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, why if isinstance(why, str) else why())
        time.sleep(0.02)


class Peer:
    def __init__(self, path, workers):
        self.process = subprocess.Popen(
            [f"{BUILD}/tests/e2e/relay_peer", path, str(workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer("start")

    def answer(self, line):
        got = self.process.stdout.readline().strip()
        expect(got.startswith("ok"), f"{line}: {got or 'peer died'}")
        return got[2:].strip()

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer(line)

    def end(self, sig=None):
        if sig:
            self.process.send_signal(sig)
        self.process.stdin.close()
        status = self.process.wait(30)
        self.process.stdout.close()
        expect(sig or status == 0, f"peer ended with {status}")


class Bench:
    """A peer, an hfrelay and what both need, for one check."""

    def __init__(self, *options, servers=(), workers=2, threads=1, start=True):
        self.dir = tempfile.mkdtemp(prefix="handfast-relay-")
        self.path = f"{self.dir}/web.sock"
        self.stats_path = f"{self.dir}/stats.sock"
        self.threads, self.workers = threads, workers
        self.command = [f"{BUILD}/hfrelay", "--socket", self.path, "--stats", self.stats_path]
        self.command += ["--threads", str(threads), *options]
        for server in servers:
            self.command += ["--server", server if isinstance(server, str) else server.name]
        self.peer = self.relay = None
        if start:
            self.peer = Peer(self.path, workers)
            self.start_relay()
            self.peer(f"up {threads}")

    def start_relay(self):
        self.log = open(f"{self.dir}/log", "a")
        self.relay = subprocess.Popen(self.command, stderr=self.log)

    def stats(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.stats_path)
        sock.sendall(b"stats json\n")
        text = b""
        while data := sock.recv(65536):
            text += data
        sock.close()
        return json.loads(text)

    def stat(self, module, row, server=None):
        return sum(
            rows[row]
            for rows in self.rows()
            if rows["module"] == module and server in (None, rows.get("server"))
        )

    def rows(self):
        for source in self.stats():
            yield {"module": source["module"]} | source["labels"] | source["rows"]

    def idle(self):
        soon(
            lambda: self.stat("relay", "streams") == 0 and self.stat("server", "conns") == 0,
            lambda: f"not idle: {self.stat('relay', 'streams')} streams, "
            f"{self.stat('server', 'conns')} connections",
        )

    def end(self, sig=signal.SIGTERM):
        self.relay.send_signal(sig)
        status = self.relay.wait(30)
        self.log.close()
        expect(status == (0 if sig == signal.SIGTERM else -sig), f"hfrelay ended with {status}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        log = ""
        try:
            if self.relay and self.relay.poll() is None:
                self.end()
            if self.relay and os.path.exists(f"{self.dir}/log"):
                log = open(f"{self.dir}/log").read()
            if self.peer and self.peer.process.poll() is None:
                self.peer.end()
            # A relay ends by a signal or not at all; sanitizers and assertions write what they found.
            for word in ("assertion failed", "Sanitizer", "runtime error"):
                expect(word not in log, log[-2000:])
        finally:
            for process in (self.relay, self.peer and self.peer.process):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()
            if kind:
                sys.stderr.write(log)
            shutil.rmtree(self.dir)


def dead_port():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    sock.close()
    return port


# ---- checks ----


def bytes_are_equal():
    server = Server()
    with Bench(servers=[server]) as b:
        for count, size in ((4, 0), (20, 1), (4, 100_000), (2, 10_000_000)):
            b.peer(f"open {count} {size}")
            b.peer("run")
            b.peer("echoed")
            b.peer("forget")
        expect(server.accepted == 26, f"{server.accepted} connections: none for streams without bytes")
        b.idle()
        total = 20 + 4 * 100_000 + 2 * 10_000_000
        expect(b.stat("relay", "bytes_to_server") == total, "bytes_to_server")
        expect(b.stat("relay", "bytes_to_client") == total, "bytes_to_client")
        expect(b.stat("relay", "streams_closed") == 30, "streams_closed")


def many_streams_with_proxy():
    servers = [Server(proxy=True) for _ in range(3)]
    with Bench("--send-proxy", "v2-crc32c", servers=servers, workers=3, threads=2) as b:
        b.peer("open 200 100000")
        b.peer("run")
        b.peer("echoed")
        b.idle()
    headers = [h for s in servers for h in s.headers]
    expect(not any(s.errors for s in servers), str([s.errors for s in servers]))
    expect(len(headers) == 200, f"{len(headers)} headers")
    expect(len({h["id"] for h in headers}) == 200, "ids are not unique")
    expect({h["client"][1] for h in headers} == set(range(10001, 10201)), "client ports")
    for h in headers:
        expect(h["client"][0] == "192.0.2.1" and h["local"] == ("198.51.100.1", 443), "addresses")
        expect(h["sni"] == b"www.example.com" and h["alpn"] == b"http/1.1", "SNI, ALPN")
        expect(h["ssl"] == (1, 1, b"TLSv1.2", b"AES128-GCM-SHA256"), str(h["ssl"]))
        expect(h.get("crc"), "no CRC32C")
    for s in servers:
        expect(60 <= s.accepted <= 74, f"round robin gave {[s.accepted for s in servers]}")


def half_close_reaches_the_server():
    server = Server("after_end")
    with Bench(servers=[server]) as b:
        b.peer("open 20 300000")
        b.peer("run")
        b.peer("echoed")
        b.idle()


def server_speaks_first():
    server = Server("greet")
    with Bench("--open", "eager", servers=[server]) as b:
        b.peer("open 10 0")
        b.peer("run")
        b.peer("got hello")
        soon(lambda: server.accepted == 10, "not connected before the first byte")
        b.idle()


def dead_server_is_passed_over():
    server, port = Server(), dead_port()
    dead = f"127.0.0.1:{port}"
    with Bench("--eject-failures", "2", "--eject-seconds", "1", servers=[dead, server]) as b:
        for _ in range(4):
            b.peer("open 1 1000")
            b.peer("run")
        b.peer("echoed")
        expect(b.stat("farm", "ejected", dead) == 1, "not ejected")
        expect(b.stat("farm", "out", dead) == 1, "not out")
        # With one failure too few it is still asked in turn; out, only by one probe in a while.
        expect(b.stat("relay", "retries") == 2, f"{b.stat('relay', 'retries')} retries")
        back = Server(port=port)

        def used():
            b.peer("open 1 1000")
            b.peer("run")
            return back.accepted > 0

        soon(used, "the server that is back is not used")
        b.peer("echoed")
        expect(b.stat("farm", "out", dead) == 0, "still out")
        b.idle()


def dead_farm_is_told():
    dead = [f"127.0.0.1:{dead_port()}" for _ in range(2)]
    with Bench("--send-proxy", "v2", servers=dead) as b:
        b.peer("open 50 100000")
        b.peer("run")
        b.peer(f"reset {REFUSED}")
        expect(b.stat("relay", "refused_farm") == 50, "refused_farm")
        b.idle()


def silent_server_times_out():
    # A listener that accepts nothing: its queue is full, so the next connection hangs.
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    fillers = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        fillers.append(s)
    time.sleep(0.2)
    server = Server()
    with Bench("--connect-timeout", "300", servers=[f"127.0.0.1:{port}", server]) as b:
        b.peer("open 3 5000")
        b.peer("run")
        b.peer("echoed")
        failures = b.stat("server", "connect_failures")
        expect(failures >= 1, "no connection timed out")
        b.idle()
    for s in fillers + [full]:
        s.close()


def broken_server_resets_its_stream():
    server = Server("reset")
    with Bench(servers=[server]) as b:
        b.peer("open 20 1000000")
        b.peer("run")
        b.peer(f"reset {SERVER}")
        b.idle()


def slow_client_blocks_only_itself():
    server = Server()
    with Bench(servers=[server], workers=1) as b:
        b.peer("open 20 3000000 mute")
        b.peer("open 20 3000000")
        b.peer("run")
        b.peer("unmute")
        b.peer("run")
        b.peer("echoed")
        b.idle()


def slow_server_blocks_only_its_streams():
    slow, quick = Server("hold"), Server()
    with Bench(servers=[slow, quick], workers=1) as b:
        # One after the other to each server in turn: even ones to the quick.
        b.peer("open 20 50000000 mute")
        b.peer("turn 1500")
        held = int(b.peer("sent"))
        expect(held < 50_000_000, "the relay took everything for a server that reads nothing")
        resident = int(open(f"/proc/{b.relay.pid}/statm").read().split()[1]) * 4096
        limit = 20 * (262_144 + 65_536) * 3 + 200_000_000 * ("san" in BUILD) + 30_000_000
        expect(resident < limit, f"{resident} bytes resident")
        b.peer("forget")
        b.peer("open 1 2000000")  # its turn is at the slow one or at the quick one: both, so
        b.peer("open 1 2000000")
        b.peer("turn 500")
        slow.release()
        b.peer("run")
        b.peer("echoed")


def connections_are_limited():
    server = Server("hold")
    with Bench("--max-connections", "10", servers=[server]) as b:
        b.peer("open 30 1000")
        b.peer(f"reset {LIMIT} 20")
        expect(b.stat("relay", "refused_limit") == 20, "refused_limit")
        server.release()
        b.peer("run")
        b.idle()
        b.peer("forget")
        b.peer("open 10 1000")
        b.peer("run")
        b.peer("echoed")


def out_of_descriptors_is_told():
    server = Server("hold")
    with Bench(servers=[server]) as b:
        b.idle()
        room = len(os.listdir(f"/proc/{b.relay.pid}/fd")) + 10
        resource.prlimit(b.relay.pid, resource.RLIMIT_NOFILE, (room, room))
        b.peer("open 100 1000")
        b.peer(f"reset {LIMIT} 90")
        soon(lambda: server.accepted == 10, "not ten connections")
        server.release()
        b.peer("run")
        b.idle()
        expect(b.stat("relay", "refused_limit") == 90, "refused_limit")


def killed_relay_is_noticed():
    server = Server("hold")
    with Bench(servers=[server]) as b:
        b.peer("open 10 100000")
        b.peer("turn 300")
        b.end(signal.SIGKILL)
        b.peer("down 1")
        b.peer("reset 0")  # by the appliance's own side
        b.peer("forget")
        os.unlink(b.stats_path) if os.path.exists(b.stats_path) else None
        b.start_relay()
        b.peer("up 2")
        server.release()
        b.peer("open 10 100000")
        b.peer("run")
        b.peer("echoed")


def relay_attaches_again():
    server = Server()
    with Bench(servers=[server], threads=2, start=False) as b:
        b.start_relay()  # before there is anything to attach to
        soon(lambda: os.path.exists(b.stats_path), "no stats socket")
        b.peer = Peer(b.path, 2)
        b.peer("up 2")
        b.peer("open 5 50000000 mute")
        b.peer("turn 300")
        b.peer.end(signal.SIGKILL)
        soon(lambda: b.stat("relay", "attached") == 0, "does not notice")
        b.idle()
        expect(b.stat("relay", "streams_lost") == 5, "streams_lost")
        b.peer = Peer(b.path, 1)  # a dead socket file is replaced; other workers this time
        b.peer("up 2")
        b.peer("open 20 100000")
        b.peer("run")
        b.peer("echoed")
        expect(b.stat("relay", "attaches") == 4, "attaches")


def servers_end_is_not_lost():
    """A server that answers and hangs up without reading: the answer arrives all the same."""

    async def rude(reader, writer):
        await reader.readexactly(1000)
        writer.write(b"enough")
        await writer.drain()
        writer.close()

    server = Server()
    server.rude = rude
    server.mode = "rude"
    with Bench(servers=[server]) as b:
        b.peer("open 20 1000")
        b.peer("run")
        b.peer("got enough")
        b.idle()


def smallest_backend_echoes():
    with Bench(start=False) as b:
        b.peer = Peer(b.path, b.workers)
        b.command = [f"{BUILD}/hfecho", b.path]
        b.start_relay()
        b.peer("up 1")
        for count, size in ((3, 0), (100, 70_000), (2, 10_000_000)):
            b.peer(f"open {count} {size}")
        b.peer("run")
        b.peer("echoed")
        b.peer.end()
        expect(b.relay.wait(30) == 1, "does not end with the appliance")


def terminates_in_order():
    server = Server("hold")
    with Bench(servers=[server], threads=3) as b:
        b.peer("open 30 1000000")
        b.peer("turn 200")
        b.end()
        b.peer("down 3")
        expect(not os.path.exists(b.stats_path), "stats socket left behind")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with what must be cleaned up
    failed = 0
    checks = [v for v in globals().values() if getattr(v, "__module__", "") == "__main__"]
    helpers = {"crc32c", "tlvs", "read_proxy", "expect", "soon", "dead_port", "main"}
    for check in checks:
        if isinstance(check, type) or check.__name__ in helpers:
            continue
        name = "relay: " + check.__name__.replace("_", " ")
        try:
            check()
            print(f"ok {name}", flush=True)
        except (Failed, AssertionError, OSError, subprocess.SubprocessError) as e:
            print(f"not ok {name}: {e!r}", flush=True)
            failed = 1
    sys.exit(failed)


main()
