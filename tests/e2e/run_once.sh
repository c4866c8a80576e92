#!/bin/bash
# `make run ONCE=1` shows a page and leaves nothing behind, with huge pages and without; an
# interrupted run leaves nothing either.
. "$(dirname "$0")/e2e.bash"

# Nothing may be left of a run by that pid.
left_of() {
	ls -d /run/netns/hf[ac]-"$1" /run/handfast-"$1" /run/dpdk/handfast-"$1" 2>/dev/null
}

once() { # HUGE
	local out pid pool
	pool=$(farm_meminfo HugePages_Total)
	out=$FARM_DIR/once.$1
	ONCE=1 HUGE=$1 deploy/run.sh >"$out" 2>&1 &
	pid=$!
	wait "$pid" || { tail -n 3 "$out"; return 1; }
	grep -q '^session     TLSv1.2 / AES128-GCM-SHA256' "$out" &&
		grep -q '^certificate ok' "$out" &&
		grep -q '^page        hello from web server' "$out" ||
		{ tail -n 3 "$out"; return 1; }
	if left_of "$pid"; then
		return 1
	fi
	[ "$(farm_meminfo HugePages_Total)" -le "$pool" ] || { echo "huge pages not given back"; return 1; }
}

interrupted() {
	local pid processes
	deploy/run.sh >"$FARM_DIR/interrupted" 2>&1 &
	pid=$!
	farm_wait 60 grep -q 'handfast is up' "$FARM_DIR/interrupted" ||
		{ tail -n 3 "$FARM_DIR/interrupted"; kill "$pid"; wait "$pid"; return 1; }
	processes=$(ip netns pids "hfa-$pid")
	[ -n "$processes" ] || { echo "no processes in its namespace"; return 1; }
	kill -TERM "$pid"
	wait "$pid"
	# shellcheck disable=SC2086
	if left_of "$pid" || kill -0 $processes 2>/dev/null; then
		echo "something is left"
		return 1
	fi
	! grep -lq "PID=" build/run/env*  2>/dev/null || ! grep -q "hfc-$pid" build/run/env*
}

farm_begin
check "a page, with huge pages" once 1
check "a page, without huge pages" once 0
check "an interrupted run leaves nothing behind" interrupted
finish
