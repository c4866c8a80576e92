#!/bin/bash
# compare.sh -- handshakes per second: the appliance with its relay against nginx that does TLS
# itself. Same machine, namespaces of the same kind, same certificate and suite, one core for the
# server (0) and one for the client (1). The two take turns, A B A B, so that whatever else the
# machine does meets both; what counts is the median of the rounds' ratios.
#   bench/compare.sh [ROUNDS [SECONDS]]      default 7 rounds of 4 s each
#   CIPHER=AES128-GCM-SHA256  CLIENTS=64  REQUEST=   (a path, to fetch a page with each connection)
#   RESUME=none, or ticket or id: each client comes back with the session of its first visit
# A connection is a handshake and a close; with REQUEST the web server's CPU time counts too.
set -uo pipefail
. "$(dirname "$0")/../deploy/lib.sh"
cd "$farm_root" || exit 1
rounds=${1:-7} seconds=${2:-4}
cipher=${CIPHER:-AES128-GCM-SHA256} clients=${CLIENTS:-64} request=${REQUEST:-}
resume=${RESUME:-none} nginx_cache=off nginx_tickets=off
case $resume in
ticket) nginx_tickets=on ;;
id) nginx_cache=builtin:20000 ;;
esac
[ "$(nproc)" -ge 2 ] || farm_fail "needs two cores, one for the server and one for the client"
make --no-print-directory -j"$(nproc)" all || exit 1

# nginx with TLS of its own, on a second veth.
stand_alone() {
	local dir=$FARM_DIR/alone
	mkdir -p "$dir"
	ip -n "$FARM_APPL" link add ng0 type veth peer name ng1 netns "$FARM_CLIENT" &&
		ip -n "$FARM_APPL" addr add 10.9.1.1/24 dev ng0 && ip -n "$FARM_APPL" link set ng0 up &&
		ip -n "$FARM_CLIENT" addr add 10.9.1.2/24 dev ng1 &&
		ip -n "$FARM_CLIENT" link set ng1 up || farm_fail "cannot make the second veth"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		worker_cpu_affinity 0001;
		user nobody nogroup;
		pid $dir/nginx.pid;
		error_log stderr warn;
		events { worker_connections 8192; }
		http {
		    access_log off;
		    default_type text/plain;
		    client_body_temp_path $dir/body;
		    proxy_temp_path $dir/proxy;
		    fastcgi_temp_path $dir/fastcgi;
		    uwsgi_temp_path $dir/uwsgi;
		    scgi_temp_path $dir/scgi;
		    server {
		        listen 10.9.1.1:$FARM_PORT ssl backlog=4096;
		        ssl_certificate $FARM_DIR/www.pem;
		        ssl_certificate_key $FARM_DIR/www.key;
		        ssl_protocols TLSv1.2;
		        ssl_ciphers $cipher;
		        ssl_session_cache $nginx_cache;
		        ssl_session_tickets $nginx_tickets;
		        location = / { return 200 "hello from web server 1, you came from \$remote_addr\n"; }
		    }
		}
	END
	farm_start alone nginx -e stderr -c "$dir/nginx.conf"
	alone_pids=$FARM_LAST
	farm_wait 5 pgrep -P "$FARM_LAST" || farm_fail "nginx does not start: $FARM_DIR/alone.log"
	alone_pids+=,$(pgrep -d, -P "$FARM_LAST")
}

# ADDRESS PIDS: prints rate, rate per CPU second of the server, median and 99 % latency in ms.
measure() {
	local json=$FARM_DIR/measured.json
	farm_in_client taskset -c 1 "$FARM_BIN/hfbench" -q -c "$clients" -d "$seconds" --sni "$FARM_SNI" \
		--cipher "$cipher" --ca "$FARM_CA" --resume "$resume" ${request:+--request "$request"} --cpu-of "$2" \
		--json "$json" "$1:$FARM_PORT" >"$FARM_DIR/measured.log" ||
		{ cat "$FARM_DIR/measured.log" >&2; farm_fail "connections to $1 failed"; }
	python3 -c '
import json, sys
m = json.load(open(sys.argv[1]))
if sys.argv[2] != "none" and m["resumed"] < 0.95 * m["handshakes"]:
    sys.exit("only %d of %d were resumed" % (m["resumed"], m["handshakes"]))
print(m["handshakes_per_second"], m["handshakes_per_server_cpu_second"],
      m["handshake_ms"]["p50"], m["handshake_ms"]["p99"])' "$json" "$resume"
}

farm_begin
farm_config
farm_huge "$(farm_plan_pages)" || farm_say "without huge pages"
farm_web 1
farm_appliance
farm_relay
taskset -a -c -p 0 "$FARM_RELAY_PID" >/dev/null
pids=$FARM_PID,$FARM_RELAY_PID
[ -z "$request" ] || pids+=,$(pgrep -d, -g "$(cat "$FARM_DIR/web1/pid")")
stand_alone
farm_wait 15 farm_curl / || farm_fail "no page comes"
for round in $(seq 0 "$rounds"); do # round 0 warms up
	a=$(measure "$FARM_ADDRESS" "$pids") && b=$(measure 10.9.1.1 "$alone_pids") || exit 1
	[ "$round" -eq 0 ] || echo "$a $b"
done | python3 -c '
import statistics, sys
rounds = [[float(v) for v in line.split()] for line in sys.stdin]
if not rounds:
    sys.exit(1)
print("                    appliance + relay                     nginx alone           appliance / nginx")
print("round        /s  /CPU s   p50 ms   p99 ms        /s  /CPU s   p50 ms   p99 ms       /s    /CPU s")
line = "{:>6}  {:8.0f} {:7.0f} {:8.2f} {:8.2f}  {:8.0f} {:7.0f} {:8.2f} {:8.2f}   {:6.2f}    {:6.2f}"
for i, r in enumerate(rounds, 1):
    print(line.format(i, *r, r[0] / r[4], r[1] / r[5]))
print(line.format("median", *[statistics.median(c) for c in zip(*rounds)],
    statistics.median(r[0] / r[4] for r in rounds), statistics.median(r[1] / r[5] for r in rounds)))'
