#!/bin/bash
# attack.sh -- how much of its handshakes a server still does under attack: the appliance, and nginx on
# the kernel, beside each other in the same namespaces, each with one worker on the same core in turns.
# For each attack and server: the rate undisturbed, then the same client beside the attack, at once
# after each other; the share is what counts. Attacks come from the client's namespace and core, so the
# handshakes are with RSA: those cost a server so much that the client's core has room for both.
#   bench/attack.sh [SECONDS]         3 a run, 7 attacks, 2 servers: about two minutes
#   SERVER_CORE=0 CLIENT_CORE=1 ATTACKS="syn40 syn100 hold drip rst data"
# Writes the table to standard output. "memory" is the appliance's and its worker's, before and after.
set -uo pipefail
if [ -z "${BENCH_SERVERS:-}" ]; then
	root=$(readlink -f "$(dirname "$0")/..")
	make --no-print-directory -C "$root" all build/hfattack || exit 1
	BENCH_PEERS=nginx_http exec "$root/bench/farm.sh" "$root/bench/attack.sh" "$@"
fi
seconds=${1:-3}
bin=$(readlink -f "$(dirname "$0")/../build")
client=$FARM_CLIENT appl=$FARM_APPL
in_client() { ip netns exec "$client" taskset -c "$CLIENT_CORE" "$@"; }

# rate NAME: handshakes a second, now.
rate() {
	in_client "$bin/hfbench" -q -c 64 -d "$seconds" --timeout 3000 --sni handfast.test --close rst --cipher ECDHE-RSA-AES128-GCM-SHA256 \
		--json "$tmp/rate.json" "${address[$1]}" >"$tmp/hfbench.log" 2>&1
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["handshakes_per_second"])' "$tmp/rate.json" 2>/dev/null || echo 0
}

# attack WHAT NAME: in the background, for longer than the client needs.
attack() {
	local dev=hf1 mac to=${address[$2]} spoofed=198.18.0.0/15 own=10.9.0.2 long=$((seconds + 4))
	[ "$2" = handfast ] || { dev=ng1 own=10.9.1.2; }
	mac=${mac_of[$2]}
	case $1 in
	syn40) set -- syn 40000 $long $dev "$mac" $spoofed "$to" ;;
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

before=$(memory)
printf '%-10s %12s %8s %8s    %12s %8s %8s   %s\n' attack "handfast/s" under share "nginx/s" under share "what was done (to nginx)"
for what in ${ATTACKS:-syn40 syn100 hold drip rst data}; do
	line=$(printf '%-10s' "$what")
	for name in handfast nginx; do
		calm=$(rate $name)
		attack "$what" $name
		case $what in hold) sleep 3 ;; *) sleep 0.5 ;; esac
		under=$(rate $name)
		kill -0 $attacker 2>/dev/null || under="$under(!)" # it had ended before the client
		wait $attacker
		line+=$(python3 -c 'import sys; c, u = float(sys.argv[1]), float(sys.argv[2].rstrip("(!)")); print("   %10.0f %8.0f %7.0f%% " % (c, u, 100 * u / max(c, 1)))' "$calm" "$under")
	done
	echo "$line   $(cat "$tmp/attack.log")"
done
echo "memory of the appliance: $before KB before, $(memory) KB after"
