#!/bin/bash
# Clients behind a router, over IPv4 and IPv6: the path becomes narrower in the middle of a download, the
# router says so, and the download goes on in shorter segments; and the appliance finds the routers of
# both families by itself (l2: gateway).
. "$(dirname "$0")/e2e.bash"
FARM_IPV6=1
FARM_WORKERS=2 # what one learns of the routers, both must know
FARM_ROUTER=1

# The link between router and client carries so much from now on.
narrow_to() { ip -n "$FARM_BETWEEN" link set hfw1 mtu "$1"; }

# TO MTU: a download of 10 MB that takes some two seconds, and has a narrower path from the first half
# second on.
narrows() {
	local FARM_TO=$1 status before
	before=$(farm_stat tcp pmtu_shortened) || return
	narrow_to 1500
	e2e_same 10m --limit-rate 5M &
	sleep 0.5
	narrow_to "$2"
	wait $!
	status=$?
	narrow_to 1500
	[ "$status" -eq 0 ] || { echo "download ended with $status"; return 1; }
	[ "$(farm_stat tcp pmtu_shortened)" -gt "$before" ] || { echo "nobody believed the router"; return 1; }
}

# The appliance anew, and this time it must find its routers.
by_gateway() {
	farm_stop "$FARM_PID" "$FARM_RELAY_PID"
	sed -i 's/^    addresses:.*/&\n    gateway: 10.9.0.254\n    gateway6: fd09::fe\n    l2: gateway/' \
		"$FARM_DIR/handfast.yaml"
	farm_appliance && farm_relay && farm_wait 15 farm_curl /
}
page() {
	local FARM_TO=$1
	farm_curl / | grep "you came from $2\$"
}
learned() { [ "$(farm_stat net arp_learned)" -ge 1 ] && [ "$(farm_stat net nd_learned)" -ge 1 ]; }
e2e_up
e2e_file 10m 10485760
# What the client has not asked for stays with the appliance: with the room that the kernel gives by itself,
# all of the 10 MB could be past the router before the path narrows, and no segment too long for it.
farm_in_client sysctl -qw net.ipv4.tcp_rmem="4096 131072 1048576"
v6="[$FARM_ADDRESS6]"
check "a page from behind the router over IPv4" page "$FARM_ADDRESS" 10.8.0.2
check "a page from behind the router over IPv6" page "$v6" fd08::2
check "10 MB over IPv4 while the path narrows to 1300" narrows "$FARM_ADDRESS" 1300
check "10 MB over IPv6 while the path narrows to 1400" narrows "$v6" 1400
check "10 MB over IPv6 while the path narrows to 1280" narrows "$v6" 1280
check "the routers are found" by_gateway
check "by ARP and by neighbour discovery" farm_wait 5 learned
check "a page by way of the gateway over IPv4" page "$FARM_ADDRESS" 10.8.0.2
check "a page by way of the gateway over IPv6" page "$v6" fd08::2
# Below 1280 the kernel takes IPv6 from the link: hence at the end.
check "10 MB over IPv4 while the path narrows to 600" narrows "$FARM_ADDRESS" 600
check "idle afterwards" e2e_idle_soon
finish
