#!/bin/bash
# run.sh -- searches with every fuzz target, or those named: tests/fuzz/run.sh [frame tls ...]
# SECONDS_EACH (60) seconds each, one at a time, under ASan and UBSan, starting from the stored corpus.
# A target's comment may say "max_len: N" (4096). New inputs stay in build/fuzz/corpus, findings in
# build/fuzz/found. Exits non-zero when there is a finding or a target does not build.
set -u
cd "$(dirname "$0")/../.." || exit 1
deploy/install build fuzz || exit 1
seconds=${SECONDS_EACH:-60} passed=0 failed=0

if [ $# -eq 0 ]; then
	for src in tests/fuzz/fuzz_*.c; do
		name=${src#tests/fuzz/fuzz_}
		set -- "$@" "${name%.c}"
	done
fi

fuzz() {
	local name=$1 src=tests/fuzz/fuzz_$1.c bin=build/fuzz/fuzz_$1 log=build/fuzz/$1.log len
	[ -f "$src" ] || { echo "not ok $name: there is no $src"; return 1; }
	make -s -j"$(nproc)" FUZZ=1 "$bin" || { echo "not ok $name: does not build"; return 1; }
	mkdir -p build/fuzz/corpus/"$name" build/fuzz/found tests/fuzz/corpus/"$name"
	len=$(sed -n 's/.*max_len: \([0-9]*\).*/\1/p' "$src" | head -n 1)
	if "$bin" -max_total_time="$seconds" -max_len="${len:-4096}" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix=build/fuzz/found/"$name"- \
		build/fuzz/corpus/"$name" tests/fuzz/corpus/"$name" >"$log" 2>&1; then
		echo "ok $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
		return 0
	fi
	tail -n 40 "$log"
	echo "not ok $name: $(sed -n 's/.*Test unit written to //p' "$log") (log: $log)"
	return 1
}

for name; do
	if fuzz "$name"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
