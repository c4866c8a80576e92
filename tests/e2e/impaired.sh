#!/bin/bash
# Bodies over a bad cable (tests/e2e/wire.c): 2 % of the frames lost in each direction, 25 % overtaken, 1 % doubled,
# 0.1 % damaged, 50 ms late by 20 more or less. Every download and upload is the same to the last byte.
#   impaired.sh [COUNT [BYTES]]      default: 6 of 500 KB each way
. "$(dirname "$0")/e2e.bash"
count=${1:-6} bytes=${2:-500000}
FARM_WIRE="seed=7 loss=20 reorder=250 dup=10 corrupt=1 delay=50 jitter=20"

[ "$FARM_BIN" != "$PWD/build" ] || make -s build/wire || exit 1
e2e_up
e2e_file body "$bytes"

# COMMAND NAME: so many at once, each told by its number; all must succeed.
many() {
	seq "$count" | xargs -P 8 -I '{}' bash -c "$1" _ '{}'
}
download() { e2e_same body --max-time 250 --retry 0; }
upload() {
	farm_curl "/upload/$1" --max-time 250 -T "$FARM_DIR/files/body" -o /dev/null &&
		cmp "$FARM_DIR/upload/$1" "$FARM_DIR/files/body"
}
export -f download upload e2e_same farm_curl farm_in_client
export FARM_DIR FARM_CA FARM_SNI FARM_PORT FARM_ADDRESS FARM_CLIENT

check "$count downloads of $bytes bytes" many download
check "$count uploads of $bytes bytes" many 'upload "$1"'
kill -TERM "$FARM_WIRE_PID"
farm_wait 5 farm_all_gone "$FARM_WIRE_PID"
grep -v '^up' "$FARM_DIR/wire.log"
check "the cable was bad" awk '/lost/ && $6 + 0 > 0 { bad++ } END { exit bad != 2 }' "$FARM_DIR/wire.log"
check "what was damaged was refused" test "$(($(farm_stat net tcp_bad_sum) + $(farm_stat net ip_bad_sum)))" -gt 0
finish
