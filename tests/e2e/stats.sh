#!/bin/bash
# The counters can be read in four ways, and they agree: hfctl, socat, Prometheus text, DPDK
# telemetry.
. "$(dirname "$0")/e2e.bash"

socket_ask() { echo "$1" | socat -t 5 - "UNIX-CONNECT:$FARM_STATS"; }

telemetry() { # COMMAND
	python3 - "/run/dpdk/handfast-$$/dpdk_telemetry.v2" "$1" <<-'END'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.settimeout(5)
		s.connect(sys.argv[1])
		s.recv(1024)
		s.send(sys.argv[2].encode())
		print(json.dumps(json.loads(s.recv(65536))[sys.argv[2].split(",")[0]]))
	END
}

telemetry_agrees() {
	local value
	value=$(telemetry /handfast/worker | python3 -c 'import json,sys; print(json.load(sys.stdin)["conns_opened"])')
	echo "telemetry $value, hfctl $(farm_stat worker conns_opened)"
	[ "$value" = "$(farm_stat worker conns_opened)" ] && [ "$value" -gt 0 ]
}

# Each module has a dict, and none comes near the 256 entries that DPDK allows.
telemetry_small() {
	local module modules
	modules=$("$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json |
		python3 -c 'import json, sys; print(*{s["module"] for s in json.load(sys.stdin)})') || return
	[ "$(wc -w <<<"$modules")" -ge 10 ] || { echo "only $modules"; return 1; }
	for module in $modules; do
		telemetry "/handfast/$module" | python3 -c '
import json, sys
assert 0 < len(json.load(sys.stdin)) < 250' || { echo "$module"; return 1; }
	done
}

# Who speaks plain HTTP to a TLS port is found by name, here and in the flight recorder.
failure_named() {
	echo "GET / HTTP/1.0" | farm_in_client socat -t 2 - "TCP:$FARM_ADDRESS:$FARM_PORT" >/dev/null
	"$FARM_BIN/hfctl" -s "$FARM_STATS" failures | grep -E '10\.9\.0\.2:[0-9]+ +PLAIN_TEXT +hello +UNEXPECTED_MESSAGE +-$' &&
		"$FARM_BIN/hfctl" -s "$FARM_STATS" trace 0 | grep -i 'tls_fail'
}

# A client with nothing we serve: its failure shows name, fingerprint and offer, and what would have
# helped is found by asking again.
failure_explained() {
	local out number
	farm_in_client openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" -tls1_2 -cipher DHE-RSA-AES128-SHA \
		-servername "$FARM_SNI" </dev/null >/dev/null 2>&1
	out=$("$FARM_BIN/hfctl" -s "$FARM_STATS" failures)
	number=$(grep -oE '^#[0-9]+ .* NO_SHARED_SUITE +hello +HANDSHAKE_FAILURE +-$' <<<"$out" | cut -d' ' -f1)
	[ -n "$number" ] || { echo "$out" | tail -n 1; return 1; }
	grep -qE "ja4=t12d02[0-9]{2}00_[0-9a-f]{12}_[0-9a-f]{12} name=$FARM_SNI suites=0033,00ff " <<<"$out" ||
		{ echo "$out" | tail -n 1; return 1; }
	"$FARM_BIN/hfctl" -s "$FARM_STATS" explain "$number" | grep -q '^  refused      NO_SHARED_SUITE' || return
	"$FARM_BIN/hfctl" -s "$FARM_STATS" explain nobody.test | grep -q '^  host         (unknown name: ' || return
	"$FARM_BIN/hfctl" -s "$FARM_STATS" explain "$FARM_SNI" >"$FARM_DIR/explained" &&
		grep -q "^  host         $FARM_SNI (exact name)" "$FARM_DIR/explained" &&
		grep -q '^  certificate  www: .* days left' "$FARM_DIR/explained" &&
		grep -q '^  group        x25519, signed with rsa_pkcs1_sha256' "$FARM_DIR/explained" &&
		grep -q '^    TLS_RSA_WITH_AES_128_CBC_SHA256 .*no: ' "$FARM_DIR/explained" && return
	tail -n 3 "$FARM_DIR/explained"
	return 1
}

# A real client's hello, in its records, and its fingerprint worked out by another hand.
ja4_of_python() { # FILE
	python3 - "$1" "$FARM_SNI" <<-'END'
		import hashlib, ssl, struct, sys
		out = ssl.MemoryBIO()
		context = ssl.create_default_context()
		context.set_alpn_protocols(["h2", "http/1.1"])
		client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=sys.argv[2])
		try:
		    client.do_handshake()
		except ssl.SSLWantReadError:
		    pass
		record = out.read()
		open(sys.argv[1], "wb").write(record)
		words = lambda b: [w for (w,) in struct.iter_unpack(">H", b)]
		at = 5 + 4 + 2 + 32
		at += 1 + record[at]
		end = at + 2 + int.from_bytes(record[at:at + 2], "big")
		suites = words(record[at + 2:end])
		at = end + 1 + record[end] + 2
		found = {}
		while at < len(record):
		    kind, size = struct.unpack(">HH", record[at:at + 4])
		    found[kind] = record[at + 4:at + 4 + size]
		    at += 4 + size
		versions = words(found[43][1:])
		text = lambda numbers: ",".join("%04x" % n for n in numbers)
		digest = lambda s: hashlib.sha256(s.encode()).hexdigest()[:12]
		rest = text(sorted(set(found) - {0, 16})) + "_" + text(words(found[13][2:]))
		print("t%dd%02d%02dh2_%s_%s" % (max(versions) - 0x0304 + 13, len(suites), len(found),
		                               digest(text(sorted(suites))), digest(rest)))
	END
}

