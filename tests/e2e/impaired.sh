#!/bin/bash
# Bodies over a bad cable (tests/e2e/wire.c), by IPv4 and by IPv6: 2 % of the frames lost in each direction, 25 %
# overtaken, 1 % doubled, 0.1 % damaged, 50 ms late by 20 more or less. Every download and upload is the same to the
# last byte. Then a good cable that in the middle of a download carries no more than 1280 bytes, and says nothing.
#   impaired.sh [COUNT [BYTES [AT-ONCE]]]      default: 6 of 500 KB each way and family, 8 at once
. "$(dirname "$0")/e2e.bash"
count=${1:-6} bytes=${2:-500000} at_once=${3:-8}
FARM_IPV6=1
FARM_WIRE="seed=7 loss=20 reorder=250 dup=10 corrupt=1 delay=50 jitter=20"

e2e_cable
e2e_up
e2e_file body "$bytes"
e2e_file 5m 5000000

# COMMAND NAME: so many at once, each told by its number; all must succeed.
many() {
	seq "$count" | xargs -P "$at_once" -I '{}' bash -c "$1" _ '{}'
}
download() { e2e_same body --max-time 600 --retry 0; }
upload() {
	farm_curl "/upload/$1" --max-time 600 -T "$FARM_DIR/files/body" -o /dev/null &&
		cmp "$FARM_DIR/upload/$1" "$FARM_DIR/files/body"
}
black_hole() {
	local before status
	before=$(farm_stat tcp pmtu_black_holes) || return
	e2e_same 5m --max-time 60 &
	sleep 0.5
	kill -USR1 "$FARM_WIRE_PID"
	wait $!
	status=$?
	kill -USR2 "$FARM_WIRE_PID"
	[ "$status" -eq 0 ] || { echo "download ended with $status"; return 1; }
	[ "$(farm_stat tcp pmtu_black_holes)" -gt "$before" ] || { echo "no black hole was found"; return 1; }
}
export -f download upload e2e_same farm_curl farm_in_client
export FARM_DIR FARM_CA FARM_SNI FARM_PORT FARM_ADDRESS FARM_CLIENT FARM_TO

for FARM_TO in "$FARM_ADDRESS" "[$FARM_ADDRESS6]"; do
	check "$count downloads of $bytes bytes from $FARM_TO" many download
	check "$count uploads of $bytes bytes to $FARM_TO" many 'upload "$1"'
	rm -f "$FARM_DIR"/upload/*
done
kill -TERM "$FARM_WIRE_PID"
farm_wait 5 farm_all_gone "$FARM_WIRE_PID"
grep -v '^up' "$FARM_DIR/wire.log"
check "the cable was bad" awk '/lost/ && $6 + 0 > 0 { bad++ } END { exit bad != 2 }' "$FARM_DIR/wire.log"
check "what was damaged was refused" test "$(($(farm_stat net tcp_bad_sum) + $(farm_stat net ip_bad_sum)))" -gt 0
FARM_WIRE="rate=20" # 5 MB take two seconds: the path narrows in the middle of them
farm_cable || farm_fail "no good cable"
for FARM_TO in "$FARM_ADDRESS" "[$FARM_ADDRESS6]"; do
	check "5 MB from $FARM_TO through what becomes a black hole for more than 1280 bytes" black_hole
done
finish
