#!/bin/bash
# hfrelay between a peer that speaks the link and servers that misbehave in every way: relay_farm.py
# has the servers and the checks, relay_peer.c is the other end of the link. On loopback only.
cd "$(dirname "$0")/../.." || exit 1
[ -n "${FARM_BIN:-}" ] || make -s build/hfrelay build/hfecho build/tests/e2e/relay_peer || exit 1
exec python3 tests/e2e/relay_farm.py "${FARM_BIN:-build}"
