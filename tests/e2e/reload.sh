#!/bin/bash
# Life with the operator: a reload takes new certificates without touching connections, a wrong file
# is refused and the old one goes on, SIGTERM lets what is under way finish.
. "$(dirname "$0")/e2e.bash"

serial() {
	farm_in_client openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" -servername "$FARM_SNI" \
		-tls1_2 -cipher AES128-GCM-SHA256 </dev/null 2>/dev/null | openssl x509 -noout -serial
}

changed() { [ "$(serial)" = "$(openssl x509 -noout -serial -in "$FARM_DIR/www.pem")" ]; }

new_certificate() {
	local before download
	before=$(serial)
	e2e_same 10m --limit-rate 3M >"$FARM_DIR/download" 2>&1 &
	download=$!
	sleep 0.5
	farm_certificate www "$FARM_SNI" || return
	[ "$(serial)" = "$before" ] || { echo "changed before the reload"; return 1; }
	kill -HUP "$FARM_PID"
	farm_wait 10 changed || { echo "still $(serial)"; return 1; }
	wait "$download" || { cat "$FARM_DIR/download"; return 1; }
}

# Reload after reload under load: nobody notices.
reload_under_load() {
	local load n
	farm_in_client "$FARM_BIN/hfbench" -q -d 8 -c 32 --request /files/10k --sni "$FARM_SNI" \
		--cipher AES128-GCM-SHA256 --json "$FARM_DIR/load.json" "$FARM_ADDRESS:$FARM_PORT" \
		>"$FARM_DIR/load.log" 2>&1 &
	load=$!
	for n in $(seq 20); do
		kill -HUP "$FARM_PID"
		sleep 0.3
	done
	wait "$load" || { tail -n 6 "$FARM_DIR/load.log"; return 1; }
}

wrong_file() {
	local before
	before=$(serial)
	cp "$FARM_DIR/handfast.yaml" "$FARM_DIR/right.yaml"
	sed -i 's/www.key/gone.key/' "$FARM_DIR/handfast.yaml"
	kill -HUP "$FARM_PID"
	farm_wait 5 grep -q 'handfast.yaml:[0-9]*:[0-9]*: .*gone.key' "$FARM_DIR/handfast.log" ||
		{ tail -n 1 "$FARM_DIR/handfast.log"; return 1; }
	cp "$FARM_DIR/right.yaml" "$FARM_DIR/handfast.yaml"
	[ "$(serial)" = "$before" ]
}

not_root() {
	local uid
	uid=$(awk '/^Uid:/ {print $2, $3, $4}' "/proc/$FARM_PID/status")
	echo "uids $uid"
	[ "$uid" = "$(for i in 1 2 3; do id -u "$FARM_USER"; done | xargs)" ]
}

drain() {
	local download
	e2e_same 10m --limit-rate 3M >"$FARM_DIR/download" 2>&1 &
	download=$!
	sleep 0.5
	kill -TERM "$FARM_PID"
	sleep 0.5
	if farm_curl / --connect-timeout 2 >/dev/null 2>&1; then
		echo "a new connection was accepted while draining"
		return 1
	fi
	wait "$download" || { cat "$FARM_DIR/download"; return 1; }
	farm_wait 10 farm_all_gone "$FARM_PID" || { echo "still there"; return 1; }
	[ ! -e "$FARM_STATS" ] || { echo "left its socket"; return 1; }
}

e2e_up
e2e_file 10k 10240
e2e_file 10m 10485760
check "root was given up" not_root
check "new certificate by SIGHUP, the connection goes on" new_certificate
check "20 reloads under load" reload_under_load
check "a wrong file is refused, the old one serves" wrong_file
check "idle afterwards" e2e_idle_soon
check "SIGTERM: what is under way finishes, nothing new begins" drain
finish
