#!/bin/bash
# handshakes.sh -- what batches are worth through the whole appliance: full handshakes, the appliance with its
# best engines (A) against itself with HF_CPU=libcrypto (B), in alternation, each started anew: what else
# the machine does meets both, and what counts is the median of the rounds' ratios. The server's worker has
# the last core, backend and client the first.
#   bench/handshakes.sh [ROUNDS [SECONDS]]      default 7 rounds of 4 s each
#   KEYS=rsa       the key exchange and signature: rsa, ecdhe-rsa or ecdhe-ecdsa
#   CPU=avx512f    the engines of A (the best)     CLIENTS=64
#   SERVER_CORE=, CLIENT_CORE=   other cores; one and the same where no two are free: then only
#                                the handshakes per CPU second of the server mean something
# First a closed loop, for the highest rate of each. Then an open loop at 1.3 times libcrypto's rate:
# a batch holds what has come while the one before was computed, so its mean fill says how full the
# lanes are at a load that libcrypto cannot bear. The client verifies one certificate in a hundred,
# and its side of the key exchange is a public operation; its share of its core is told, because at
# 100 % the client would be what is measured. The backend discards (build/hfecho). Last, where the worker's time
# went for each handshake of the closed loop, by the causes of `hfctl cycles`.
set -uo pipefail
. "$(dirname "$0")/../deploy/lib.sh"
cd "$farm_root" || exit 1
server_core=${SERVER_CORE:-$(($(nproc) - 1))} client_core=${CLIENT_CORE:-0}
rounds=${1:-7} seconds=${2:-4} cpu=${CPU:-} clients=${CLIENTS:-64}
case ${KEYS:=rsa} in
rsa) cipher=AES128-GCM-SHA256 suite=TLS_RSA_WITH_AES_128_GCM_SHA256 ;;
ecdhe-rsa) cipher=ECDHE-RSA-AES128-GCM-SHA256 suite=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 ;;
ecdhe-ecdsa) cipher=ECDHE-ECDSA-AES128-GCM-SHA256 suite=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 ;;
*) farm_fail "KEYS is rsa, ecdhe-rsa or ecdhe-ecdsa, not $KEYS" ;;
esac
[ "$(nproc)" -ge 2 ] || farm_fail "needs two cores, one for the server and one for the client"
make --no-print-directory -j"$(nproc)" all || exit 1

# start CPU: the appliance with these engines and its backend.
start() {
	rm -f "$FARM_STATS" "$FARM_DIR/web.sock"
	HF_CPU=$1 farm_appliance
	farm_start echo setpriv --reuid "$FARM_RELAY_USER" --regid nogroup --clear-groups \
		taskset -c "$client_core" "$FARM_BIN/hfecho" "$FARM_DIR/web.sock"
	backend=$FARM_LAST
	farm_wait 10 farm_stat_is worker endpoints 1 || farm_fail "the backend does not attach"
}

stop() { farm_stop "$backend" "$FARM_PID"; }

# load ARGUMENT...: prints rate, rate per CPU second of the server, latencies, the client's share of its core; then what the appliance
# says of the run.
load() {
	farm_in_client taskset -c "$client_core" "$FARM_BIN/hfbench" -q -d "$seconds" --sni "$FARM_SNI" \
		--cipher "$cipher" --ca "$FARM_CA" --close rst --json "$FARM_DIR/load.json" --cpu-of "$FARM_PID" \
		"$@" "$FARM_ADDRESS:$FARM_PORT" >"$FARM_DIR/load.log" ||
		{ cat "$FARM_DIR/load.log" >&2; farm_fail "connections failed"; }
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json >"$FARM_DIR/load.stats" || exit 1
	python3 - "$FARM_DIR/load.json" "$FARM_DIR/load.stats" "$stages" <<-'END'
		import json, sys
		m, stats = [json.load(open(p)) for p in sys.argv[1:3]]
		spent = next(s["rows"] for s in stats if s["module"] == "cycles")
		with open(sys.argv[3], "a") as f:
		    print(json.dumps({k[:-3]: v / 1e3 / m["handshakes"] for k, v in spent.items()}), file=f)
		rows = {s["module"]: s["rows"] for s in stats if s["module"] in ("pk", "worker")}
		fill = [s["rows"]["fill"] for s in stats if s["module"] == "pk_engine"]
		batches = sum(f["count"] for f in fill)
		print(m["handshakes_per_second"], m["handshakes_per_server_cpu_second"], m["handshake_ms"]["p50"], m["handshake_ms"]["p99"],
		      m["client_cpu_seconds"] / m["seconds"], m["missed"] + m["unfinished"],
		      sum(f["sum"] for f in fill) / batches if batches else 0,
		      rows["pk"]["scalar_ops"] / max(1, rows["pk"]["done"]),
		      rows["pk"]["wait_ns"]["p99"] / 1e6, rows["worker"]["gap_ns"]["p999"] / 1e3)
	END
}

