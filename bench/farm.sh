#!/bin/bash
# farm.sh -- what bench.py measures, made and taken away again: the appliance with its relay, and beside
# it the programs that a farm would use in its place, each with one worker, all on one core:
#   nginx (http), nginx (stream), HAProxy (http), HAProxy (tcp), hitch
# Two wires join the client's namespace with the servers': the appliance owns one, the kernel the other.
# All have the same two certificates (RSA-2048, P-256), TLS 1.2, tickets and ids, and the same plaintext
# web server behind them, which shares the client's core and is nobody's cost.
# Then it runs the program given, with what it needs to know in BENCH_*.
# The appliance's port is AF_XDP where this kernel has it, else af_packet; BENCH_PORT says which.
# Its relay forwards requests, as nginx (http) and HAProxy (http) do, or streams (BENCH_FORWARD).
#   bench/farm.sh COMMAND...          SERVER_CORE=0 CLIENT_CORE=1 BENCH_PORT=af_xdp|af_packet
#                                     BENCH_FORWARD=http|stream
set -uo pipefail
. "$(dirname "$0")/../deploy/lib.sh"
cd "$farm_root" || exit 1
export SERVER_CORE=${SERVER_CORE:-0} CLIENT_CORE=${CLIENT_CORE:-1}
[ "$(nproc)" -ge 2 ] || farm_fail "needs two cores, one for the servers and one for the client"
ulimit -n "$(ulimit -Hn)"
has_af_xdp() { python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW)' 2>/dev/null; }
export BENCH_PORT=${BENCH_PORT:-$(has_af_xdp && echo af_xdp || echo af_packet)}
export BENCH_FORWARD=${BENCH_FORWARD:-http}
peer_address=10.9.1.1
suites=ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256:AES128-SHA
on_server=(taskset -c "$SERVER_CORE")
: >"${BENCH_SERVERS:=$(mktemp)}"
FARM_FILES+=("$BENCH_SERVERS")
export BENCH_SERVERS

# server NAME VERSION ADDRESS PID...: a line for bench.py; with the client's end of the server's wire, and an address
# there for a client that brings its own TCP.
server() {
	local wire="ng1 10.9.1.3"
	[ "$1" != handfast ] || wire="hf1 10.9.0.3"
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${*:4}" "$wire" >>"$BENCH_SERVERS"
}

second_wire() {
	ip -n "$FARM_APPL" link add ng0 numrxqueues 1 numtxqueues 1 type veth peer name ng1 netns "$FARM_CLIENT" \
		numrxqueues 1 numtxqueues 1 &&
		ip -n "$FARM_APPL" addr add $peer_address/24 dev ng0 && ip -n "$FARM_APPL" link set ng0 up &&
		ip -n "$FARM_CLIENT" addr add 10.9.1.2/24 dev ng1 && ip -n "$FARM_CLIENT" link set ng1 up
}

# A virtual core that halts, as the client's does hundreds of times in a second, comes back when its host has time for
# it: milliseconds later on a shared machine, in which clients seem to wait for a server. So no core halts while this
# file is open (cpuidle's PM QoS; Documentation/admin-guide/pm/cpuidle.rst). Servers that sleep win as much by it as ours.
stay_awake() {
	[ -w /dev/cpu_dma_latency ] && exec {awake}<>/dev/cpu_dma_latency && printf '\0\0\0\0' >&"$awake" && export BENCH_AWAKE=1
}

# On a veth the sender's core does the receiver's interrupt work, unless it is told to hand it over: then
# each side pays for what it receives, as with a cable between them (receive packet steering).
own_interrupts() {
	local mask
	for dev in hf1 ng1; do
		printf -v mask %x $((1 << CLIENT_CORE))
		farm_in_client sh -c "mount -t sysfs none /sys 2>/dev/null; echo $mask >/sys/class/net/$dev/queues/rx-0/rps_cpus"
	done
	for dev in hf0 ng0; do
		printf -v mask %x $((1 << SERVER_CORE))
		farm_in_appl sh -c "mount -t sysfs none /sys 2>/dev/null; echo $mask >/sys/class/net/$dev/queues/rx-0/rps_cpus"
	done
}