ja4_agrees() {
	local want
	want=$(ja4_of_python "$FARM_DIR/hello.bin") || return
	"$FARM_BIN/hfctl" -s "$FARM_STATS" explain "$FARM_DIR/hello.bin" >"$FARM_DIR/explained"
	grep -q "^hello    ja4=$want name=$FARM_SNI " "$FARM_DIR/explained" && return
	echo "$want: $(head -n 1 "$FARM_DIR/explained")"
	return 1
}

text() { socket_ask stats | grep -E '^ *conns_opened|worker.*conns_opened'; }
prometheus() {
	socket_ask "stats prometheus" |
		grep -E '^handfast_worker_conns_opened_total\{worker="0"\} [1-9][0-9]*$'
}

# Every frame and every segment has exactly one outcome.
outcomes_add_up() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json | python3 -c '
import json, sys
rows = {s["module"]: s["rows"] for s in json.load(sys.stdin)}
net, tcp = rows["net"], rows["tcp"]
frames = net.pop("frames_in")
assert frames == rows["port"]["rx_frames"] > 0, (frames, rows["port"])
assert frames == sum(net.values()), (frames, net)
assert tcp["segments_in"] == net["tcp"] == sum(v for k, v in tcp.items() if k.startswith("in_")), tcp'
}

# The time between two looks at the port has its causes, and after a few handshakes they are these.
gaps_have_causes() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json | python3 -c '
import json, sys
rows = {s["module"]: s["rows"] for s in json.load(sys.stdin)}["worker"]
gap = {k[4:-3]: v for k, v in rows.items() if k.startswith("gap_")}
whole = rows["gap_ns"]
parts = sum(v["sum"] for k, v in rows.items() if k.startswith("gap_") and k != "gap_ns")
assert whole["count"] > 0 and abs(parts - whole["sum"]) <= 0.01 * whole["sum"] , (parts, whole)
for cause in "rx", "tcp", "tls", "link", "records", "hash", "prf", "tx":
    assert gap[cause]["count"] > 0, cause
assert gap["pk_step"]["count"] + gap["pk_whole"]["count"] > 0, gap'
}

# hfctl tells the same per handshake: causes that add up to what is in the counters.
cycles_are_told() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" cycles >"$FARM_DIR/cycles" || return
	awk '
		/handshakes, .* s of work/ { n = $1; work = $3 }
		/^(rx|tcp|tls|link|records|hash|prf|tx) / { if ($2 <= 0) bad = 1; seen++ }
		/^(rx|tcp|tls|link|records|hash|prf|tx|timers|pk_step|pk_whole|pk_key|curves|rest|away) / { sum += $2 }
		/^all / { all = $2 }
		/^queue wait: [1-9]/ { waited = 1 }
		END {
			print n, work, seen, sum, all, waited
			exit !(n > 0 && seen == 8 && !bad && waited && sum / all > 0.99 && sum / all < 1.01 &&
				n * all / work / 1e6 > 0.98 && n * all / work / 1e6 < 1.02)
		}' "$FARM_DIR/cycles" || return
	! "$FARM_BIN/hfctl" -s "$FARM_STATS" cycles -n 0
}

# What the worker will bear is predicted, from what operations cost here; and how much of it is left is shown.
capacity_told() {
	local boot file
	boot=$("$FARM_BIN/hfctl" -s "$FARM_STATS" plan | grep -A 1 '^predicted') &&
		file=$(farm_in_appl "$FARM_BIN/handfast" --plan "$FARM_DIR/handfast.yaml" | grep -A 1 '^predicted') || return
	printf '%s\n' "$boot" "$file" | awk '
		$1 == "www" { gsub(",", ""); if (0 < $7 && $7 < $5 && $5 < $9) good++ }
		END { exit good != 2 }' || { echo "$file"; return 1; }
	sleep 2.5 # a whole second without clients
	echo "headroom $(farm_stat worker headroom)"
	[ "$(farm_stat worker headroom)" -gt 500 ] && [ "$(farm_stat worker headroom)" -le 1000 ]
}

