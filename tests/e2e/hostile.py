#!/usr/bin/python3
"""hostile.py SOCKET SIN: a backend that attaches as link_abi.h asks, commits one sin, and then wants
to be cut off: exit status 0 when the appliance has hung up within five seconds."""
import mmap, socket, struct, sys

MAGIC, VERSION, HELLO, WELCOME, LINK = 0x4B4C4648, 2, 1, 2, 3
HEAD, RING = 128, 4096
DATA = 2
CTL = struct.Struct("<10I32s")


def record(length, kind, stream=1 << 32, flags=0):
    return struct.pack("<IHHQ", length, kind, flags, stream)


# name: (what goes into the ring, the head that announces it)
SINS = {
    "bad_index": (b"", 1 << 40),
    "bad_index_crooked": (b"", 8),
    "bad_length": (record(0xFFFFFFFF, DATA), 16),
    "bad_length_short": (record(16, DATA), 16),
    "bad_type": (record(0, 77), 16),
    "bad_flags": (record(16, DATA, flags=1) + bytes(16), 32),
    "bad_stream": (record(16, DATA, stream=0xFFFFFFFF00000001) + bytes(16), 32),
}

path, sin = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(5)
s.connect(path)
s.send(CTL.pack(MAGIC, VERSION, HELLO, 0, 0, 0, 0, 0, 65536, 0, b"hostile"))
welcome, _, _, _ = socket.recv_fds(s, CTL.size, 1)
kind, worker_cnt = CTL.unpack(welcome)[2], CTL.unpack(welcome)[5]
assert kind == WELCOME, kind
rings = []
for _ in range(worker_cnt):
    link, fds, _, _ = socket.recv_fds(s, CTL.size, 3)
    assert CTL.unpack(link)[2] == LINK
    rings.append(mmap.mmap(fds[1], RING + CTL.unpack(link)[7]))
payload, head = SINS[sin]
for m in rings:
    m[RING : RING + len(payload)] = payload
    m[HEAD : HEAD + 8] = struct.pack("<Q", head)
sys.exit(0 if s.recv(1) == b"" else 1)
