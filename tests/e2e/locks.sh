#!/bin/bash
# A worker takes no pthread lock for a handshake that is resumed, alone or beside another in its process:
# counted, for libcrypto too, in the program that also measures what two workers cost each other. And
# hfbench's own TCP, which that program uses, bears losses.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ "${FARM_BIN:-build}" != build ] || make -s build/bench-workers || exit 1
"${FARM_BIN:-build}/bench-workers" --locks && "${FARM_BIN:-build}/bench-workers" --lossy