# Who computes with private keys, and how: each engine by name and size of key, the one that has worked
# among them, and each that batches with the fill from which it does; for curves each operation in place
# of the size, where pairs made beforehand have waited for nobody.
engines_shown() {
	"$FARM_BIN/hfctl" -s "$FARM_STATS" stats --json | python3 -c '
import json, sys
all = json.load(sys.stdin)
engines = [(s["labels"], s["rows"]) for s in all if s["module"] == "pk_engine"]
rows = {(l["engine"], l["bits"]): r for l, r in engines if "bits" in l}
curves = {(l["engine"], l["op"]): r for l, r in engines if "op" in l}
pk = [s["rows"] for s in all if s["module"] == "pk"][0]
assert ("libcrypto", "2048") in rows, list(rows)
assert sum(r["ops"] for r in rows.values()) >= pk["scalar_ops"] + pk["batch_ops"] > 0, rows
for (engine, bits), r in rows.items():
    assert r["ops"] == r["wait_ns"]["count"] and r["faults"] == 0, (engine, bits, r)
    assert r["batches"] == r["fill"]["count"], (engine, bits, r)
    assert not engine.startswith("rsa_") or r["crossover"]["count"] == 1, (engine, bits, r)
assert ("libcrypto", "p256 sign") in curves, list(curves)
for (engine, op), r in curves.items():
    assert r["ops"] >= r["wait_ns"]["count"] and r["faults"] == 0, (engine, op, r)
    assert r["batches"] == r["fill"]["count"], (engine, op, r)
    assert engine == "libcrypto" or r["crossover"]["count"] == 1, (engine, op, r)
assert pk["cancelled"] == pk["engines_off"] == 0, pk'
}

# The control socket answers within 10 ms while handshakes keep the worker busy: it is another thread's.
# The median of fifty asks, because what else the machine does delays some.
answers_soon() {
	farm_in_client "$FARM_BIN/hfbench" -q -c 32 -d 3 --sni "$FARM_SNI" "$FARM_ADDRESS:$FARM_PORT" >/dev/null &
	local load=$!
	sleep 0.5
	python3 - "$FARM_STATS" <<-'END'
		import socket, statistics, sys, time
		took = []
		for _ in range(50):
		    begin = time.monotonic()
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(sys.argv[1])
		    s.sendall(b"stats\n")
		    got = b""
		    while b"conns_opened" not in got:
		        more = s.recv(65536)
		        assert more, "the socket was closed before the statistics came"
		        got += more
		    took.append(1000 * (time.monotonic() - begin))
		    s.close()
		    time.sleep(0.02)
		print("median %.2f ms, slowest %.2f ms" % (statistics.median(took), max(took)))
		assert statistics.median(took) < 10, took
	END
	local verdict=$?
	wait $load
	return $verdict
}

# An open loop starts what it was told to, twenty a second for two seconds; and with room for one at a
# time and a rate that nobody bears, those who wait count from when they were meant to start.
open_loop() {
	local json=$FARM_DIR/open.json
	farm_in_client "$FARM_BIN/hfbench" -q --rate 20 -n 40 --timeout 60000 --sni "$FARM_SNI" --json "$json" \
		"$FARM_ADDRESS:$FARM_PORT" >/dev/null || return
	python3 -c '
import json, sys
m = json.load(open(sys.argv[1]))
assert m["started"] == m["handshakes"] == m["start_delay_ms"]["count"] == 40 and m["missed"] == 0, m
assert m["seconds"] > 1.2, m' "$json" || return
	farm_in_client "$FARM_BIN/hfbench" -q --rate 100000 -c 1 -n 40 --timeout 60000 --sni "$FARM_SNI" --json "$json" \
		"$FARM_ADDRESS:$FARM_PORT" >/dev/null || return
	python3 -c '
import json, sys
m = json.load(open(sys.argv[1]))
assert m["handshakes"] == 40, m
assert m["handshake_ms"]["max"] > 500 * m["seconds"] and m["start_delay_ms"]["p50"] > 150 * m["seconds"], m' \
		"$json"
}

# What the README says to look at is there.
readme_counters() {
	local name
	for name in $(sed -n '/^## When something runs out/,/^## /p' README.md | grep -oE '`[a-z]+\.[a-z_]+`' |
		tr -d '`'); do
		farm_stat "${name%.*}" "${name#*.}" || { echo "no counter $name"; return 1; }
	done
}

e2e_up
e2e_file 10k 10240
farm_curl "/files/10k?[1-20]" -o /dev/null
check "text over socat" text
check "Prometheus over socat" prometheus
check "JSON by hfctl: frames in = sum of outcomes" outcomes_add_up
check "DPDK telemetry agrees with hfctl" telemetry_agrees
check "time between two looks at the port, by cause" gaps_have_causes
check "where the cycles go, for each handshake" cycles_are_told
check "capacity is predicted, and headroom shown" capacity_told
check "every module in DPDK telemetry" telemetry_small
check "a failed handshake is told with client and reason" failure_named
check "a refused offer is listed with its fingerprint, and explained" failure_explained
check "engines of private keys, by size of key" engines_shown
check "the control socket answers within 10 ms under load" answers_soon
check "hfbench in an open loop" open_loop
check "the fingerprint of a real hello is the one worked out elsewhere" ja4_agrees
check "every counter named in the README exists" readme_counters
check_not "an unknown command is refused" bash -c \
	"echo nonsense | socat -t 5 - UNIX-CONNECT:$FARM_STATS | grep -v error"
finish
