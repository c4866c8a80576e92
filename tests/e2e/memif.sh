#!/bin/bash
# The appliance over memif, DPDK's shared memory between two processes, with hfbench at the other end and its
# own small TCP: the same kinds of client as over a cable, whole replies, both families, ways to close. No segment
# may be missing: shared memory loses nothing. (What is acknowledged late, on a machine with much to do, is said again.)
. "$(dirname "$0")/e2e.bash"

# over ADDRESS FROM NAME ARGUMENT...: its report is in $json afterwards.
over() {
	json=$FARM_DIR/$3.json
	"$FARM_BIN/hfbench" -q --timeout 60000 --sni "$FARM_SNI" --ca "$FARM_CA" --json "$json" \
		--port "net_memif0,role=client,id=0,$memif" --from "$2" "${@:4}" "$1" >"$FARM_DIR/$3.out"
}
four() { over "$FARM_ADDRESS:$FARM_PORT" 10.9.0.2 "$@"; }
six() { over "[$FARM_ADDRESS6]:$FARM_PORT" fd09::2 "$@"; }

full() { # MIX SUITE
	four "$1" --mix "$1" -n 8 -c 4 &&
		holds "m['cipher'] == '$2' and m['handshakes'] == 8 and m['resumed'] == 0 and m['verified'] >= 1"
}
resumed() {
	four resumed --mix resumed -n 400 -c 40 --close answered && holds "m['resumed'] == 360 and m['gaps'] == 0"
}
closed_in_peace() { four fin --mix modern -n 300 -c 30 --close fin && holds "m['handshakes'] == 300 and m['gaps'] == 0"; }
bulk() { # FAMILY CIPHER
	"$1" bulk --mix bulk -c 4 --requests 5 -n 4 --cipher "$2" &&
		holds "m['replies'] == 20 and m['reply_bytes'] == 20 << 20 and m['cipher'] == '$2' and m['gaps'] == 0"
}
open_loop() { four open --mix resumed --request / -r 200 -d 2 && holds "m['started'] > 300 and m['replies'] > 100 and m['missed'] < 20"; }
refused() {
	! over "$FARM_ADDRESS:444" 10.9.0.2 refused -n 2 -c 1 && holds "m['failures'][0]['cause'] == 'refused'"
}
# What a killed client leaves at the server has its ports: the next one's SYNs meet it there.
back_again() {
	local device=net_memif0,role=client,id=0,$memif,mac=02:00:00:00:00:09
	"$FARM_BIN/hfbench" -q --mix modern --port "$device" --from 10.9.0.2 --hold -n 20 -c 20 -d 60 \
		--sni "$FARM_SNI" "$FARM_ADDRESS:$FARM_PORT" >/dev/null &
	farm_wait 20 farm_stat_is worker conns 20 && kill -KILL $! && ! wait $! 2>/dev/null &&
		four back --port "$device" --mix modern -n 20 -c 20 --timeout 10000 && holds "m['handshakes'] == 20"
}
nobody() {
	! over 10.9.0.77:443 10.9.0.2 nobody -n 1 2>"$FARM_DIR/err" && grep -q 'nobody there says that 10.9.0.77 is his' "$FARM_DIR/err"
}
wants() { # WORDS ARGUMENT...
	! "$FARM_BIN/hfbench" "${@:2}" 10.9.0.1:443 2>"$FARM_DIR/err" && grep -q -- "$1" "$FARM_DIR/err"
}

farm_begin
farm_web 1
e2e_file 1m 1048576
chmod -R go+rX "$FARM_DIR/files"
memif=socket=$FARM_DIR/memif.sock,socket-abstract=no
FARM_IPV6=1 FARM_DEVICE=net_memif0,role=server,id=0,$memif e2e_config
farm_appliance
farm_relay
e2e_attached 1
check "full handshakes, RSA key exchange" full capture-rsa AES128-SHA
check "full handshakes, ECDHE" full modern ECDHE-RSA-AES128-GCM-SHA256
check "resumed by ticket" resumed
check "closed by FIN" closed_in_peace
check "whole replies over IPv4" bulk four ECDHE-RSA-AES128-GCM-SHA256
check "whole replies over IPv6" bulk six AES128-SHA
check "open loop" open_loop
check "a port where nobody listens" refused
check "ports on which a killed client's connections are still open" back_again
check "an address that nobody has" nobody
check "a device without an own address" wants "wants --from" --port net_memif0
check "two threads on one device" wants "threads 1" --port net_memif0 --from 10.9.0.2 -t 2
check "a device that does not exist" wants "cannot make the device" --port net_nonsense0 --from 10.9.0.2
check "idle again" e2e_idle_soon
finish
