#!/bin/bash
# run.sh SIM -- the runs of the simulation that `make test` asks for; closes with "N passed, N failed".
# First the simulation itself: the reference gets through what the appliance will have to get
# through, the same seeds give the same digest in another process with another history, and every
# planted sin is seen.
set -u
sim=$1
jobs=$(nproc)
passed=0 failed=0
bad2="--loss 20 --dup 20 --reorder 20 --corrupt 20"
bad10="--loss 100 --dup 100 --reorder 100 --corrupt 100 --complete 950"

verdict() { # NAME STATUS
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1)) && echo "ok $1"
	else
		failed=$((failed + 1)) && echo "not ok $1"
	fi
}

digest() {
	"$sim" "$@" 2>/dev/null | grep -oE 'digest [0-9a-f]{16}'
}

for sin in byte leak frame trace; do
	"$sim" --subject reference --plant $sin --seeds 2 >/dev/null 2>&1
	[ $? -eq 1 ] # it ran, and judged; 2 is a wrong call
	verdict "sin: $sin" $?
done

one=$(digest --subject reference --seeds 20 $bad2 --jobs 1)
two=$(digest --subject reference --seeds 20 $bad2 --jobs 2 --once)
[ -n "$one" ] && [ "$one" = "$two" ]
verdict "same seeds, same digest" $?

for wire in "" "$bad2" "$bad10"; do
	"$sim" --subject reference --seeds 100 --jobs "$jobs" $wire
	verdict "reference ${wire:-perfect wire}" $?
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
