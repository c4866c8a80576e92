#!/bin/bash
# Clients come back: by ticket and by id, as openssl, curl, gnutls-cli and Python do it; across key
# rotation, a restart with the same keys, and from one appliance to another that has the same secret
# and nothing else in common. What must not be resumed is not, and every case is counted by name.
. "$(dirname "$0")/e2e.bash"

SECOND_ADDRESS=10.8.0.1
SECOND_STATS=$FARM_DIR/control2.sock

# e2e_up's options, with these lines under tls:.
tls_options=''
e2e_config() {
	farm_config
	printf 'timeouts:\n  time_wait: 2s\nmemory:\n  sessions: 8\n' >>"$FARM_DIR/handfast.yaml"
	printf 'tls:\n  keylog: keys\n%s' "$tls_options" >>"$FARM_DIR/handfast.yaml"
}
set_tls() { # LINE...: other options under tls:, reloaded
	tls_options=$(printf '  %s\n' "$@")$'\n'
	e2e_config
	"$FARM_BIN/hfctl" -s "$FARM_STATS" reload
}

request() { printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$FARM_SNI"; }

# s_client [S_CLIENT-ARGUMENT...]: its output, with a page at the end.
s_client() {
	request | farm_in_client timeout 20 openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" -tls1_2 \
		-servername "$FARM_SNI" -CAfile "$FARM_CA" -ign_eof "$@" 2>&1
}
# Keeps the session of a first visit in $FARM_DIR/NAME.
first() { # NAME [S_CLIENT-ARGUMENT...]
	local out
	out=$(s_client -sess_out "$FARM_DIR/$1" "${@:2}")
	grep -q '^New, ' <<<"$out" && grep -q '^hello from web' <<<"$out" && return
	why_not "$out"
}
again() { # New|Reused NAME [S_CLIENT-ARGUMENT...]; the session as it is then becomes NAME's
	local out
	out=$(s_client -sess_in "$FARM_DIR/$2" -sess_out "$FARM_DIR/$2" "${@:3}")
	grep -q "^$1, " <<<"$out" && grep -q '^hello from web' <<<"$out" && return
	why_not "$out"
}
why_not() { # OUTPUT: in one line, what of it matters
	grep '^New\|^Reused\|error\|alert\|^hello from' <<<"$1" | xargs -d '\n'
	return 1
}

# ROW COUNT COMMAND...: succeeds, and ROW of resume.def grows by COUNT.
grows() {
	local row=resume_$1 cnt=$2 before after
	shift 2
	before=$(farm_stat tls "$row") && "$@" && after=$(farm_stat tls "$row") || return
	[ $((after - before)) -eq "$cnt" ] && return
	echo "$row grew by $((after - before)), not $cnt"
	return 1
}
without_keys() { # COMMAND...: no private key and no key exchange is used
	local before after
	before=$(farm_stat pk submitted)
	"$@" || return
	after=$(farm_stat pk submitted)
	[ "$before" = "$after" ] || { echo "$((after - before)) public-key jobs"; return 1; }
}

# ---- each client's own way ----

reconnect() { # [S_CLIENT-ARGUMENT...]
	local out
	out=$(farm_in_client timeout 20 openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" -tls1_2 \
		-servername "$FARM_SNI" -reconnect "$@" </dev/null 2>&1)
	[ "$(grep -c '^New, TLSv1.2' <<<"$out")" = 1 ] &&
		[ "$(grep -c '^Reused, TLSv1.2' <<<"$out")" = 5 ] && return
	grep '^New\|^Reused' <<<"$out"
	return 1
}

curl_twice() { # a new connection each; curl keeps sessions within a process, and wants no tickets
	local out
	out=$(farm_curl "/?[1-3]" -v -H 'Connection: close' "$@" 2>&1)
	[ "$(grep -c '^hello from web' <<<"$out")" = 3 ] &&
		[ "$(grep -c 'SSL re-using session ID' <<<"$out")" = 2 ] && return
	grep -c '^hello from web' <<<"$out"
	return 1
}

gnutls() {
	local out
	out=$({ request; sleep 2; } | farm_in_client timeout 20 gnutls-cli --port "$FARM_PORT" -r \
		--priority "NORMAL:-VERS-ALL:+VERS-TLS1.2" --x509cafile "$FARM_CA" \
		--sni-hostname "$FARM_SNI" --verify-hostname "$FARM_SNI" "$FARM_ADDRESS" 2>&1)
	grep -q '^\*\*\* This is a resumed session' <<<"$out" && return
	grep -i resum <<<"$out"
	tail -n 3 <<<"$out"
	return 1
}

# Two connections are opened at once, and each serves one page of three: the third is a second visit.
chromium_twice() {
	local before=$(farm_stat tls resume_TICKET) out
	out=$(e2e_chromium /again)
	grep -q 'hello from web server' <<<"$out" || { tail -n 1 "$FARM_DIR/chromium/err"; return 1; }
	[ "$(farm_stat tls resume_TICKET)" -gt "$before" ] || { echo "nothing was resumed by ticket"; return 1; }
}

clients() { # mix|turn
	farm_in_client timeout 300 python3 tests/e2e/resume_client.py "$1" "$FARM_ADDRESS" "$FARM_PORT" \
		"$FARM_CA" "$FARM_SNI" "$FARM_BIN/hfctl" "$FARM_STATS"
}

# The second visit's capture, and the key log that knows it.
decrypts() {
	local tap shown pcap=$FARM_DIR/again.pcap log=$FARM_DIR/again.tcpdump
	first capture || return
	ip netns exec "$FARM_CLIENT" tcpdump -i hf1 -U -w "$pcap" "tcp port $FARM_PORT" 2>"$log" &
	tap=$!
	farm_wait 10 grep -q 'listening on' "$log" && again Reused capture &&
		farm_wait 20 shows_request
	shown=$?
	kill "$tap"
	wait "$tap"
	[ $shown -eq 0 ] || { tail -n 1 "$log"; return 1; }
}
shows_request() {
	tshark -n -r "$FARM_DIR/again.pcap" -o "tls.keylog_file:$FARM_DIR/keys" -Y http.request \
		-T fields -e http.host 2>/dev/null | grep -Fx "$FARM_SNI"
}

# ---- keys that change ----

expiry() {
	set_tls 'session_lifetime: 2s' || return
	first old && first old_id -no_ticket && sleep 2.1 && grows EXPIRED 1 again New old &&
		grows EXPIRED 1 again New old_id -no_ticket || return
	set_tls 'tickets: off' || return
	grows TICKET_OFF 1 again New old || return
	set_tls
}

# Not in a subshell: the pids change.
restart() {
	farm_stop "$FARM_PID" "$FARM_RELAY_PID"
	farm_appliance
	farm_relay
	e2e_attached 1
	e2e_serving
}

# FILE KEY...: what is in the file from now on.
key_file() {
	local file=$FARM_DIR/$1 key
	shift
	for key; do cat "$FARM_DIR/key$key"; done >"$FARM_DIR/new" &&
		chown "$FARM_USER" "$FARM_DIR/new" && chmod 400 "$FARM_DIR/new" && mv "$FARM_DIR/new" "$file"
}
begin_with_key_file() {
	openssl rand 80 >"$FARM_DIR/key1" && openssl rand 80 >"$FARM_DIR/key2" &&
		key_file tickets 1 && set_tls 'ticket_keys: tickets' && first one
}

# The next key arrives behind, then moves to the front, then the old one goes.
rolling_keys() {
	key_file tickets 1 2 && set_tls 'ticket_keys: tickets' && grows TICKET 1 again Reused one &&
		first behind && key_file tickets 2 1 && set_tls 'ticket_keys: tickets' &&
		grows TICKET 2 both_again && first two && key_file tickets 2 &&
		set_tls 'ticket_keys: tickets' && grows TICKET_KEY 1 again New one &&
		grows TICKET 1 again Reused two
}
both_again() { again Reused one && again Reused behind; }

broken_key_file() {
	cp "$FARM_DIR/key1" "$FARM_DIR/key3" && printf x >>"$FARM_DIR/key3" && key_file tickets 3 || return
	if set_tls 'ticket_keys: tickets' >"$FARM_DIR/refused" 2>&1; then
		echo "it was taken"
		return 1
	fi
	grep -q 'tls.ticket_keys: .*tickets: not 1 to 8 keys' "$FARM_DIR/refused" || return
	grows TICKET 1 again Reused two && set_tls
}

first_lost() { first lost && first lost_id -no_ticket; }
lost() { grows TICKET_KEY 1 again New lost && grows ID_FOREIGN 1 again New lost_id -no_ticket; }

# A second appliance, on a wire of its own, with two workers, its own certificate for the name, and a
# copy of the secret elsewhere.
second_appliance() {
	local yaml=$FARM_DIR/second.yaml
	ip -n "$FARM_APPL" link add hf2 numrxqueues 2 numtxqueues 2 type veth \
		peer name hf3 numrxqueues 2 numtxqueues 2 netns "$FARM_CLIENT" &&
		farm_in_appl sysctl -qw net.ipv6.conf.hf2.disable_ipv6=1 &&
		farm_in_client ethtool -K hf3 tx off >/dev/null &&
		ip -n "$FARM_APPL" link set hf2 up && ip -n "$FARM_CLIENT" link set hf3 up &&
		ip -n "$FARM_CLIENT" addr add 10.8.0.2/24 dev hf3 || return
	farm_certificate www2 "$FARM_SNI" || return
	install -m 400 -o "$FARM_USER" "$FARM_DIR/secret" "$FARM_DIR/secret2"
	sed -e 's/iface=hf0/iface=hf2/' -e "s/$FARM_ADDRESS/$SECOND_ADDRESS/" -e 's/www\.\(pem\|key\|ocsp\)/www2.\1/' \
		-e 's/web.sock/web2.sock/' -e 's/control.sock/control2.sock/' -e 's/count: 1/count: 2/' \
		-e 's/: secret/: secret2/' -e 's/keylog: keys/keylog: keys2/' \
		-e "s/args: .*/args: [--file-prefix=handfast-$$.2]/" "$FARM_DIR/handfast.yaml" >"$yaml"
	farm_start second "$FARM_BIN/handfast" "$yaml"
	farm_wait 20 test -S "$SECOND_STATS" || { tail -n 3 "$FARM_DIR/second.log"; return 1; }
	farm_relay web2.sock
	farm_wait 15 on_second farm_stat_is links endpoints 2 || on_second farm_stat links endpoints
	farm_wait 15 on_second farm_curl /
}
on_second() { FARM_ADDRESS=$SECOND_ADDRESS FARM_STATS=$SECOND_STATS "$@"; }

fleet() {
	openssl rand 32 >"$FARM_DIR/secret" && chown "$FARM_USER" "$FARM_DIR/secret" &&
		chmod 400 "$FARM_DIR/secret" && set_tls 'ticket_secret: secret' || return
	second_appliance || return
	first fleet && on_second grows TICKET 1 on_second without_keys again Reused fleet &&
		grows TICKET 1 again Reused fleet || return
	on_second first fleet2 && grows TICKET 1 again Reused fleet2 || return
	openssl rand 32 >"$FARM_DIR/secret2" || return
	"$FARM_BIN/hfctl" -s "$SECOND_STATS" reload && on_second grows TICKET_KEY 1 on_second again New fleet
}

# Ids are their worker's: another one says so. Tickets are everybody's.
workers() {
	local n own other before_own before_other
	on_second first worker -no_ticket && on_second first all || return
	before_own=$(on_second farm_stat tls resume_ID)
	before_other=$(on_second farm_stat tls resume_ID_WORKER)
	for n in $(seq 16); do
		on_second s_client -no_ticket -sess_in "$FARM_DIR/worker" >/dev/null || return
		on_second again Reused all || return
	done
	own=$(($(on_second farm_stat tls resume_ID) - before_own))
	other=$(($(on_second farm_stat tls resume_ID_WORKER) - before_other))
	echo "$own by their worker, $other by the other"
	[ $((own + other)) -eq 16 ] && [ $own -gt 0 ] && [ $other -gt 0 ]
}

e2e_up
check "openssl s_client -reconnect, by ticket" grows TICKET 5 reconnect
check "openssl s_client -reconnect, by id" grows ID 5 reconnect -no_ticket
check "openssl -sess_out, -sess_in, by ticket" first ticket
check "the same, second visit: no key is used" grows TICKET 1 without_keys again Reused ticket
check "openssl -sess_out, -sess_in, by id" first id -no_ticket
check "the same, second visit: no key is used" grows ID 1 without_keys again Reused id -no_ticket
for cipher in AES128-SHA AES128-SHA256 AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305; do
	check "$cipher, first visit" first cipher -cipher "$cipher"
	check "$cipher, second visit" grows TICKET 1 without_keys again Reused cipher -cipher "$cipher"
done
check "curl, three connections of one process: by id" grows ID 2 curl_twice --tls-max 1.2
check "gnutls-cli --resume" grows TICKET 1 gnutls
check "Chromium, a third connection: by ticket" chromium_twice
check "Python, bytes, and every row right: a known mix" clients mix
check "tshark decrypts a resumed session" decrypts
check "another server name is another session" grows OTHER_NAME 1 again New ticket -servername "other.$FARM_SNI"
set_tls 'ticket_rotation: 6s' >/dev/null
check "keys turn: opened, renewed, forgotten" clients turn
check "lifetime, and tickets switched off" expiry
check "keys from a file" begin_with_key_file
restart
check "across a restart: no key is used" grows TICKET 1 without_keys again Reused one
check "keys that roll" rolling_keys
check "a broken key file is refused, the old keys go on" broken_key_file
check "without a file, first visits" first_lost
restart
check "without a file, across a restart: full handshakes" lost
check "another appliance with the same secret" fleet
check "two workers: ids are one's, tickets are both's" workers
check "idle afterwards" e2e_idle_soon
finish
