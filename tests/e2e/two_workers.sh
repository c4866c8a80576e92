#!/bin/bash
# Two workers on one af_packet port whose rings are far too small: the kernel's rollover mixes flows
# over both queues, so segments reach the wrong worker and must cross. No byte may be lost to a
# client or come out of order.
. "$(dirname "$0")/e2e.bash"

under_overload() {
	local out=$FARM_DIR/overload n load status
	mkdir -p "$out"
	farm_in_client "$FARM_BIN/hfbench" -q -d 20 -c 100 --request /files/100k --sni "$FARM_SNI" \
		--cipher AES128-GCM-SHA256 --timeout 60000 --json "$FARM_DIR/load.json" \
		"$FARM_ADDRESS:$FARM_PORT" >"$FARM_DIR/load.log" 2>&1 &
	load=$!
	farm_curl "/files/10m?[1-16]" --parallel --parallel-max 16 -o "$out/#1"
	status=$?
	wait "$load" || { tail -n 5 "$FARM_DIR/load.log"; return 1; }
	[ $status -eq 0 ] || return $status
	for n in $(seq 16); do
		cmp "$out/$n" "$FARM_DIR/files/10m" || return
	done
}

# FARM_STAT at least N
at_least() {
	local value
	value=$(farm_stat "$1" "$2") && echo "$1.$2 is $value" && [ "$value" -ge "$3" ]
}

crossings_arrive() {
	local out in
	out=$(farm_stat worker crossed_out) in=$(farm_stat worker crossed_in)
	echo "crossed out $out, in $in"
	[ "$out" = "$in" ]
}

both_work() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json | python3 -c '
import json, sys
opened = {s["labels"]["worker"]: s["rows"]["conns_opened"]
    for s in json.load(sys.stdin) if s["module"] == "worker"}
print(opened)
assert len(opened) == 2 and all(opened.values())'
}

FARM_WORKERS=2
FARM_DEVICE=net_af_packet0,iface=hf0,framecnt=128
e2e_up
e2e_file 100k 102400
e2e_file 10m 10485760
check "16 downloads of 10 MB beside 100 clients, byte for byte" under_overload
check "both workers had connections" both_work
check "segments crossed" at_least worker crossed_out 1
check "every crossing arrived" farm_wait 5 crossings_arrive
check "idle afterwards" e2e_idle_soon
finish
