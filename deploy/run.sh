#!/bin/bash
# run.sh -- `make run`: the whole farm on this machine, in network namespaces of its own.
#   make run                    until Ctrl-C; says how to reach it
#   make run ONCE=1             fetches one page, shows the handshake and the counters, ends with 0
#   make run CONFIG=my.yaml     with other options; paths in it are relative to $FARM_DIR, where it
#                               is copied to (certificate www.pem, www.key; backend socket web.sock)
#   HUGE=0                      without huge pages
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
"$here/install" build run || exit 1
. "$here/lib.sh"

CONFIG=${CONFIG:-}
ONCE=${ONCE:-}
if [ -n "$CONFIG" ]; then
	CONFIG=$(readlink -e "$CONFIG") || farm_fail "CONFIG=$CONFIG: no such file"
fi
cd "$farm_root" || exit 1
make --no-print-directory -j"$(nproc)" all || exit 1

# The options, from the demo or from CONFIG.
options() {
	if [ -n "$CONFIG" ]; then
		install -m 644 "$CONFIG" "$FARM_DIR/handfast.yaml"
	else
		farm_config
	fi
	farm_in_appl "$FARM_BIN/handfast" --check "$FARM_DIR/handfast.yaml" || exit 1
}

# As many huge pages as the plan asks for; the appliance itself falls back to plain pages.
huge_pages() {
	[ "${HUGE:-1}" != 0 ] && farm_huge "$(farm_plan_pages)" ||
		farm_say "no huge pages: plain ones serve, at the price of TLB misses per packet"
}

# What other programs need to reach this run; a second run beside the first writes its own file.
publish() {
	mkdir -p build/run
	env_file=build/run/env
	if [ -e "$env_file" ] && kill -0 "$(sed -n 's/^PID=//p' "$env_file")" 2>/dev/null; then
		env_file=build/run/env-$$
	fi
	FARM_FILES+=("$env_file")
	cat >"$env_file" <<-END
		ADDRESS=$FARM_ADDRESS
		PORT=$FARM_PORT
		NETNS=$FARM_CLIENT
		SNI=$FARM_SNI
		CA=$FARM_CA
		PID=$FARM_PID
		STATS=$FARM_STATS
	END
}

how_to_reach() {
	cat <<-END

		handfast is up: $FARM_ADDRESS:$FARM_PORT, seen from the network namespace $FARM_CLIENT
		  curl       sudo ip netns exec $FARM_CLIENT curl --cacert $FARM_CA \\
		               --resolve $FARM_SNI:$FARM_PORT:$FARM_ADDRESS https://$FARM_SNI/
		  load       sudo ip netns exec $FARM_CLIENT build/hfbench -c 64 -d 10 --sni $FARM_SNI \\
		               --request / --cpu-of $FARM_PID $FARM_ADDRESS:$FARM_PORT
		  counters   sudo build/hfctl -s $FARM_STATS stats
		  options    $FARM_DIR/handfast.yaml; sudo build/hfctl -s $FARM_STATS reload
		  logs       $FARM_DIR/*.log      variables $env_file
		Ctrl-C ends it and leaves nothing behind.
	END
}

# One page as a client sees it, with the handshake that libcurl saw.
fetch_once() {
	local out=$FARM_DIR/once status
	local times='connected   %{time_connect} s
handshake   %{time_appconnect} s
reply       %{time_total} s, HTTP %{http_code}, %{size_download} bytes
'
	farm_curl / -v -o "$out.page" -w "$times" >"$out.times" 2>"$out.trace"
	status=$?
	echo
	sed -n 's/^\* SSL connection using /session     /p
		s/^\*  subject: /subject     /p
		s/^\*  issuer: /issuer      /p
		s/^\*  SSL certificate verify /certificate /p
		s/^< \(X-Web-Server.*\)\r$/header      \1/p' "$out.trace"
	cat "$out.times"
	if [ "$status" -ne 0 ]; then
		cat "$out.trace" >&2
		farm_fail "curl ended with $status"
	fi
	sed 's/^/page        /' "$out.page"
	echo
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats
}

farm_begin
options
huge_pages
farm_web 1
farm_web 2
farm_appliance
farm_relay
publish
if [ -n "$ONCE" ]; then
	fetch_once || exit 1
	exit 0
fi
how_to_reach
# Until Ctrl-C, or until one of the two programs has gone.
while kill -0 "$FARM_PID" 2>/dev/null && kill -0 "$FARM_RELAY_PID" 2>/dev/null; do
	sleep 1 &
	wait $!
done
tail -n 20 "$FARM_DIR/handfast.log" "$FARM_DIR/hfrelay-web.sock.log" >&2
farm_fail "a program has ended by itself"
