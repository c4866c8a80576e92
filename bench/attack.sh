#!/bin/bash
# attack.sh -- how much of its handshakes a server still does under attack: the appliance, and nginx on
# the kernel, beside each other in the same namespaces, each with one worker on the same core in turns.
# For each attack and server: the rate undisturbed, then the same client beside the attack, at once
# after each other; the share is what counts. Attacks come from the client's namespace and core, so the
# handshakes are with RSA: those cost a server so much that the client's core has room for both.
#   bench/attack.sh [SECONDS [ROUNDS]]   3 a run, 3 rounds of 7 attacks on 2 servers: six minutes
#   SERVER_CORE=0 CLIENT_CORE=1 ATTACKS="rst data drip hold syn40 syn100 new40"
# Writes a table to standard output: medians of the rounds, and each round's share. Clients have been there
# before the attack, as most of a site's have: the appliance knows their prefix (lib/net/guard.h). Those of
# new40, 50 a second, have not: each comes from an address of its own; what is told is how many get in, and
# after how long in the middle. "memory" is the appliance's and its worker's, before and after.
set -uo pipefail
if [ -z "${BENCH_SERVERS:-}" ]; then
	root=$(readlink -f "$(dirname "$0")/..")
	make --no-print-directory -C "$root" all build/hfattack || exit 1
	BENCH_PEERS=nginx_http exec "$root/bench/farm.sh" "$root/bench/attack.sh" "$@"
fi
seconds=${1:-3} rounds=${2:-3}
bin=$(readlink -f "$(dirname "$0")/../build")
client=$FARM_CLIENT appl=$FARM_APPL
in_client() { ip netns exec "$client" taskset -c "$CLIENT_CORE" "$@"; }

# rate WHAT NAME: handshakes a second, now, and the median of their times.
rate() {
	local how=(-c 64 -d "$seconds" --timeout 3000)
	[ "$1" != new40 ] || how=(--rate 50 -n $((50 * seconds)) --timeout 12000 --from 11.0.0.0/8)
	in_client "$bin/hfbench" -q "${how[@]}" --sni handfast.test --close rst --cipher ECDHE-RSA-AES128-GCM-SHA256 \
		--json "$tmp/rate.json" "${address[$2]}" >"$tmp/hfbench.log" 2>&1
	python3 - "$tmp/rate.json" <<-'END' || echo 0 0
		import json, sys
		m = json.load(open(sys.argv[1]))
		served = m["handshakes_per_second"]
		if m["rate"]:
		    served = m["rate"] * m["handshakes"] / max(m["started"], 1)
		print(served, m["handshake_ms"]["p50"])
	END
}

# attack WHAT NAME: in the background, for longer than the client needs.
attack() {
	local dev=hf1 mac to=${address[$2]} spoofed=198.18.0.0/15 own=10.9.0.2 long=$((seconds + 2))
	[ "$2" = handfast ] || { dev=ng1 own=10.9.1.2; }
	[ "$1" != new40 ] || long=$((seconds + 14))
	mac=${mac_of[$2]}
	case $1 in
	syn40 | new40) set -- syn 40000 $long $dev "$mac" $spoofed "$to" ;;
	syn100) set -- syn 100000 $long $dev "$mac" $spoofed "$to" ;;
	hold) set -- hold 9000 $((long + 3)) "$to" ;;
	drip) set -- drip 1000 $long "$to" ;;
	rst) set -- rst 40000 $long $dev "$mac" $own "$to" ;;
	data) set -- data 40000 $long $dev "$mac" $own "$to" ;;
	esac
	in_client "$bin/hfattack" "$@" >"$tmp/attack.log" 2>&1 &
	attacker=$!
}

memory() { awk '/VmRSS/ { print $2 }' "/proc/$BENCH_APPLIANCE/status"; }

tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
declare -A address mac_of
address[handfast]=10.9.0.1:443 mac_of[handfast]=$(ip netns exec "$appl" cat /sys/class/net/hf0/address)
address[nginx]=10.9.1.1:8001 mac_of[nginx]=$(ip netns exec "$appl" cat /sys/class/net/ng0/address)
# What answers spoofed addresses must find a way, or the kernel would drop their SYNs at once.
ip -n "$appl" route add default via 10.9.1.2 dev ng0
ip netns exec "$appl" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.ng0.rp_filter=0
ulimit -n "$(ulimit -Hn)"

# What else this machine does is not to be measured: everybody here goes first.
for pid in $(cut -f4 "$BENCH_SERVERS"); do
	for task in /proc/"$pid"/task/*; do renice -n -15 -p "${task##*/}" >/dev/null; done
	echo -15 2>/dev/null >/proc/"$pid"/autogroup
done
renice -n -15 -p $$ >/dev/null
echo -15 2>/dev/null >/proc/$$/autogroup

ip -n "$client" route add local 11.0.0.0/8 dev lo
before=$(memory)
# Floods of SYNs come last: nginx's kernel repeats its SYN-ACKs to nobody for a minute afterwards, on the core of both.
for what in ${ATTACKS:-rst data drip hold syn40 syn100 new40}; do
	for round in $(seq "$rounds"); do
		for name in handfast nginx; do
			calm=$(rate "$what" $name)
			attack "$what" $name
			case $what in hold) sleep 3 ;; *) sleep 0.5 ;; esac
			under=$(rate "$what" $name)
			kill -0 $attacker 2>/dev/null || echo "attack: $what ended before its client" >&2
			kill $attacker
			wait $attacker
			echo "$what $name $calm $under $(tail -n 1 "$tmp/attack.log")" >>"$tmp/rows"
		done
		echo "$what: round $round of $rounds" >&2
	done
done
python3 - "$tmp/rows" <<-'END'
	import statistics, sys
	rows, order = {}, []
	for line in open(sys.argv[1]):
	    what, name, calm, ms, under, under_ms, said = (line.rstrip() + " ").split(" ", 6)
	    if what not in order:
	        order.append(what)
	    rows.setdefault((what, name), []).append((float(calm), float(ms), float(under), float(under_ms), said))
	def column(what, name):
	    v = rows[what, name]
	    share = [100 * u / max(c, 1) for c, _, u, _, _ in v]
	    ms = " p50 %.0f ms, %.0f without" % tuple(statistics.median(r[i] for r in v) for i in (3, 1)) if what == "new40" else ""
	    return "%8.0f %7.0f %6.0f%% (%s)%s" % (
	        statistics.median(r[0] for r in v), statistics.median(r[2] for r in v),
	        statistics.median(share), " ".join("%.0f" % s for s in sorted(share)), ms)
	print("%-8s %s" % ("attack", "for handfast and for nginx: handshakes/s, under attack, share (of each round); what was done"))
	for what in order:
	    print("%-8s handfast %s" % (what, column(what, "handfast")))
	    print("%-8s nginx    %s   %s" % ("", column(what, "nginx"), rows[what, "nginx"][-1][4]))
END
echo "memory of the appliance: $before KB before, $(memory) KB after"
