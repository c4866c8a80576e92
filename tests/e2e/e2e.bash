# e2e.bash -- what the end-to-end tests share: the farm of deploy/lib.sh, and checks that print
# "ok name" or "not ok name: why". Every script stands alone, cleans up by farm_begin's trap, and
# ends with 0 only when all its checks were ok.
set -u -o pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib.sh"
cd "$farm_root" || exit 1
e2e_bad=0

ok() { echo "ok $1"; }
not_ok() {
	echo "not ok $1: $2"
	e2e_bad=1
}

# check NAME COMMAND...: ok when the command succeeds; why not is its last line.
check() {
	local name=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	[ $status -eq 0 ] && ok "$name" || not_ok "$name" "$(tail -n 1 <<<"$out") (status $status)"
}

# check_not NAME COMMAND...: ok when it fails.
check_not() {
	local name=$1
	shift
	if "$@" >/dev/null 2>&1; then
		not_ok "$name" "succeeded"
	else
		ok "$name"
	fi
}

# Ends the script; the farm's trap keeps the status.
finish() { exit "$e2e_bad"; }

# The bad cable is there. Make knows it as build/wire; another FARM_BIN brings its own.
e2e_cable() { [ "$FARM_BIN" != "$farm_root/build" ] || make -s build/wire || farm_fail "wire does not build"; }

# The demo's options; closed connections are forgotten soon, so that tests can wait for it.
e2e_config() {
	farm_config
	printf 'timeouts:\n  time_wait: 2s\n' >>"$FARM_DIR/handfast.yaml"
}

# The whole demo, up to the first page. E2E_PREPARE runs when certificates can be made.
e2e_up() {
	farm_begin
	"${E2E_PREPARE:-true}" || farm_fail "the test cannot prepare itself"
	farm_web 1
	farm_web 2
	e2e_config
	farm_appliance
	farm_relay
	e2e_attached 1
	e2e_serving
}

# ENDPOINT-COUNT: the relays have come; from here on the gauges are those of an idle appliance.
e2e_attached() {
	farm_wait 15 farm_stat_is links endpoints "$1" || farm_fail "no relay attaches"
	e2e_gauges >"$FARM_DIR/gauges"
}
e2e_serving() { farm_wait 15 farm_curl / || farm_fail "no page comes"; }

# e2e_file NAME BYTES: random bytes for the web servers to serve.
e2e_file() { head -c "$2" /dev/urandom >"$FARM_DIR/files/$1"; }

# e2e_same NAME [CURL ARGUMENT...]: a download that is equal to the last byte.
e2e_same() {
	local name=$1
	shift
	farm_curl "/files/$name" "$@" | cmp - "$FARM_DIR/files/$name"
}

# e2e_upload NAME: of such a file, stored as it was sent.
e2e_upload() {
	farm_curl /upload/up -T "$FARM_DIR/files/$1" && cmp "$FARM_DIR/upload/up" "$FARM_DIR/files/$1"
}

# e2e_to ADDRESS COMMAND...: what the command asks for is asked of that address.
e2e_to() {
	local FARM_TO=$1
	shift
	"$@"
}

# e2e_ping PING ARGUMENT...: from the client, nothing lost.
e2e_ping() { farm_in_client ping -n -q -W 1 "$@" | grep ' 0% packet loss'; }

# Every gauge there is, but those that only ever rise, and the sessions of clients that may come back.
e2e_gauges() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --prometheus | awk '
		$1 == "#" && $2 == "TYPE" { gauge = $4 == "gauge" && $3 !~ /_max$|_site_generation$|_ticket_|_tls_sessions$|_certificate_|_headroom$|_guard_prefixes$|_strangers_rate$/ }
		$1 != "#" && gauge'
}

# e2e_nss DIRECTORY: a new certificate store as browsers keep it, that knows the demo authority.
e2e_nss() {
	mkdir -p "$1" && certutil -N -d "sql:$1" --empty-password &&
		certutil -A -d "sql:$1" -t C,, -n demo -i "$FARM_CA"
}

# holds EXPRESSION: true of the report m that hfbench wrote to $json.
json=
holds() {
	python3 -c 'import json, sys
m = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), {k: v for k, v in m.items() if not k.endswith("buckets")}' "$json" "$1"
}

# PATH [CHROMIUM ARGUMENT...]: the document that headless Chromium makes of a page, in a home of its own.
e2e_chromium() {
	local path=$1 home=$FARM_DIR/chromium
	shift
	rm -rf "$home"
	e2e_nss "$home/.pki/nssdb" || return
	HOME=$home farm_in_client timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic \
		--no-first-run --disable-background-networking --disable-component-update --disable-sync \
		--user-data-dir="$home/profile" --host-resolver-rules="MAP $FARM_SNI $FARM_ADDRESS" "$@" \
		--dump-dom "https://$FARM_SNI$path" 2>"$home/err"
}

# Idle: every pool and gauge is where it was before the first client came.
e2e_idle() {
	local now
	now=$(e2e_gauges | diff "$FARM_DIR/gauges" -) && return
	grep '^>' <<<"$now" | xargs
	return 1
}

# After the lingering of clients that left badly.
e2e_idle_soon() { farm_wait "${1:-45}" e2e_idle || e2e_idle; }
