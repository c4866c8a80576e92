#!/bin/bash
# Life with the operator: a reload takes new certificates without touching connections, a wrong file
# is refused and the old one goes on, a drain and SIGTERM let what is under way finish.
. "$(dirname "$0")/e2e.bash"

hfctl() { "$FARM_BIN/hfctl" -s "$FARM_STATS" "$@"; }

serial() {
	farm_in_client openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" -servername "$FARM_SNI" \
		-tls1_2 -cipher AES128-GCM-SHA256 </dev/null 2>/dev/null | openssl x509 -noout -serial
}

changed() { [ "$(serial)" = "$(openssl x509 -noout -serial -in "$FARM_DIR/www.pem")" ]; }

new_certificate() {
	local before download
	before=$(serial)
	e2e_same 40m --limit-rate 8M >"$FARM_DIR/download" 2>&1 &
	download=$!
	sleep 0.5
	farm_certificate www "$FARM_SNI" || return
	[ "$(serial)" = "$before" ] || { echo "changed before the reload"; return 1; }
	hfctl reload || return
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
	local before out
	before=$(serial)
	cp "$FARM_DIR/handfast.yaml" "$FARM_DIR/right.yaml"
	sed -i 's/www.key/gone.key/' "$FARM_DIR/handfast.yaml"
	out=$(hfctl reload 2>&1) && { echo "status 0"; return 1; }
	grep -q 'handfast.yaml:[0-9]*:[0-9]*: .*gone.key' <<<"$out" || { echo "$out"; return 1; }
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

# DRAIN-COMMAND...: a download under way finishes, a new connection is not accepted.
drains() {
	local download
	e2e_same 40m --limit-rate 8M >"$FARM_DIR/download" 2>&1 &
	download=$!
	sleep 0.5
	"$@" || return
	sleep 0.5
	if farm_curl / --connect-timeout 2 >/dev/null 2>&1; then
		echo "a new connection was accepted while draining"
		return 1
	fi
	wait "$download" || { cat "$FARM_DIR/download"; return 1; }
}

drain() { drains hfctl drain on && hfctl drain off && farm_curl /; }

terminate() {
	drains kill -TERM "$FARM_PID" || return
	farm_wait 10 farm_all_gone "$FARM_PID" || { echo "still there"; return 1; }
	[ ! -e "$FARM_STATS" ] && [ ! -e "$FARM_DIR/web.sock" ] || { echo "left a socket"; return 1; }
}

e2e_up
e2e_file 10k 10240
e2e_file 40m 41943040
check "root was given up" not_root
check "new certificate by hfctl reload, the connection goes on" new_certificate
check "20 reloads by SIGHUP under load" reload_under_load
check "a wrong file is refused, the old one serves" wrong_file
check "hfctl drain: what is under way finishes, nothing new begins, until drain off" drain
check "idle afterwards" e2e_idle_soon
check "SIGTERM: what is under way finishes, nothing new begins, no socket is left" terminate
finish
