#!/bin/bash
# Life with the operator: a reload takes new certificates without touching connections, a wrong file
# is refused and the old one goes on, a drain and SIGTERM let what is under way finish.
. "$(dirname "$0")/e2e.bash"

hfctl() { "$FARM_BIN/hfctl" -s "$FARM_STATS" "$@"; }

serial() {
	farm_in_client openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" -servername "$FARM_SNI" \
		-tls1_2 -cipher AES128-GCM-SHA256 </dev/null 2>/dev/null | openssl x509 -noout -serial
}

# A download of five seconds is under way: its pid is in $download.
begin_download() {
	local before
	before=$(farm_stat worker streams_opened) || return
	e2e_same 40m --limit-rate 8M >"$FARM_DIR/download" 2>&1 &
	download=$!
	farm_wait 20 stream_opened "$before" || { echo "no download begins"; return 1; }
}
stream_opened() { [ "$(farm_stat worker streams_opened)" -gt "$1" ]; }

changed() { [ "$(serial)" = "$(openssl x509 -noout -serial -in "$FARM_DIR/www.pem")" ]; }

new_certificate() {
	local before download
	before=$(serial)
	begin_download || return
	farm_certificate www "$FARM_SNI" || return
	[ "$(serial)" = "$before" ] || { echo "changed before the reload"; return 1; }
	hfctl reload || return
	farm_wait 10 changed || { echo "still $(serial)"; return 1; }
	wait "$download" || { cat "$FARM_DIR/download"; return 1; }
}

# The reload says what it changes.
says_changes() {
	local out
	cp "$FARM_DIR/handfast.yaml" "$FARM_DIR/right.yaml"
	farm_certificate www "$FARM_SNI" || return
	printf '  idle: 90s\n' >>"$FARM_DIR/handfast.yaml"
	out=$(hfctl reload) || { echo "$out"; return 1; }
	hfctl reload | grep -q '^  options and certificates are as they were: .*handfast.yaml$' ||
		{ echo "a second time: changes"; return 1; }
	sleep 1 # responses have the second they were made in
	farm_status www && hfctl reload | grep -q '^  certificate www: ocsp renewed, ' || { echo "no word of OCSP"; return 1; }
	cp "$FARM_DIR/right.yaml" "$FARM_DIR/handfast.yaml"
	grep -qE "^  certificate www: renewed, .*$FARM_SNI.*, ends 20[0-9-]+ " <<<"$out" &&
		grep -q '^  timeouts.idle: 90s, was 2m$' <<<"$out" &&
		[ "$(grep -c '^  ' <<<"$out")" = 2 ] && hfctl reload | grep -q '^  timeouts.idle: 2m, was 90s$' &&
		return
	echo "$out"
	return 1
}

# Handshakes are counted by host, suite, key and resumption; certificates tell their end.
counted_by_name() {
	hfctl stats --prometheus >"$FARM_DIR/prometheus"
	grep -qE "^handfast_handshake_done_total\{listener=\"www\",host=\"$FARM_SNI\",version=\"TLS1.2\",suite=\"TLS_RSA_WITH_AES_128_GCM_SHA256\",key=\"rsa\",resumed=\"no\"\} [1-9]" \
		"$FARM_DIR/prometheus" &&
		grep -qE '^handfast_certificate_days_left\{certificate="www"\} [0-9]+$' "$FARM_DIR/prometheus" &&
		return
	grep -E '^handfast_(handshake|certificate)' "$FARM_DIR/prometheus" | tail -n 1
	return 1
}

one_generation() { farm_stat_is control generations 1; }
# The bench's own end cuts handshakes off: those who left are not meant.
failures_not_left() { hfctl failures | grep '^#' | grep -vc ' GONE_'; }
rss_kb() { awk '/^VmRSS:/ {print $2}' "/proc/$FARM_PID/status"; }