# run CPU ARGUMENT...
run() {
	start "$1"
	stages=$FARM_DIR/stages-${1:-best} load "${@:2}"
	stop
}

table() { # TITLE FILE of lines "A.. B.."
	python3 - "$@" <<-'END'
		import statistics, sys
		rounds = [[float(v) for v in l.split()] for l in open(sys.argv[2]) if l.strip()]
		n = len(rounds[0]) // 2
		print(sys.argv[1])
		print("round   engines     /s  /CPU s  p50 ms  p99 ms  client  unserved  fill  alone  wait p99 ms  gap p99.9 us")
		line = "{:>6} {:>9} {:6.0f} {:7.0f} {:7.2f} {:7.2f} {:6.0%} {:9.0f} {:5.2f} {:6.0%} {:12.2f} {:14.0f}"
		for i, r in enumerate(rounds + [[statistics.median(c) for c in zip(*rounds)]], 1):
		    name = i if i <= len(rounds) else "median"
		    print(line.format(name, "best", *r[:n]))
		    print(line.format("", "libcrypto", *r[n:]))
		for what, c in ("handshakes/s", 0), ("handshakes per CPU second", 1):
		    ratios = [r[c] / r[n + c] for r in rounds]
		    print("%s, best over libcrypto, median of the rounds: %.2f (%.2f to %.2f)" % (
		        what, statistics.median(ratios), min(ratios), max(ratios)))
	END
}

# stages FILE FILE: medians of its lines, of the best engines and of libcrypto's.
stages() {
	python3 - "$@" <<-'END'
		import json, statistics, sys
		best, scalar = [[json.loads(line) for line in open(p)] for p in sys.argv[1:]]
		print("us of the worker for each handshake, closed loop, medians")
		print("%-10s %10s %10s" % ("", "best", "libcrypto"))
		for k in best[0]:
		    a, b = [statistics.median(r[k] for r in v) for v in (best, scalar)]
		    if max(a, b) >= 0.05:
		        print("%-10s %10.1f %10.1f" % (k, a, b))
	END
}

farm_begin
FARM_KEY="ec -pkeyopt ec_paramgen_curve:P-256" farm_certificate ecdsa "$FARM_SNI" ||
	farm_fail "cannot make the second certificate"
FARM_CERTIFICATES="www, ecdsa" FARM_WORKERS="1
  cores: [$server_core]" farm_config
cat >>"$FARM_DIR/handfast.yaml" <<-END
	tls:
	  suites: [$suite]
END
farm_huge "$(farm_plan_pages)" || farm_say "without huge pages"
for round in $(seq "$rounds"); do
	a=$(run "$cpu" -c "$clients") && b=$(run libcrypto -c "$clients") || exit 1
	echo "$a $b"
	farm_say "closed loop, round $round: $a | $b"
done >"$FARM_DIR/closed"
table "closed loop, $clients at a time" "$FARM_DIR/closed"
stages "$FARM_DIR/stages-${cpu:-best}" "$FARM_DIR/stages-libcrypto"
rate=$(awk '{print $(NF / 2 + 1)}' "$FARM_DIR/closed" | sort -n | awk '{v[NR] = $1} END {printf "%d", 1.3 * v[int((NR + 1) / 2)]}')
for round in $(seq "$rounds"); do
	a=$(run "$cpu" -r "$rate" -c 2000) && b=$(run libcrypto -r "$rate" -c 2000) || exit 1
	echo "$a $b"
	farm_say "open loop, round $round: $a | $b"
done >"$FARM_DIR/open"
table "open loop at $rate/s, 1.3 times libcrypto's rate" "$FARM_DIR/open"
