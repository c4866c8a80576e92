#!/bin/bash
# hfrelay --http between the appliance and a web server: requests of many clients over few connections, each
# answered with its own response; what is not HTTP as the RFC has it goes no further. http_server.py
# behaves and misbehaves, http_client.py asks and checks; then nginx, with files.
. "$(dirname "$0")/e2e.bash"

PORT_BEHIND=8282

files_are_equal() {
	e2e_same 20m && e2e_upload 20m && farm_curl "/files/[1-3]k" -o "$FARM_DIR/got#1" &&
		cat "$FARM_DIR"/got[123] | cmp - <(cat "$FARM_DIR"/files/[123]k)
}

dead_server_is_told() {
	farm_stop "$server"
	[ "$(farm_curl /echo -o /dev/null -w '%{http_code}')" = 503 ]
}

one_way_only() { # OPTION VALUE
	local out
	out=$("$FARM_BIN/hfrelay" --socket x --server 127.0.0.1:1 --http "$@" 2>&1)
	[ $? -eq 2 ] && grep -q -e "--http and $1.* exclude each other" <<<"$out"
}

farm_begin
farm_web 1
e2e_file 20m 20000000
for n in 1 2 3; do e2e_file ${n}k ${n}000; done
e2e_config
install -d -o "$FARM_RELAY_USER" "$FARM_DIR/relay"
farm_appliance
farm_start server python3 tests/e2e/http_server.py $PORT_BEHIND "$FARM_DIR/server.sock"
server=$FARM_LAST
farm_wait 15 test -S "$FARM_DIR/server.sock" || farm_fail "http_server.py does not come up"
FARM_RELAY_OPTIONS="--http --keep 8 --keep-seconds 2 --answer-timeout 3 --stats $FARM_DIR/relay/stats.sock" farm_relay web.sock 127.0.0.1:$PORT_BEHIND
e2e_attached 1
farm_wait 15 farm_curl /echo -f || farm_fail "no page comes"
farm_in_client python3 tests/e2e/http_client.py "$FARM_ADDRESS" "$FARM_PORT" "$FARM_CA" "$FARM_SNI" \
	"$FARM_DIR/relay/stats.sock" "$FARM_DIR/server.sock" 3 || e2e_bad=1
check "no server: 503" dead_server_is_told
farm_stop "$FARM_RELAY_PID"
FARM_RELAY_OPTIONS="--http --keep 0" farm_relay web.sock 127.0.0.1:8181
farm_wait 15 e2e_serving
check "not with the PROXY protocol, nor before a request" eval \
	'one_way_only --send-proxy v2 && one_way_only --open eager'
check "files in front of nginx, both ways, nothing kept" files_are_equal
check "idle in the end" e2e_idle_soon
finish