# AF_XDP takes frames before that handing over. So its interface is polled by a thread of the kernel of its own,
# on the servers' core and listed with the appliance's processes: its CPU time is the appliance's. As batch work
# it does not interrupt the worker for each frame: it runs when that one rests, or its slice is over, as a poll of
# a card's queue by the worker itself would (which a veth does not have). The peers' wire was tried in the same
# way with nginx (http): polled by a thread, as batch work or not, it serves no more, requests on kept connections less.
own_receiver() {
	local thread
	farm_in_appl sh -c "mount -t sysfs none /sys 2>/dev/null; echo 1 >/sys/class/net/hf0/threaded" &&
		thread=$(pgrep -n "^napi/hf0-") && taskset -c -p "$SERVER_CORE" "$thread" >/dev/null && chrt -b -p 0 "$thread" &&
		receiver=$thread
}

# What comes for a client with a TCP of its own has been copied to it before the kernel's IP looks for a way for it,
# finds none and drops it: a third as much again of what the client takes, and the ways not found are freed by the
# thousand, which stops its core for milliseconds. So it is dropped unseen, on both wires.
client_deaf() { # DEVICE ADDRESS
	local number code
	number=$((0x$(printf %02x ${2//./ })))
	code="6,40 0 0 12,21 0 3 2048,32 0 0 30,21 0 1 $number,6 0 0 2,6 0 0 0" # IPv4 and its destination: drop
	tc -n "$FARM_CLIENT" qdisc add dev "$1" clsact && tc -n "$FARM_CLIENT" filter add dev "$1" ingress bpf da bytecode "$code"
}

# A client of many short connections needs its ports back.
client_ports() {
	farm_in_client sysctl -qw net.ipv4.ip_local_port_range="2048 65535" net.ipv4.tcp_tw_reuse=1
	farm_in_appl sysctl -qw net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=4096 \
		net.ipv4.ip_local_port_range="16384 65535" net.ipv4.tcp_tw_reuse=1
}

# answers PORT: the server has come up.
answers() {
	farm_wait 10 farm_in_client bash -c "exec 3<>/dev/tcp/$peer_address/$1" ||
		farm_fail "nothing listens at $peer_address:$1; see $FARM_DIR/*.log"
}

# children PID: it and those it has forked; not before there is one, and who they are is settled.
children() {
	farm_wait 5 pgrep -P "$1" || farm_fail "process $1 has no worker"
	sleep 0.3
	echo "$1 $(pgrep -P "$1" | xargs)"
}

nginx_head() { # DIR
	mkdir -p "$1"
	cat <<-END
		$2
		daemon off;
		worker_processes 1;
		worker_rlimit_nofile $(ulimit -n);
		user nobody nogroup;
		pid $1/nginx.pid;
		error_log stderr error;
		events { worker_connections 18000; }
	END
}

nginx_tls() { # KIND of session cache
	cat <<-END
		ssl_certificate $FARM_DIR/www.pem;
		ssl_certificate_key $FARM_DIR/www.key;
		ssl_certificate $FARM_DIR/ecdsa.pem;
		ssl_certificate_key $FARM_DIR/ecdsa.key;
		ssl_protocols TLSv1.2;
		ssl_ciphers $suites;
		ssl_prefer_server_ciphers on;
		ssl_ecdh_curve X25519:prime256v1;
		ssl_session_cache shared:$1:10m;
		ssl_session_tickets on;
	END
}

peer_nginx_http() {
	local dir=$FARM_DIR/nginx_http
	mkdir -p "$dir"
	{
		nginx_head "$dir" ""
		cat <<-END
			http {
			    access_log off;
			    client_body_temp_path $dir/body;
			    proxy_temp_path $dir/proxy;
			    fastcgi_temp_path $dir/fastcgi;
			    uwsgi_temp_path $dir/uwsgi;
			    scgi_temp_path $dir/scgi;
			    keepalive_requests 1000000;
			    keepalive_timeout 300s;
			    proxy_http_version 1.1;
			    proxy_set_header Connection "";
			    upstream web { server 127.0.0.1:8181; keepalive 64; keepalive_requests 1000000; }
			    $(nginx_tls HTTP)
			    server {
			        listen $peer_address:8001 ssl backlog=4096;
			        location / { proxy_pass http://web; }
			    }
			}
		END
	} >"$dir/nginx.conf"
	farm_start nginx_http "${on_server[@]}" nginx -e stderr -c "$dir/nginx.conf"
	answers 8001
	server nginx-http "$(nginx -v 2>&1 | sed 's|.*/||')" $peer_address:8001 "$(children "$FARM_LAST")"
}

peer_nginx_stream() {
	local dir=$FARM_DIR/nginx_stream module=/usr/lib/nginx/modules/ngx_stream_module.so
	mkdir -p "$dir"
	[ -f $module ] || { farm_say "no stream module of nginx"; return; }
	{
		nginx_head "$dir" "load_module $module;"
		cat <<-END
			stream {
			    $(nginx_tls STREAM)
			    server {
			        listen $peer_address:8002 ssl backlog=4096;
			        tcp_nodelay on;
			        proxy_protocol on;
			        proxy_pass 127.0.0.1:8081;
			    }
			}
		END
	} >"$dir/nginx.conf"
	farm_start nginx_stream "${on_server[@]}" nginx -e stderr -c "$dir/nginx.conf"
	answers 8002
	server nginx-stream "$(nginx -v 2>&1 | sed 's|.*/||')" $peer_address:8002 "$(children "$FARM_LAST")"
}

peer_haproxy() { # http|tcp PORT WEB
	local dir=$FARM_DIR/haproxy_$1
	mkdir -p "$dir"
	cat "$FARM_DIR/www.pem" "$FARM_DIR/www.key" >"$dir/www.pem.rsa"
	cat "$FARM_DIR/ecdsa.pem" "$FARM_DIR/ecdsa.key" >"$dir/www.pem.ecdsa"
	cat >"$dir/haproxy.cfg" <<-END
		global
		    maxconn 9000
		    nbthread 1
		    tune.ssl.default-dh-param 2048
		    ssl-default-bind-ciphers $suites
		    ssl-default-bind-curves X25519:P-256
		    ssl-default-bind-options ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2
		defaults
		    mode $1
		    timeout connect 10s
		    timeout client 300s
		    timeout server 300s
		frontend tls
		    bind $peer_address:$2 backlog 4096 ssl crt $dir/www.pem
		    default_backend web
		backend web
		    server web $3
	END
	farm_start "haproxy_$1" "${on_server[@]}" haproxy -W -f "$dir/haproxy.cfg"
	answers "$2"
	server "haproxy-$1" "$(haproxy -v | sed -n '1s/.*version \([^ -]*\).*/\1/p')" "$peer_address:$2" "$(children "$FARM_LAST")"
}

peer_hitch() {
	local dir=$FARM_DIR/hitch name
	mkdir -p "$dir"
	for name in www ecdsa; do
		cat "$FARM_DIR/$name.key" "$FARM_DIR/$name.pem" >"$dir/$name.pem"
	done
	chmod -R go+rX "$dir"
	cat >"$dir/hitch.conf" <<-END
		frontend = { host = "$peer_address" port = "8005" pem-file = "$dir/www.pem" }
		frontend = { host = "$peer_address" port = "8006" pem-file = "$dir/ecdsa.pem" }
		backend = "[127.0.0.1]:8081"
		write-proxy-v2 = on
		workers = 1
		backlog = 4096
		user = "nobody"
		group = "nogroup"
		tls-protos = TLSv1.2
		ciphers = "$suites"
		prefer-server-ciphers = on
		ecdh-curve = "X25519:prime256v1"
		session-cache = 0
		log-level = 1
	END
	sed -i '/^session-cache/d' "$dir/hitch.conf"
	farm_start hitch "${on_server[@]}" hitch --config="$dir/hitch.conf"
	answers 8005
	# one certificate for an address: the other key has another port
	server hitch "$(hitch --version | sed -n '1s/hitch *//p')" "$peer_address:8005,ecdsa=$peer_address:8006" \
		"$(children "$FARM_LAST")"
}

# What the appliance was built from. Results that stand there from before are no part of it.
commit() {
	local name
	name=$(git describe --always 2>/dev/null) || { echo unknown; return; }
	git diff --quiet HEAD -- . ':!bench/results' && echo "$name" || echo "$name-dirty"
}

appliance() {
	local pages receiver=
	case $BENCH_PORT in
	af_xdp) FARM_DEVICE=net_af_xdp0,iface=hf0,busy_budget=0 ;;
	af_packet) FARM_DEVICE=net_af_packet0,iface=hf0 ;;
	*) farm_fail "BENCH_PORT is af_xdp or af_packet, not $BENCH_PORT" ;;
	esac
	FARM_CERTIFICATES="www, ecdsa" FARM_WORKERS="1
  cores: [$SERVER_CORE]" farm_config
	cat >>"$FARM_DIR/handfast.yaml" <<-END
		memory:
		  connections: 16384
		  chunks: 163840 # so that no case is short of them
		timeouts:
		  idle: 600s
	END
	farm_in_appl "$FARM_BIN/handfast" --plan "$FARM_DIR/handfast.yaml" >"$FARM_DIR/plan" ||
		farm_fail "the appliance has no plan for its options"
	pages=$(awk '/^huge pages/ {print $3}' "$FARM_DIR/plan")
	farm_huge "$pages" || farm_say "without huge pages"
	farm_appliance
	[ "$BENCH_PORT" != af_xdp ] || own_receiver || farm_fail "the kernel polls hf0 in no thread of its own"
	case $BENCH_FORWARD in
	http) FARM_RELAY_OPTIONS=--http farm_relay web.sock 127.0.0.1:8181 ;;
	stream) farm_relay ;;
	*) farm_fail "BENCH_FORWARD is http or stream, not $BENCH_FORWARD" ;;
	esac
	# The worker has its core already; everything else of both programs comes to it.
	taskset -a -c -p "$SERVER_CORE" "$FARM_PID" >/dev/null
	taskset -a -c -p "$SERVER_CORE" "$FARM_RELAY_PID" >/dev/null
	farm_wait 15 farm_stat_is links endpoints 1 || farm_fail "the relay does not attach"
	server handfast "$(commit)" "$FARM_ADDRESS:$FARM_PORT" \
		"$FARM_PID $FARM_RELAY_PID${receiver:+ $receiver}"
	export BENCH_APPLIANCE=$FARM_PID BENCH_RELAY=$FARM_RELAY_PID
}

