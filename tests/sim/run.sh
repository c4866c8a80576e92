#!/bin/bash
# run.sh SIM [SEEDS] -- the runs of the simulation that `make test` (200 seeds) and `make sim` ask for;
# closes with "N passed, N failed". First the simulation itself: every planted sin is seen, and the
# same seeds give the same digest in another process with another history. Then the appliance at
# three grades of wire, twice each seed; beside it the reference, which shows what two foreign ends
# reach there; then paths that narrow and that stall, crowds, and clients that never read their answers beside others that do.
set -u
sim=$1
seeds=${2:-200}
jobs=$(nproc)
passed=0 failed=0
bad2="--loss 20 --dup 20 --reorder 20 --corrupt 20"
bad10="--loss 100 --dup 100 --reorder 100 --corrupt 100 --complete 980"

verdict() { # NAME STATUS
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1)) && echo "ok $1"
	else
		failed=$((failed + 1)) && echo "not ok $1"
	fi
}

runs() { # NAME ARGUMENT...
	local name=$1
	shift
	"$sim" --jobs "$jobs" "$@"
	verdict "$name" $?
}

digest() {
	"$sim" "$@" 2>/dev/null | grep -oE 'digest [0-9a-f]{16}'
}

for sin in byte leak frame trace; do
	"$sim" --subject reference --plant $sin --seeds 2 >/dev/null 2>&1
	[ $? -eq 1 ] # it ran, and judged; 2 is a wrong call
	verdict "sin: $sin" $?
done

for subject in reference appliance; do
	one=$(digest --subject $subject --seeds 20 $bad2 --jobs 1 --once)
	two=$(digest --subject $subject --seeds 20 $bad2 --jobs 2)
	[ -n "$one" ] && [ "$one" = "$two" ]
	verdict "$subject: same seeds, same digest" $?
done

for wire in "" "$bad2" "$bad10"; do
	name=${wire:-perfect wire}
	runs "reference $name" --subject reference --seeds $(((seeds + 3) / 4)) --once $wire
	runs "appliance $name" --seeds "$seeds" $wire
done
runs "path narrows" --seeds $(((seeds + 1) / 2)) --mtu 1280 $bad2
runs "path stalls" --seeds $(((seeds + 1) / 2)) --stall 3000 $bad2
runs "crowd" --seeds $(((seeds + 49) / 50)) --clients 64 $bad2
runs "half of 200 clients never read" --seeds $(((seeds + 99) / 100)) --clients 200 --ignoring 100

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
