#!/bin/bash
# The same demo over an AF_XDP port: the interface's frames go past the kernel's stack into buffers of the
# appliance. Pages, bytes both ways, a crowd, both families; and an appliance that was killed, which
# leaves its XDP program on the interface, is followed by one that serves.
. "$(dirname "$0")/e2e.bash"
FARM_IPV6=1
FARM_DEVICE=net_af_xdp0,iface=hf0,busy_budget=0 # a veth has no queue that could be polled by the reader

to6() { e2e_to "[$FARM_ADDRESS6]" "$@"; }
crowd() { # COUNT CONCURRENT
	json=$FARM_DIR/load.json
	farm_in_client "$FARM_BIN/hfbench" -q -n "$1" -c "$2" --request /files/10k --sni "$FARM_SNI" \
		--ca "$FARM_CA" --json "$json" "$FARM_ADDRESS:$FARM_PORT" &&
		holds "m['replies'] == $1 and m['reply_bytes'] == $1 * 10240 and m['failed'] == 0"
}
past_the_kernel() {
	ip -n "$FARM_APPL" link show dev hf0 | grep -w xdp &&
		[ "$(farm_in_appl cat /proc/net/packet | wc -l)" -eq 1 ] # its heading: no packet socket
}
nothing_lost() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json | python3 -c '
import json, sys
rows = {s["module"]: s["rows"] for s in json.load(sys.stdin)}
print({k: rows[m][k] for m in ("device", "port") for k in rows[m]})
assert rows["device"]["rx_no_buffer"] == rows["port"]["tx_dropped"] == rows["port"]["tx_empty"] == 0
assert rows["device"]["buffers_free"] > 1000'
}
killed_and_again() {
	kill -KILL "$FARM_PID" && farm_wait 5 farm_all_gone "$FARM_PID" || return
	farm_appliance
	farm_wait 15 farm_curl /
}

e2e_up
e2e_file 10k 10240
e2e_file 10m 10485760
check "the interface has an XDP program and no packet socket" past_the_kernel
check "a page over IPv4" farm_curl /
check "a page over IPv6" to6 farm_curl /
check "10 MB down over IPv4" e2e_same 10m
check "10 MB down over IPv6" to6 e2e_same 10m
check "10 MB up over IPv4" e2e_upload 10m
check "10 MB up over IPv6" to6 e2e_upload 10m
check "1,000 new connections, 50 at a time" crowd 1000 50
check "ping, as long as a frame" e2e_ping -4 -c 2 -i 0.2 -s 1472 "$FARM_ADDRESS"
check "ping over IPv6, as long as a frame" e2e_ping -6 -c 2 -i 0.2 -s 1452 "$FARM_ADDRESS6"
check "no buffer was missed, no frame dropped" nothing_lost
check "after a kill -9 the next one serves" killed_and_again
check "10 MB down from that one" e2e_same 10m
finish
