#!/bin/bash
# The benchmark from one end to the other, with windows of a second: what it makes of results is right, the
# servers it compares with answer, the report holds what was measured. No figure is judged.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # NAME COMMAND...
	local out name=$1
	shift
	if out=$("$@" 2>&1); then
		echo "ok $name"
	else
		echo "not ok $name: $(tail -n 1 <<<"$out")"
		bad=1
	fi
}

deploy/install run bench || exit 1
while read -r line; do
	echo "$line"
	[[ $line != "not ok"* ]] || bad=1
done < <(python3 tests/e2e/bench_parts.py "${FARM_BIN:-build}")

run() {
	bench/bench.py run --out "$work/small.json" --case ticket,idle --idle 40 --seconds 1 --rounds 1 --turns 1-2 >"$work/log" 2>&1 ||
		{ cat "$work/log"; return 1; }
}
# All six servers had a window, and the appliance's came with its relay's share and its engines.
all_measured() {
	python3 - "$work/small.json" <<-'END'
		import json, sys
		r = json.load(open(sys.argv[1]))
		case = r["cases"]["ticket"]
		names = {"handfast", "nginx-http", "nginx-stream", "haproxy-http", "haproxy-tcp", "hitch"}
		assert set(r["versions"]) == set(case["rounds"][0]) == names, case["rounds"][0].keys()
		for name, w in case["rounds"][0].items():
		    assert w["wrong"] is None and w["rate"] > 0 and w["cpu"] > 0, (name, w)
		ours = case["rounds"][0]["handfast"]
		assert ours["cpu"] >= ours["relay_cpu"] >= 0 and len(case["predicted"]) == 1 and case["predicted"][0] > 0
		assert 0 < ours["worker_cpu"] <= ours["cpu"]
		assert sum(ours["cycles"].values()) > 0 and 0 <= ours["headroom"] <= 1
		assert set(case["latency"]["handfast"]) == {"50", "90", "300"}, case["latency"]
		assert all(v["90"]["turns"] >= 1 and v["90"]["ms"]["count"] > 0 for v in case["latency"].values()), case["latency"]
		idle = r["cases"]["idle"]
		assert set(idle["servers"]) == names and all(e["held"] == 40 for e in idle["servers"].values()), idle
		assert idle["servers"]["handfast"]["set_aside"] > 500
	END
}
report_tells() {
	grep -q '^| ticket | resumption by ticket |' "$work/small.md" && grep -q '^### idle: ' "$work/small.md" &&
		grep -q '^## Capacity' "$work/small.md" && grep -q 'handfast serves [0-9]* % of its peak' "$work/small.md" &&
		grep -q '^| us | ' "$work/small.md" &&
		grep -q 'did not settle within 10 % in 1 rounds' "$work/small.md" && [ -s "$work/small_ratios.png" ]
}
# Over shared memory: a share of the time has a name, and no segment was missing, save in bulk: the windows of sixteen
# clients are larger than the ring, and when their core is away what does not fit is dropped and said again.
memif() {
	bench/memif.sh --out "$work/small.json" --case ticket,bulk-gcm --seconds 1 --rounds 1 >"$work/log" 2>&1 ||
		{ cat "$work/log"; return 1; }
	python3 - "$work/small.json" <<-'END' && grep -q '^| ticket | resumption by ticket | [0-9.]* (' "$work/small.md"
		import json, sys
		r = json.load(open(sys.argv[1]))
		assert set(r["cases"]) == {"ticket", "idle"}, r["cases"].keys()  # what was there stays
		for name, case in r["memif"]["cases"].items():
		    w, = case["windows"]
		    assert w["wrong"] is None and (name == "bulk-gcm" or not w["gaps"]), (name, w)
		    assert 0 < w["keys_us"] < w["us"] == case["us"] and abs(sum(w["parts"].values()) - w["us"]) < 1e-6 * w["us"], (name, w)
	END
}
unknown() { ! bench/bench.py run --case nonsense; }
check "six servers, a window each" run
check "what was measured is in the results" all_measured
check "what was measured is in the report, and that it did not settle" report_tells
check "what memif measured is in results and report" memif
check "an unknown case is refused" unknown
check "nothing is left behind" bash -c '! ls -d /run/handfast-* 2>/dev/null | while read -r d; do [ -d "/proc/${d##*-}" ] || echo "$d"; done | grep .'
exit $bad
