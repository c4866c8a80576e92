#!/bin/bash
# `make run ONCE=1` shows a page, its handshake and the counters, with huge pages and without; and
# whatever way a run ends, at whatever point, nothing of it is left.
. "$(dirname "$0")/e2e.bash"

# What is left of the run of that pid: names, processes, its file for other programs.
left_of() {
	local pid=$1 left
	left=$(ls -d /run/netns/hf[ac]-"$pid" /run/handfast-"$pid" /run/dpdk/handfast-"$pid" \
		2>/dev/null
		pgrep -af -- "/run/handfast-$pid/"
		grep -ls "hfc-$pid\$" build/run/env*)
	[ -z "$left" ] || echo "left: $left"
}

# Nothing is, and no huge page is missing or too many.
clean_after() { # PID POOL-BEFORE
	local left
	left=$(left_of "$1")
	[ -z "$left" ] || { echo "$left"; return 1; }
	[ "$(farm_huge_reserved)" = "$2" ] ||
		{ echo "huge pages: $2 before, $(farm_huge_reserved) now"; return 1; }
}

once() { # HUGE
	local out=$FARM_DIR/once.$1 pid pool want
	pool=$(farm_huge_reserved)
	ONCE=1 HUGE=$1 deploy/run.sh >"$out" 2>&1 &
	pid=$!
	wait "$pid" || { tail -n 3 "$out"; return 1; }
	for want in "^session     TLSv1.2 / ${FARM_CIPHER:-ECDHE-RSA-AES128-GCM-SHA256}" '^certificate ok' \
		'^subject     .*handfast.test' '^handshake   0' '^page        hello from web server' \
		'^  handshake_OK  *1'; do
		grep -q "$want" "$out" || { echo "does not show $want"; return 1; }
	done
	clean_after "$pid" "$pool"
}

# With an options file of one's own, which is not the demo's.
own_options() {
	farm_config
	printf 'tls:\n  suites: [TLS_RSA_WITH_AES_256_CBC_SHA]\n' >>"$FARM_DIR/handfast.yaml"
	CONFIG=$FARM_DIR/handfast.yaml FARM_CIPHER=AES256-SHA once 1
}

# SIGNAL after the run has come as far as PATTERN in its output or a file. A shell starts background
# jobs deaf to Ctrl-C, hence env.
ended_by() { # SIGNAL GREP-ARGUMENT...
	local signal=$1 out=$FARM_DIR/ended pid pool
	shift
	pool=$(farm_huge_reserved)
	env --default-signal=INT deploy/run.sh >"$out" 2>&1 &
	pid=$!
	farm_wait 60 "$@" "$pid" "$out" || { tail -n 3 "$out"; kill "$pid"; wait "$pid"; return 1; }
	kill -"$signal" "$pid"
	wait "$pid" && { echo "exit status 0"; return 1; }
	clean_after "$pid" "$pool"
}
has_namespace() { [ -e "/run/netns/hfa-$1" ]; }
has_web() { [ -e "/run/handfast-$1/web1/pid" ]; }
has_appliance() { [ -S "/run/handfast-$1/control.sock" ]; }
is_up() { grep -q 'handfast is up' "$2"; }

wrong_options() {
	local pid pool config=$FARM_DIR/wrong.yaml
	pool=$(farm_huge_reserved)
	echo "ports: none" >"$config"
	CONFIG=$config deploy/run.sh >"$FARM_DIR/wrong" 2>&1 &
	pid=$!
	wait "$pid" && { echo "exit status 0"; return 1; }
	grep -q 'handfast.yaml:1:' "$FARM_DIR/wrong" || { tail -n 2 "$FARM_DIR/wrong"; return 1; }
	clean_after "$pid" "$pool"
}

# The appliance dies under a run that is up: the run ends by itself and says so.
appliance_dies() {
	local out=$FARM_DIR/dies pid pool
	pool=$(farm_huge_reserved)
	deploy/run.sh >"$out" 2>&1 &
	pid=$!
	farm_wait 60 is_up "$pid" "$out" || { tail -n 3 "$out"; kill "$pid"; wait "$pid"; return 1; }
	kill -KILL "$(sed -n 's/^PID=//p' "$(grep -l "hfc-$pid\$" build/run/env*)")"
	wait "$pid" && { echo "exit status 0"; return 1; }
	grep -q 'ended by itself' "$out" || { tail -n 3 "$out"; return 1; }
	clean_after "$pid" "$pool"
}

# Killed hard it cannot clean up; the next run does it.
swept() {
	local out=$FARM_DIR/killed pid pool
	pool=$(farm_huge_reserved)
	deploy/run.sh >"$out" 2>&1 &
	pid=$!
	farm_wait 60 is_up "$pid" "$out" || { tail -n 3 "$out"; kill "$pid"; wait "$pid"; return 1; }
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	[ -n "$(left_of "$pid")" ] || { echo "nothing was left to be swept"; return 1; }
	farm_sweep
	rm -f $(grep -ls "hfc-$pid\$" build/run/env*) # the next run would write over it
	clean_after "$pid" "$pool"
}

farm_begin
check "a page, with huge pages" once 1
check "a page, without huge pages" once 0
check "a page, with options of one's own" own_options
check "wrong options end it" wrong_options
check "Ctrl-C as the namespaces are made" ended_by INT has_namespace
check "SIGTERM as the web servers start" ended_by TERM has_web
check "SIGHUP as the appliance comes up" ended_by HUP has_appliance
check "Ctrl-C when it is up" ended_by INT is_up
check "the appliance dies" appliance_dies
check "killed hard, swept by the next run" swept
finish