# New certificate after new certificate while clients come and go: no handshake fails, nobody is
# reset, every generation is forgotten, and the memory is what it was. hfbench fails if one does.
# (1 MB of slack: the heap of libcrypto, and pages of tables that are touched for the first time. With
# sanitizers 8 MB: up to 4 MB of what was freed, as tests/run asks for, and their caches.)
certificates_under_load() { # COUNT
	local load n part before after failed_before resets_before slack=1024
	[ "${FARM_BIN##*/}" != san ] || slack=8192
	for n in $(seq 0 4); do # in turns: each reload takes another one
		farm_certificate "www$n" "$FARM_SNI" || return
	done
	hfctl reload >/dev/null && farm_wait 10 one_generation || return
	before=$(rss_kb)
	resets_before=$(farm_stat tcp end_aborted)
	failed_before=$(failures_not_left)
	ip netns exec "$FARM_CLIENT" "$FARM_BIN/hfbench" -q -d 900 -c 8 --request / --sni "$FARM_SNI" \
		--cipher AES128-GCM-SHA256 --json "$FARM_DIR/certs.json" "$FARM_ADDRESS:$FARM_PORT" \
		>"$FARM_DIR/certs.log" 2>&1 &
	load=$!
	for n in $(seq "$1"); do
		for part in pem key ocsp; do
			cp -p "$FARM_DIR/www$((n % 5)).$part" "$FARM_DIR/www.$part" || return
		done
		hfctl reload >"$FARM_DIR/reloaded" || return
		sleep 0.2
		grep -q 'certificate www: renewed' "$FARM_DIR/reloaded" || return
	done
	kill -0 "$load" 2>/dev/null || { echo "the load ended before the reloads: $(tail -n 1 "$FARM_DIR/certs.log")"; return 1; }
	[ "$(serial)" = "$(openssl x509 -noout -serial -in "$FARM_DIR/www.pem")" ] || return
	kill -TERM "$load" # it reports what came until then
	wait "$load" || { tail -n 6 "$FARM_DIR/certs.log"; return 1; }
	farm_wait 15 one_generation || { echo "$(farm_stat control generations) generations"; return 1; }
	after=$(rss_kb)
	echo "# $1 certificates: RSS $before KB before, $after KB after;" \
		"$(grep -E '"(handshakes|failed|closed_by_rst)":' "$FARM_DIR/certs.json" | xargs)" >&3
	grep -q '"closed_by_rst": 0,' "$FARM_DIR/certs.json" || { echo "connections were reset"; return 1; }
	[ "$(farm_stat tcp end_aborted)" = "$resets_before" ] || { echo "we reset connections"; return 1; }
	[ "$(failures_not_left)" = "$failed_before" ] || { hfctl failures | tail -n 3 | head -n 1; return 1; }
	[ $((after - before)) -le $slack ] || { echo "RSS grew from $before to $after KB"; return 1; }
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

# Sockets are made once, while there is root to make them wherever they are wanted.
another_socket() {
	local edit path out
	cp "$FARM_DIR/handfast.yaml" "$FARM_DIR/right.yaml"
	while read -r path edit; do
		sed -E "$edit" "$FARM_DIR/right.yaml" >"$FARM_DIR/handfast.yaml"
		out=$(hfctl reload 2>&1) && { echo "$path: status 0"; return 1; }
		grep -q "handfast.yaml:[0-9]*:[0-9]*: $path: .*; restart handfast" <<<"$out" ||
			{ echo "$path: $out"; return 1; }
	done <<-END
		stats.socket s/control.sock/other.sock/
		backends\\[0].socket s/web.sock/other.sock/
		backends\\[1] s/^workers:/  - {name: two, socket: two.sock, uid: nobody}\\n&/
	END
	cp "$FARM_DIR/right.yaml" "$FARM_DIR/handfast.yaml"
	[ ! -e "$FARM_DIR/other.sock" ] && [ ! -e "$FARM_DIR/two.sock" ] && hfctl reload && farm_curl /
}

# What only root may read is told by name, with who must be able to: by a reload, and at the start.
unreadable() { # FILE
	local want="$1: Permission denied; let user $FARM_USER read it" out
	chown root "$FARM_DIR/$1" && chmod 600 "$FARM_DIR/$1" || return
	out=$(hfctl reload 2>&1)
	chown "$FARM_USER" "$FARM_DIR/$1"
	grep -q "$want" <<<"$out" && hfctl reload && return
	echo "$out"
	return 1
}

# Who starts it a second time is told, and the first one serves on.
second_start() {
	local out
	out=$(farm_in_appl timeout 30 "$FARM_BIN/handfast" "$FARM_DIR/handfast.yaml" 2>&1) && { echo "status 0"; return 1; }
	grep -q 'web.sock: Address already in use; another process listens there: end it' <<<"$out" ||
		{ tail -n 1 <<<"$out"; return 1; }
	farm_curl / && hfctl version
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
	begin_download || return
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

# In a folder of root's, with a key of root's: that is told, and the sockets left do not stop the next start.
roots_folder() {
	chown root "$FARM_DIR" "$FARM_DIR/www.key" && : >"$FARM_DIR/handfast.log" || return
	farm_appliance
	farm_wait 10 grep -q "www.key: Permission denied; let user $FARM_USER read it" "$FARM_DIR/handfast.log" ||
		{ echo "no word of the key: $(tail -n 1 "$FARM_DIR/handfast.log")"; return 1; }
	farm_wait 15 farm_curl / || { echo "no page comes"; return 1; }
	farm_stop "$FARM_PID"
	[ -S "$FARM_STATS" ] && [ -S "$FARM_DIR/web.sock" ] || { echo "no socket is left"; return 1; }
	chown "$FARM_USER" "$FARM_DIR/www.key" && : >"$FARM_DIR/handfast.log" || return
	farm_start handfast "$FARM_BIN/handfast" "$FARM_DIR/handfast.yaml"
	FARM_PID=$FARM_LAST
	farm_wait 30 hfctl reload && farm_wait 15 farm_curl / || { tail -n 1 "$FARM_DIR/handfast.log"; return 1; }
	! grep -q 'would be refused' "$FARM_DIR/handfast.log" || { echo "a false word of the key"; return 1; }
}

e2e_up
e2e_file 10k 10240
e2e_file 40m 41943040
check "root was given up" not_root
check "new certificate by hfctl reload, the connection goes on" new_certificate
exec 3>&1
check "hfctl reload says what changes" says_changes
check "handshakes and certificates are counted by name" counted_by_name
check "${RELOADS:-10} new certificates under load: no failure, no reset, memory as before" \
	certificates_under_load "${RELOADS:-10}"
check "20 reloads by SIGHUP under load" reload_under_load
check "a wrong file is refused, the old one serves" wrong_file
check "another socket needs a restart, which the refusal says" another_socket
check "a reload names the key that its user may not read" unreadable www.key
check "and the options file" unreadable handfast.yaml
check "a second start is refused with the reason, the first one serves on" second_start
check "hfctl drain: what is under way finishes, nothing new begins, until drain off" drain
check "idle afterwards" e2e_idle_soon
check "SIGTERM: what is under way finishes, nothing new begins, no socket is left" terminate
check "a key that the user may not read is told at the start; sockets left behind do no harm" roots_folder
finish
