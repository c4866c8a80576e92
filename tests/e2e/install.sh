#!/bin/bash
# make install: what it puts where, that an operator's options file stays, and that systemd finds no
# fault with the unit.
. "$(dirname "$0")/e2e.bash"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
unit=$dir/usr/lib/systemd/system/handfast.service

put() { make -s install DESTDIR="$dir" PREFIX=/usr; }

answers() {
	"$dir/usr/bin/handfast" --version | grep '^handfast ' && "$dir/usr/bin/hfctl" help && "$dir/usr/bin/hfrelay" --help
}

# The options file is generated, so it is the one that hfctl prints.
options_are_the_default() { "$dir/usr/bin/hfctl" print-config | cmp - "$dir/etc/handfast/handfast.yaml"; }

options_stay() {
	echo "mine" >"$dir/etc/handfast/handfast.yaml"
	put && [ "$(cat "$dir/etc/handfast/handfast.yaml")" = mine ]
}

# What systemd says of a copy of the unit that names the programs where they lie now.
unit_faults() {
	mkdir -p "$dir/copy"
	sed "s|=/usr/bin/|=$dir/usr/bin/|" "$unit" >"$dir/copy/handfast.service"
	systemd-analyze verify --man=no "$dir/copy/handfast.service" 2>&1
}

unit_is_sound() {
	local out
	out=$(unit_faults) && [ -z "$out" ] || { echo "${out:-no word}"; return 1; }
}

# The same look does find a program that is missing.
missing_program_is_found() {
	rm "$dir/usr/bin/handfast"
	grep 'handfast is not executable' <<<"$(unit_faults)"
}

check "make install" put
check "the programs run from there" answers
check "the options file is the default one" options_are_the_default
check "an options file that is there stays" options_stay
check "systemd finds no fault with the unit" unit_is_sound
check "and would find one" missing_program_is_found
finish
