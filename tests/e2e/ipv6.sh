#!/bin/bash
# IPv6 on the wire, beside IPv4 on the same port, with two workers: real clients find the
# appliance by neighbour discovery, get pages and 10 MB both ways; web servers see where they come from;
# an address that is taken cannot be taken; fragments are counted and do nothing.
. "$(dirname "$0")/e2e.bash"
FARM_IPV6=1
FARM_WORKERS=2

comes_from() { # TO FROM
	e2e_to "$1" farm_curl / | grep "you came from $2\$"
}
parallel() {
	local out=$FARM_DIR/parallel n
	mkdir -p "$out"
	farm_curl "/files/100k?[1-100]" --parallel --parallel-immediate --parallel-max 50 -o "$out/#1" ||
		return
	for n in $(seq 100); do
		cmp "$out/$n" "$FARM_DIR/files/100k" || return
	done
}
both_work() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json | python3 -c '
import json, sys
opened = {s["labels"]["worker"]: s["rows"]["conns_opened"]
    for s in json.load(sys.stdin) if s["module"] == "worker"}
print(opened)
assert len(opened) == 2 and all(opened.values())'
}
at_least() { # MODULE ROW N
	local value
	value=$(farm_stat "$1" "$2") && echo "$1.$2 is $value" && [ "$value" -ge "$3" ]
}

# The kernel asks whether it may have the appliance's address, and gives it up (RFC 4862 5.4).
address_is_taken() {
	farm_in_client sysctl -qw net.ipv6.conf.hf1.dad_transmits=1 net.ipv6.conf.hf1.accept_dad=1
	ip -n "$FARM_CLIENT" addr add "$FARM_ADDRESS6/128" dev hf1
	farm_wait 5 dad_failed
	local status=$?
	ip -n "$FARM_CLIENT" addr del "$FARM_ADDRESS6/128" dev hf1
	return $status
}
dad_failed() { ip -n "$FARM_CLIENT" -6 addr show dev hf1 dadfailed | grep -w "$FARM_ADDRESS6"; }

# A ping longer than a frame comes in fragments, which are dropped. (Of IPv4 the kernel puts them together
# itself for DPDK's af_packet, whose sockets ask for that: PACKET_FANOUT_FLAG_DEFRAG.)
fragments() {
	local before
	before=$(farm_stat net ip_fragment) || return
	e2e_ping -6 -c 2 -i 0.2 -s 3000 "$FARM_ADDRESS6" && { echo "answered"; return 1; }
	echo "$(($(farm_stat net ip_fragment) - before)) fragments"
	[ $(($(farm_stat net ip_fragment) - before)) -ge 6 ] # two messages in three each
}

# A client of IPv6 that speaks no TLS stands among the failures by its address.
failure_is_told() {
	farm_in_client bash -c "exec 3<>/dev/tcp/$FARM_ADDRESS6/$FARM_PORT && echo 'GET / HTTP/1.0' >&3 &&
		timeout 5 cat <&3 >/dev/null"
	farm_wait 5 failure_shown || { "$FARM_BIN/hfctl" -s "$FARM_STATS" failures; return 1; }
}
failure_shown() { "$FARM_BIN/hfctl" -s "$FARM_STATS" failures | grep -F '[fd09::2]:'; }

e2e_up
e2e_file 100k 102400
e2e_file 10m 10485760
check "a page over IPv4, beside it" comes_from "$FARM_ADDRESS" 10.9.0.2
check "a page over IPv6, its client named to the web server" comes_from "[$FARM_ADDRESS6]" fd09::2
FARM_TO="[$FARM_ADDRESS6]"
check "10 MB down over IPv6" e2e_same 10m
check "10 MB up over IPv6" e2e_upload 10m
check "100 downloads over IPv6, 50 at a time" parallel
check "both workers had connections" both_work
check "ping over IPv6" e2e_ping -6 -c 5 -i 0.2 "$FARM_ADDRESS6"
check "ping over IPv6, as long as a frame" e2e_ping -6 -c 2 -i 0.2 -s 1452 "$FARM_ADDRESS6"
check "solicitations were answered" at_least net nd_replied 1
check "an address that is taken cannot be taken" address_is_taken
check "fragments are dropped and counted" fragments
check "a failure names its client" failure_is_told
check "idle afterwards" e2e_idle_soon
finish
