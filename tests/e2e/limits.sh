#!/bin/bash
# Limits of prefixes on a real port: clients of two networks, one of which is over its limit, is denied or
# is allowed, while the other goes on as ever; and a flood of SYNs from nowhere, which clients that were
# here before do not notice, and new ones get through. Everything by reload, on one appliance.
. "$(dirname "$0")/e2e.bash"

[ "$FARM_BIN" != "$farm_root/build" ] || make -s build/hfattack || farm_fail "hfattack does not build"
hfctl() { "$FARM_BIN/hfctl" -s "$FARM_STATS" "$@"; }

one=10.7.1.2 two=10.7.2.2 three=10.7.3.2

networks() {
	local a
	for a in $one $two $three; do
		ip -n "$FARM_CLIENT" addr add "$a/32" dev hf1 || return
	done
}

# LIMITS...: the options of the demo with these lines of limits.
limits() {
	cp "$FARM_DIR/demo.yaml" "$FARM_DIR/handfast.yaml"
	[ $# -eq 0 ] || printf 'limits:\n' >>"$FARM_DIR/handfast.yaml"
	[ $# -eq 0 ] || printf '  %s\n' "$@" >>"$FARM_DIR/handfast.yaml"
	hfctl reload
}

# page SOURCE: within the time in which a SYN is not said again.
page() { farm_curl / --interface "$1" --connect-timeout 0.8 -o /dev/null; }

# connects SOURCE COUNT: how many of so many connections, opened at once, are heard within a second: what
# they say is no TLS, so they get an alert.
connects() {
	farm_in_client python3 - "$1" "$2" "$FARM_ADDRESS" "$FARM_PORT" <<-'END'
		import select, socket, sys, time
		source, count, address, port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
		poll = select.poll()
		socks = {}
		for _ in range(count):
		    s = socket.socket()
		    s.bind((source, 0))
		    s.setblocking(False)
		    s.connect_ex((address, port))
		    socks[s.fileno()] = s
		    poll.register(s, select.POLLOUT)
		heard, end = 0, time.monotonic() + 0.8
		while heard < count and time.monotonic() < end:
		    for fd, event in poll.poll(50):
		        if event & select.POLLOUT and not event & select.POLLERR:
		            socks[fd].send(b"GET / HTTP/1.1\r\n\r\n")
		            poll.modify(fd, select.POLLIN)
		            continue
		        heard += bool(event & select.POLLIN)
		        poll.unregister(fd)
		print(heard)
	END
}

# COUNTER at least N more than BEFORE
grew() {
	local now
	now=$(farm_stat "${1%.*}" "${1#*.}") && [ "$now" -ge $(($2 + $3)) ] && return
	echo "$1 is ${now:-missing}, was $2"
	return 1
}

# MATCH: a line of the offenders does.
offends() { hfctl offenders | grep -E "$1" || { hfctl offenders; return 1; }; }

handshakes_are_limited() {
	local got before
	before=$(farm_stat guard refused_handshakes)
	limits "handshakes: 5" || return
	got=$(connects $one 40)
	[ "$got" -ge 4 ] && [ "$got" -le 8 ] || { echo "$got of 40 were heard"; return 1; }
	page $two || return
	grew guard.refused_handshakes "$before" 30 && offends '^10\.7\.1\.0/24 .* [1-9]' &&
		sleep 2.5 && page $one
}

none_half_open() { [ "$(farm_stat tcp half_open)" = 0 ]; }

half_open_is_limited() {
	local before mac
	farm_wait 60 none_half_open || return # those whose third ACK was refused before
	before=$(farm_stat guard refused_half_open)
	mac=$(farm_in_appl cat /sys/class/net/hf0/address)
	limits "half_open: 10" || return
	farm_in_client "$FARM_BIN/hfattack" syn 200 1 hf1 "$mac" 10.7.1.128/25 "$FARM_ADDRESS:$FARM_PORT" || return
	page $two || return
	page $one 2>/dev/null && { echo "served over its limit"; return 1; }
	grew guard.refused_half_open "$before" 100 && [ "$(farm_stat tcp half_open)" -le 10 ] &&
		farm_wait 15 page $one # they are given up
}

cost_is_limited() {
	local before n in=0
	before=$(farm_stat guard refused_cost)
	limits "cost: 2ms" || return
	for n in $(seq 12); do
		page $one 2>/dev/null && in=$((in + 1))
	done
	[ $in -ge 1 ] && [ $in -lt 12 ] || { echo "$in of 12 were served"; return 1; }
	page $two && grew guard.refused_cost "$before" 1 && offends '^10\.7\.1\.0/24'
}

denied() {
	local before
	before=$(farm_stat net denied)
	limits "deny: [10.7.1.0/24]" | grep -q 'limits.deny' || { echo "the reload does not tell"; return 1; }
	page $one 2>/dev/null && { echo "served"; return 1; }
	page $two && grew net.denied "$before" 1 && limits && page $one
}

only_allowed() {
	limits "deny: [0.0.0.0/0]" "allow: [10.7.2.0/24]" || return
	page $one 2>/dev/null && { echo "served"; return 1; }
	page $two
}

allowed_have_no_limits() {
	local got
	limits "handshakes: 1" "strangers: 1" "allow: [$one]" || return
	got=$(connects $one 200)
	[ "$got" = 200 ] || { echo "$got of 200 were heard"; return 1; }
	[ "$(connects $two 40)" -le 3 ]
}

# The flood is so large that no stranger's share could answer it.
flood() {
	local n before mac flood bad=0 new=0
	limits "strangers: 1" && page $two || return
	before=$(farm_stat tcp in_syn_stranger)
	mac=$(farm_in_appl cat /sys/class/net/hf0/address)
	farm_in_client nice "$FARM_BIN/hfattack" syn 30000 20 hf1 "$mac" 198.18.0.0/15 "$FARM_ADDRESS:$FARM_PORT" >/dev/null &
	flood=$!
	sleep 2.5 # what a second allows is spent
	for n in $(seq 10); do
		page $two || bad=$((bad + 1))
	done
	farm_curl / --interface $three --connect-timeout 10 -o /dev/null && new=1
	kill $flood
	wait $flood 2>/dev/null
	[ $bad -le 1 ] || { echo "$bad of 10 known ones had to say it again"; return 1; }
	[ $new = 1 ] || { echo "the new one did not get in"; return 1; }
	grew tcp.in_syn_stranger "$before" 10000
}

mistakes_change_nothing() {
	local said
	said=$(limits "deny: [10.7.1.2/24]" 2>&1) && { echo "taken"; return 1; }
	grep -q 'limits.deny\[0\]: "10.7.1.2/24" has bits behind its prefix' <<<"$said" && page $one
}

farm_begin
networks || farm_fail "no addresses for the clients"
farm_web 1
e2e_config
cp "$FARM_DIR/handfast.yaml" "$FARM_DIR/demo.yaml"
farm_appliance
farm_relay
e2e_attached 1
e2e_serving
check "handshakes a second, by prefix" handshakes_are_limited
check "half-open connections, by prefix" half_open_is_limited
check "cost, by prefix" cost_is_limited
check "denied" denied
check "only who is allowed" only_allowed
check "who is allowed has no limits" allowed_have_no_limits
check "a flood of SYNs" flood
check "a wrong list is refused" mistakes_change_nothing
limits >/dev/null
check "idle in the end" e2e_idle_soon 60
finish
