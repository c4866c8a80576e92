#!/bin/bash
# Backends come and go: a relay that is killed takes only its own streams with it, a restarted one
# serves again, a process of another user is not let in; and a web server that dies is not asked
# again.
. "$(dirname "$0")/e2e.bash"

two_backends() {
	e2e_config
	python3 - "$FARM_DIR/handfast.yaml" "$FARM_ADDRESS" "$FARM_RELAY_USER" <<-'END'
		import sys
		path, address, user = sys.argv[1:]
		text = open(path).read()
		text = text.replace("certificates:\n  - name", "  - name: second\n"
		    f"    address: {address}:8443\n    certificates: [www]\n    backend: second\n"
		    "certificates:\n  - name", 1)
		text = text.replace("workers:\n", "  - name: second\n    socket: second.sock\n"
		    f"    uid: {user}\nworkers:\n", 1)
		open(path, "w").write(text)
	END
}

on_second() { FARM_PORT=8443 "$@"; }

# Two slow downloads, longer than what buffers on the way may hold; the relay of the first is killed in their middle.
kill_one() {
	local first second status
	e2e_same 40m --limit-rate 8M >"$FARM_DIR/first" 2>&1 &
	first=$!
	on_second e2e_same 40m --limit-rate 8M >"$FARM_DIR/second" 2>&1 &
	second=$!
	sleep 1
	kill -KILL "$relay_web"
	if wait "$first"; then
		echo "the killed relay's download went on to its end"
		return 1
	fi
	wait "$second" || { echo "the other relay's download broke: $(tail -n 1 "$FARM_DIR/second")"; return 1; }
}

reset_at_once() { # curl 35, 52, 56: reset; 28 would be its own timeout
	local status
	farm_curl / --max-time 30
	status=$?
	[ $status -ne 0 ] && [ $status -ne 28 ]
}

restart() {
	farm_relay web.sock
	farm_wait 10 farm_curl /
}

wrong_user() {
	local before after
	before=$(farm_stat links refused_user) || return
	farm_in_appl setpriv --reuid games --regid games --clear-groups timeout -k 2 3 \
		"$FARM_BIN/hfrelay" --socket "$FARM_DIR/web.sock" --server 127.0.0.1:8081
	# The socket's mode may have kept it out already; as root only the check of the uid can.
	farm_in_appl timeout -k 2 3 "$FARM_BIN/hfrelay" --socket "$FARM_DIR/web.sock" --server 127.0.0.1:8081
	after=$(farm_stat links refused_user) || return
	echo "refused: $before, then $after"
	[ "$after" -gt "$before" ] && farm_curl /
}

# A backend that lies in shared memory is cut off for the right reason, while a download of another
# backend goes on.
hostile() {
	local sin reason cut before
	e2e_same 40m --limit-rate 8M >"$FARM_DIR/first" 2>&1 &
	for sin in bad_index bad_index_crooked bad_length bad_length_short bad_type bad_flags bad_stream; do
		[[ $sin =~ ^bad_[a-z]+ ]] && reason=violation_${BASH_REMATCH[0]}
		before=$(farm_stat link "$reason") && cut=$(farm_stat links cut) || return
		farm_in_appl setpriv --reuid "$FARM_RELAY_USER" --regid nogroup --clear-groups \
			tests/e2e/hostile.py "$FARM_DIR/second.sock" "$sin" ||
			{ echo "$sin: not cut off"; return 1; }
		[ "$(farm_stat links cut)" = $((cut + 1)) ] &&
			[ "$(farm_stat link "$reason")" = $((before + 1)) ] ||
			{ echo "$sin: not counted as cut and $reason"; return 1; }
	done
	wait $! || { echo "a download of another backend broke"; return 1; }
}

# Every page comes while one of two servers is dead, and from both again when it is back.
server_dies() {
	local n seen=''
	farm_stop "$(cat "$FARM_DIR/web1/pid")"
	for n in $(seq 20); do
		farm_curl / | grep -q '^hello from web server 2,' || { echo "request $n failed"; return 1; }
	done
	farm_web 1
	for n in $(seq 60); do
		seen+=$(farm_curl / | grep -o 'web server [12]')
		[[ $seen = *1* && $seen = *2* ]] && return
		sleep 0.5
	done
	echo "web server 1 is not asked again"
	return 1
}

farm_begin
farm_web 1
farm_web 2
two_backends
farm_appliance
farm_relay web.sock
relay_web=$FARM_RELAY_PID
farm_relay second.sock 127.0.0.1:8082
e2e_attached 2
e2e_serving
on_second e2e_serving
e2e_file 40m 41943040
check "kill -9 of a relay resets its streams alone" kill_one
check "without a relay clients are told, not left waiting" reset_at_once
check "a restarted relay serves again" restart
check "a relay of another user is refused" wrong_user
check "seven ways to lie in shared memory: cut off, counted, nobody else disturbed" hostile
check "a dead web server is passed over, and used again" server_dies
check "idle afterwards" e2e_idle_soon
finish
