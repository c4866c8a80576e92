# lib.sh -- the demo farm as functions, for run.sh and for the end-to-end tests. Sourced by bash.
#
#   client namespace hfc-PID            appliance namespace hfa-PID
#   hf1 10.9.0.2/24  <---- veth ---->   hf0, without address: the appliance owns 10.9.0.1
#                                       handfast == shared memory == hfrelay -- nginx 127.0.0.1:808N
#
# Whatever a run makes carries the pid of its shell: two namespaces, the folder /run/handfast-PID,
# a share of the huge page pool; and every process runs inside one of the two namespaces. So
# farm_remove PID takes it all away from the pid alone, as often as one likes, and also finds what
# a run that was killed hard has left behind. The network of the host is never touched.

farm_root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/..")
FARM_BIN=${FARM_BIN:-$farm_root/build}
FARM_DIR=/run/handfast-$$
FARM_CLIENT=hfc-$$
FARM_APPL=hfa-$$
FARM_BETWEEN=hfb-$$ # with FARM_WIRE: what lies between them
FARM_ADDRESS=10.9.0.1
FARM_ADDRESS6=fd09::1 # with FARM_IPV6
FARM_PORT=443
FARM_SNI=handfast.test
FARM_CA=$FARM_DIR/ca.pem
FARM_STATS=$FARM_DIR/control.sock
FARM_WEBS=()                 # addresses of the web servers started
FARM_FILES=()                # elsewhere, to be removed at the end
FARM_PID='' FARM_RELAY_PID='' # of the appliance and of the last relay
FARM_USER=daemon             # the appliance becomes this user
FARM_RELAY_USER=nobody       # the appliance admits relays of this user

farm_say() { echo "$@" >&2; }
farm_fail() {
	farm_say "farm: $*"
	exit 1
}

# farm_wait SECONDS COMMAND: until the command succeeds.
farm_wait() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

farm_in_client() { ip netns exec "$FARM_CLIENT" "$@"; }
farm_in_appl() { ip netns exec "$FARM_APPL" "$@"; }

# farm_start NAME COMMAND: in the appliance's namespace, output to $FARM_DIR/NAME.log; FARM_LAST is
# its pid. In a session of its own, so that Ctrl-C reaches the script alone, which ends things in
# order. Neither setsid nor ip forks here: the pid stays the command's.
farm_start() {
	local name=$1
	shift
	setsid ip netns exec "$FARM_APPL" "$@" </dev/null >>"$FARM_DIR/$name.log" 2>&1 &
	FARM_LAST=$!
	disown
}

# farm_stop PID...: asks, waits, insists.
farm_stop() {
	kill -TERM "$@" 2>/dev/null
	farm_wait 5 farm_all_gone "$@" || kill -KILL "$@" 2>/dev/null
	farm_wait 5 farm_all_gone "$@"
}
farm_all_gone() { ! kill -0 "$@" 2>/dev/null; }

# ---- huge pages: a share of the pool for this run, given back as found ---------------------------
farm_meminfo() { awk -v key="$1:" '$1 == key {print $2}' /proc/meminfo; }

# Pages reserved for good. Those that processes still hold after their reservation was given back
# count as surplus until they end, and are not meant.
farm_huge_reserved() { echo $(($(farm_meminfo HugePages_Total) - $(farm_meminfo HugePages_Surp))); }

# farm_huge_pool +N or -N; shares are differences, so that runs beside each other do not undo one
# another. Prints by how much the reservation has really changed.
farm_huge_pool() {
	local before
	before=$(farm_huge_reserved)
	hugeadm --pool-pages-min "2MB:$1" >/dev/null 2>&1
	echo $(($(farm_huge_reserved) - before))
}

# farm_huge N: sees to N free pages of 2 MB; returns 1 when the kernel has no such memory.
farm_huge() {
	local lack got=0
	exec {farm_lock}>/run/lock/handfast-hugepages
	flock "$farm_lock"
	lack=$(($1 - $(farm_meminfo HugePages_Free) + $(farm_meminfo HugePages_Rsvd)))
	if [ "$lack" -gt 0 ]; then
		echo "$lack" >"$FARM_DIR/hugepages" # before the act: a kill in between is covered
		got=$(farm_huge_pool "+$lack")
		echo "$got" >"$FARM_DIR/hugepages"
	fi
	exec {farm_lock}>&-
	[ "$got" -ge "$lack" ]
}

