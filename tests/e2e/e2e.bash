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

# The whole demo, up to the first page.
e2e_up() {
	farm_begin
	farm_web 1
	farm_web 2
	farm_config
	farm_appliance
	farm_relay
	e2e_serving
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

# Gauges that are zero when nobody is there.
e2e_gauges=(conns handshakes streams chunks records link_chunks link_reserved)

e2e_idle() {
	local gauge value
	for gauge in "${e2e_gauges[@]}"; do
		value=$(farm_stat worker "$gauge") || return 1
		if [ "$value" != 0 ]; then
			echo "worker.$gauge is $value"
			return 1
		fi
	done
	[ "$(farm_stat pk jobs)" = 0 ] && [ "$(farm_stat sym jobs)" = 0 ]
}

# After the lingering of clients that left badly.
e2e_idle_soon() { farm_wait "${1:-45}" e2e_idle || e2e_idle; }
