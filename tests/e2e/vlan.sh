#!/bin/bash
# The appliance at a switch's trunk (tests/e2e/wire.c plays the switch): addresses in VLAN 12 and in VLAN 13,
# of both families, are served in theirs and nobody's elsewhere; two workers, so that tagged frames cross.
. "$(dirname "$0")/e2e.bash"
FARM_IPV6=1
FARM_WORKERS=2
FARM_VLAN=12
FARM_WIRE=vlan=12
FARM_MORE="10.9.0.3/24@13, 'fd09::3/64@13', 10.9.0.4/24"

page() { # TO FROM
	local FARM_TO=$1
	farm_curl / --max-time 10 | grep "you came from $2\$"
}
no_page() { # TO
	local FARM_TO=$1
	! farm_curl / --max-time 2
}
move_to() { # a cable in another VLAN, or in none
	FARM_WIRE=$1
	farm_cable && ip -n "$FARM_CLIENT" neigh flush dev hf1
}

e2e_cable
e2e_up
e2e_file 10m 10485760
check "a page in VLAN 12 over IPv4" page "$FARM_ADDRESS" 10.9.0.2
check "a page in VLAN 12 over IPv6" page "[$FARM_ADDRESS6]" fd09::2
check "10 MB down over IPv4" e2e_to "$FARM_ADDRESS" e2e_same 10m
check "10 MB down over IPv6" e2e_to "[$FARM_ADDRESS6]" e2e_same 10m
check "10 MB up over IPv6" e2e_to "[$FARM_ADDRESS6]" e2e_upload 10m
check "ping, as long as a frame" e2e_ping -4 -c 2 -i 0.2 -s 1472 "$FARM_ADDRESS"
check "ping over IPv6, as long as a frame" e2e_ping -6 -c 2 -i 0.2 -s 1452 "$FARM_ADDRESS6"
check "what is in VLAN 13 is not here" no_page 10.9.0.3
check "what is in none is not here" no_page 10.9.0.4
move_to vlan=13
check "a page in VLAN 13 over IPv4" page 10.9.0.3 10.9.0.2
check "a page in VLAN 13 over IPv6" page "[fd09::3]" fd09::2
check "what is in VLAN 12 is not here" no_page "$FARM_ADDRESS"
move_to vlan=14
check "in VLAN 14 nobody is" no_page 10.9.0.3
check "which is counted" test "$(farm_stat net vlan)" -gt 0
move_to ""
check "a page without a tag" page 10.9.0.4 10.9.0.2
check "what is in VLAN 12 is not there" no_page "[$FARM_ADDRESS6]"
check "idle afterwards" e2e_idle_soon
finish