farm_huge_give_back() {
	local share=0
	exec {farm_lock}>/run/lock/handfast-hugepages
	flock "$farm_lock"
	[ ! -s "$1/hugepages" ] || read -r share <"$1/hugepages"
	rm -f "$1/hugepages"
	[ "$share" -eq 0 ] || farm_huge_pool "-$share" >/dev/null
	exec {farm_lock}>&-
}

# ---- beginning and end ---------------------------------------------------------------------------
farm_processes() {
	local ns
	for ns in "hfc-$1" "hfa-$1" "hfb-$1"; do
		[ ! -e "/run/netns/$ns" ] || ip netns pids "$ns"
	done
}

# farm_remove PID: everything that the run of that shell has made.
farm_remove() {
	local pid=$1 dir=/run/handfast-$1 ns left
	mapfile -t left < <(farm_processes "$pid")
	[ ${#left[@]} -eq 0 ] || farm_stop "${left[@]}"
	ip -n "hfa-$pid" link del hf0 2>/dev/null
	for ns in "hfc-$pid" "hfa-$pid" "hfb-$pid"; do
		[ ! -e "/run/netns/$ns" ] || ip netns del "$ns" 2>/dev/null
	done
	[ ! -d "$dir" ] || farm_huge_give_back "$dir"
	rm -rf "$dir" "/run/dpdk/handfast-$pid" "/etc/netns/hfc-$pid" "/run/dpdk/handfast-$pid".*
}

# What runs that could not clean up have left: their pid is in the names, and no more alive.
farm_sweep() {
	local name pid
	for name in /run/netns/hf[abc]-* /run/handfast-*; do
		pid=${name##*-}
		if [ -e "$name" ] && [[ $pid =~ ^[0-9]+$ ]] && [ ! -d "/proc/$pid" ]; then
			farm_say "farm: removing what run $pid has left behind"
			farm_remove "$pid"
		fi
	done
}

farm_end() {
	local status=$?
	trap '' INT TERM HUP
	farm_remove $$
	rm -f "${FARM_FILES[@]}"
	exit "$status"
}

# farm_begin: sweeps, then makes folder, namespaces, wire and certificates. From here on leaving the
# script by whatever door removes them.
farm_begin() {
	[ "$(id -u)" -eq 0 ] || farm_fail "needs root for network namespaces; try sudo"
	farm_sweep
	trap farm_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	# The appliance gives up root and must still be able to unlink its sockets at the end.
	install -d -m 755 -o "$FARM_USER" "$FARM_DIR" || farm_fail "cannot make $FARM_DIR"
	farm_wire || farm_fail "cannot make the namespaces and the veth between them"
	farm_authority || farm_fail "cannot make the demo authority: $FARM_DIR/pki.log"
	farm_certificate www "$FARM_SNI" || farm_fail "cannot make the certificate"
}

# farm_veth NAMESPACE NAME NAMESPACE NAME: a veth pair of one queue each way, up, without addresses.
farm_veth() {
	ip -n "$1" link add "$2" numrxqueues 1 numtxqueues 1 type veth \
		peer name "$4" numrxqueues 1 numtxqueues 1 netns "$3" &&
		ip netns exec "$1" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1" &&
		ip netns exec "$3" sysctl -qw "net.ipv6.conf.$4.disable_ipv6=1" &&
		ip -n "$1" link set "$2" up && ip -n "$3" link set "$4" up
}

# The client's kernel must fill in its checksums itself (tx off): on a veth it would leave that to a
# NIC which is not there. With FARM_WIRE, the options of tests/e2e/wire.c, the cable goes through that
# program, in a namespace of its own: client hf1 -- hfw1 [wire] hfw0 -- hf0 appliance.
farm_wire() {
	ip netns add "$FARM_CLIENT" && ip netns add "$FARM_APPL" &&
		ip -n "$FARM_APPL" link set lo up && ip -n "$FARM_CLIENT" link set lo up || return
	if [ -z "${FARM_WIRE+set}${FARM_ROUTER:-}" ]; then
		farm_veth "$FARM_APPL" hf0 "$FARM_CLIENT" hf1 || return
	else
		ip netns add "$FARM_BETWEEN" && farm_veth "$FARM_APPL" hf0 "$FARM_BETWEEN" hfw0 &&
			farm_veth "$FARM_CLIENT" hf1 "$FARM_BETWEEN" hfw1 || return
	fi
	farm_deaf
	farm_in_client ethtool -K hf1 tx off >/dev/null || return
	if [ -n "${FARM_ROUTER:-}" ]; then
		farm_router
	else
		farm_addresses "$FARM_CLIENT" hf1 10.9.0.2/24 fd09::2/64 &&
			{ [ -z "${FARM_WIRE+set}" ] || farm_cable; }
	fi
}

# Where af_packet has the frames of an interface, the kernel's own IP looks at each of them, too, finds no
# way for it and drops it: in a flood of segments, a third of what they cost the core. So it is told to drop
# them unseen, once af_packet has its copy. Where it cannot (no cls_bpf) it costs more, and that is all.
farm_deaf() {
	tc -n "$FARM_APPL" qdisc add dev hf0 clsact 2>/dev/null &&
		tc -n "$FARM_APPL" filter add dev hf0 ingress bpf da bytecode '1,6 0 0 2' 2>/dev/null
}

# farm_addresses NAMESPACE NAME IPV4 IPV6: the last with FARM_IPV6 alone, at once.
farm_addresses() {
	ip -n "$1" addr add "$3" dev "$2" || return
	[ -n "${FARM_IPV6:-}" ] || return 0
	ip netns exec "$1" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=0" &&
		ip -n "$1" addr add "$4" dev "$2" nodad
}

# With FARM_ROUTER the client is in a network of its own, hf1 10.8.0.2 -- hfw1 10.8.0.254, and that of the
# appliance is behind the router, hfw0 10.9.0.254 -- hf0; of IPv6 alike.
farm_router() {
	farm_addresses "$FARM_CLIENT" hf1 10.8.0.2/24 fd08::2/64 &&
		farm_addresses "$FARM_BETWEEN" hfw1 10.8.0.254/24 fd08::fe/64 &&
		farm_addresses "$FARM_BETWEEN" hfw0 10.9.0.254/24 fd09::fe/64 &&
		ip netns exec "$FARM_BETWEEN" ethtool -K hfw0 tx off >/dev/null &&
		ip netns exec "$FARM_BETWEEN" sysctl -qw net.ipv4.ip_forward=1 \
			net.ipv6.conf.all.forwarding=1 &&
		ip -n "$FARM_CLIENT" route add default via 10.8.0.254 || return
	[ -z "${FARM_IPV6:-}" ] || ip -n "$FARM_CLIENT" -6 route add default via fd08::fe
}

# The program between the veths; FARM_WIRE_PID is its pid. Its options may be changed by another call.
farm_cable() {
	[ -z "${FARM_WIRE_PID:-}" ] || farm_stop "$FARM_WIRE_PID"
	: >"$FARM_DIR/wire.log"
	setsid ip netns exec "$FARM_BETWEEN" "$FARM_BIN/wire" hfw1 hfw0 ${FARM_WIRE:-} </dev/null \
		>>"$FARM_DIR/wire.log" 2>&1 &
	FARM_WIRE_PID=$!
	disown
	farm_wait 5 grep -q '^up$' "$FARM_DIR/wire.log"
}

# ---- certificates: root, intermediate, and leaves of RSA-2048, as farms have them, or FARM_KEY ----
farm_sign() { # SUBJECT EXTENSIONS NAME [ISSUER]
	# shellcheck disable=SC2086  # several words
	openssl req -x509 -newkey ${FARM_KEY:-rsa:2048} -nodes -sha256 -days 30 -config "$FARM_DIR/pki.cnf" \
		-subj "/O=handfast demo/CN=$1" -extensions "$2" -keyout "$FARM_DIR/$3.key" \
		-out "$FARM_DIR/$3.crt" ${4:+-CA "$FARM_DIR/$4.crt" -CAkey "$FARM_DIR/$4.key"} \
		${5:+-addext "$5"} >>"$FARM_DIR/pki.log" 2>&1
}

farm_authority() {
	cat >"$FARM_DIR/pki.cnf" <<-END
		[req]
		distinguished_name = name
		[name]
		[authority]
		basicConstraints = critical, CA:TRUE
		keyUsage = critical, keyCertSign, cRLSign
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
		[server]
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature, keyEncipherment
		extendedKeyUsage = serverAuth
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
	END
	(umask 077 && farm_sign "root" authority root &&
		farm_sign "intermediate" authority inter root) &&
		install -m 644 "$FARM_DIR/root.crt" "$FARM_CA"
}

# farm_certificate NAME HOST...: $FARM_DIR/NAME.pem (leaf, intermediate), NAME.key and NAME.ocsp.
farm_certificate() {
	local name=$1 san='' host
	shift
	for host in "$@"; do
		san+="${san:+,}DNS:$host"
	done
	(umask 077 && farm_sign "$1" server "$name" inter "subjectAltName=$san") &&
		cat "$FARM_DIR/$name.crt" "$FARM_DIR/inter.crt" >"$FARM_DIR/$name.pem" &&
		chown "$FARM_USER" "$FARM_DIR/$name.key" && farm_status "$name"
}

# farm_status NAME: $FARM_DIR/NAME.ocsp, what the intermediate says of NAME.crt (RFC 6960).
farm_status() {
	local base=$FARM_DIR/$1
	printf 'V\t991231235959Z\t\t%s\tunknown\t/CN=%s\n' \
		"$(openssl x509 -in "$base.crt" -noout -serial | cut -d= -f2)" "$1" >"$base.index"
	{ openssl ocsp -issuer "$FARM_DIR/inter.crt" -cert "$base.crt" -no_nonce -reqout "$base.req" &&
		openssl ocsp -index "$base.index" -CA "$FARM_DIR/inter.crt" -rsigner "$FARM_DIR/inter.crt" \
			-rkey "$FARM_DIR/inter.key" -reqin "$base.req" -ndays 7 -respout "$base.ocsp"; } \
		>>"$FARM_DIR/pki.log" 2>&1
}

# ---- the programs --------------------------------------------------------------------------------
# farm_web N: web server N of the farm. / says who it is and who came; /again wants two more and closes each, so
# that a browser comes again; /files/ is $FARM_DIR/files; PUT /upload/NAME stores in $FARM_DIR/upload.
farm_web() {
	local n=$1 dir=$FARM_DIR/web$1 at=127.0.0.1:$((8080 + $1))
	mkdir -p "$dir" "$FARM_DIR/files"
	[ -d "$FARM_DIR/upload" ] || install -d -o nobody "$FARM_DIR/upload"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		user nobody nogroup;
		pid $dir/nginx.pid;
		error_log stderr warn;
		worker_rlimit_nofile $(ulimit -Hn);
		events { worker_connections 20000; } # the bench holds 8,000, and as many to the appliance's peers
		http {
		    access_log off;
		    default_type text/plain;
		    client_body_temp_path $dir/body;
		    proxy_temp_path $dir/proxy;
		    fastcgi_temp_path $dir/fastcgi;
		    uwsgi_temp_path $dir/uwsgi;
		    scgi_temp_path $dir/scgi;
		    client_max_body_size 300m;
		    keepalive_requests 100000;
		    server {
		        listen $at proxy_protocol backlog=4096;
		        listen 127.0.0.1:$((8180 + n)) backlog=4096; # for clients that are no relays
		        add_header X-Web-Server $n;
		        location = / {
		            return 200 "hello from web server $n, you came from \$proxy_protocol_addr\n";
		        }
		        location = /again {
		            keepalive_timeout 0;
		            default_type text/html;
		            return 200 "<p>hello from web server $n</p><img src='/again?2'><img src='/again?3'>";
		        }
		        location /files/ { root $FARM_DIR; }
		        location /upload/ { root $FARM_DIR; dav_methods PUT; }
		    }
		}
	END
	farm_start "web$n" nginx -e stderr -c "$dir/nginx.conf"
	echo "$FARM_LAST" >"$dir/pid"
	farm_wait 5 farm_in_appl bash -c "exec 3<>/dev/tcp/${at/:/\/}" ||
		farm_fail "web server $n does not listen: $FARM_DIR/web$n.log"
	FARM_WEBS+=("$at")
}

# farm_config: the options of the demo, with FARM_IPV6 of both families, in FARM_VLAN. FARM_DEVICE, FARM_MORE (addresses), FARM_WORKERS, FARM_KEYLOG and FARM_CERTIFICATES
# (names with a comma and a space between) vary it.
farm_config() {
	local at=$FARM_ADDRESS:$FARM_PORT tag=${FARM_VLAN:+@$FARM_VLAN}
	[ -z "${FARM_IPV6:-}" ] || at="'[::]:$FARM_PORT'"
	cat >"$FARM_DIR/handfast.yaml" <<-END
		ports:
		  - name: wan0
		    device: ${FARM_DEVICE:-net_af_packet0,iface=hf0}
		    addresses: [$FARM_ADDRESS/24$tag${FARM_IPV6:+, "$FARM_ADDRESS6/64$tag"}${FARM_MORE:+, $FARM_MORE}]
		listeners:
		  - name: www
		    address: $at
		    certificates: [${FARM_CERTIFICATES:-www}]
		    backend: web
		certificates:
		$(for name in ${FARM_CERTIFICATES:-www}; do
			printf '  - name: %s\n    chain: %s.pem\n    key: %s.key\n' "${name%,}" "${name%,}" "${name%,}"
			[ ! -f "$FARM_DIR/${name%,}.ocsp" ] || printf '    ocsp: %s.ocsp\n' "${name%,}"
		done)
		backends:
		  - name: web
		    socket: web.sock
		    uid: $FARM_RELAY_USER
		workers:
		  count: ${FARM_WORKERS:-1}
		stats:
		  socket: control.sock
		process:
		  run_as: $FARM_USER
		dpdk:
		  args: [--file-prefix=handfast-$$]
	END
	[ -z "${FARM_KEYLOG:-}" ] || printf 'tls:\n  keylog: %s\n' "$FARM_KEYLOG" \
		>>"$FARM_DIR/handfast.yaml"
}

# Huge pages that these options ask for.
farm_plan_pages() {
	farm_in_appl "$FARM_BIN/handfast" --plan "$FARM_DIR/handfast.yaml" | awk '/^huge pages/ {print $3}'
}

# farm_appliance: handfast with $FARM_DIR/handfast.yaml; waits until it answers.
farm_appliance() {
	farm_start handfast "$FARM_BIN/handfast" "$FARM_DIR/handfast.yaml"
	FARM_PID=$FARM_LAST
	farm_wait 60 farm_up "$FARM_PID" "$FARM_STATS" && kill -0 "$FARM_PID" 2>/dev/null && return
	tail -n 20 "$FARM_DIR/handfast.log" >&2
	farm_fail "the appliance did not come up"
}
farm_up() { ! kill -0 "$1" 2>/dev/null || [ -S "$2" ]; }

# farm_relay [SOCKET [WEB...]]: hfrelay between the appliance and these web servers, by default all, with
# FARM_RELAY_OPTIONS.
farm_relay() {
	local socket=${1:-web.sock} web servers=()
	[ $# -gt 1 ] || set -- "$socket" "${FARM_WEBS[@]}"
	for web in "${@:2}"; do
		servers+=(--server "$web")
	done
	farm_start "hfrelay-$socket" setpriv --reuid "$FARM_RELAY_USER" --regid nogroup \
		--clear-groups "$FARM_BIN/hfrelay" --socket "$FARM_DIR/$socket" ${FARM_RELAY_OPTIONS:---send-proxy v2} \
		"${servers[@]}"
	FARM_RELAY_PID=$FARM_LAST
}

# farm_curl PATH [CURL ARGUMENT...]: a page as a client gets it, from FARM_TO if that is set, with
# FARM_CIPHER if that is.
farm_curl() {
	local path=$1
	shift
	farm_in_client curl -sS --max-time 120 --cacert "$FARM_CA" \
		${FARM_CIPHER:+--ciphers "$FARM_CIPHER"} \
		--resolve "$FARM_SNI:$FARM_PORT:${FARM_TO:-$FARM_ADDRESS}" "$@" \
		"https://$FARM_SNI:$FARM_PORT$path"
}

# farm_stat MODULE ROW: a counter or gauge of the appliance, all workers and ports added up. Fails
# when there is no such row.
farm_stat() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json | python3 -c '
import json, sys
module, row = sys.argv[1:]
print(sum([s["rows"][row] for s in json.load(sys.stdin) if s["module"] == module] or [sys.exit(1)]))
' "$1" "$2"
}
farm_stat_is() { [ "$(farm_stat "$1" "$2")" = "$3" ]; }