farm_begin
stay_awake || farm_say "cores may halt: on a virtual machine latencies are then its host's as well"
FARM_KEY="ec -pkeyopt ec_paramgen_curve:P-256" farm_certificate ecdsa "$FARM_SNI" ||
	farm_fail "cannot make the second certificate"
farm_web 1
for pid in $(pgrep -g "$(cat "$FARM_DIR/web1/pid")"); do
	taskset -a -c -p "$CLIENT_CORE" "$pid" >/dev/null
done
head -c 1048576 /dev/urandom >"$FARM_DIR/files/1m"
chmod -R go+rX "$FARM_DIR/files"
second_wire || farm_fail "cannot make the second veth"
client_ports
client_deaf hf1 10.9.0.3 && client_deaf ng1 10.9.1.3 || farm_say "without cls_bpf: the client costs more"
own_interrupts || farm_fail "cannot steer the interrupts"
appliance
farm_wait 15 farm_curl / || farm_fail "no page comes"
for peer in ${BENCH_PEERS-nginx_http nginx_stream haproxy_http haproxy_tcp hitch}; do
	case $peer in
	haproxy_http) peer_haproxy http 8003 127.0.0.1:8181 ;;
	haproxy_tcp) peer_haproxy tcp 8004 "127.0.0.1:8081 send-proxy-v2" ;;
	nginx_http | nginx_stream | hitch) "peer_$peer" ;;
	*) farm_fail "unknown peer $peer" ;;
	esac
done
export FARM_BIN FARM_DIR FARM_CLIENT FARM_APPL FARM_SNI FARM_CA FARM_STATS
# Not in the foreground: a signal would wait there for its end, and not reach it.
"$@" &
command=$!
trap 'kill -TERM $command 2>/dev/null; exit 143' TERM HUP
trap 'kill -TERM $command 2>/dev/null; exit 130' INT
wait $command
