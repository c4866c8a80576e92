#!/bin/bash
# make install: what it puts where, that an operator's options files stay, and that systemd finds no
# fault with the units.
. "$(dirname "$0")/e2e.bash"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
units=$dir/usr/lib/systemd/system

put() { make -s install DESTDIR="$dir" PREFIX=/usr; }

answers() {
	"$dir/usr/bin/handfast" --version | grep '^handfast ' && "$dir/usr/bin/hfctl" help && "$dir/usr/bin/hfrelay" --help
}

# The options file is generated, so it is the one that hfctl prints.
options_are_the_default() { "$dir/usr/bin/hfctl" print-config | cmp - "$dir/etc/handfast/handfast.yaml"; }

# hfrelay takes the arguments, and they and its unit are right for the backend in the options file.
relay_arguments() {
	local arguments socket
	arguments=$(sed -n 's/^ARGUMENTS=//p' "$dir/etc/handfast/hfrelay.conf")
	# shellcheck disable=SC2086  # words, as systemd makes of them
	"$dir/usr/bin/hfrelay" $arguments --version | grep '^hfrelay ' || return
	socket=$(sed -n '/^backends:/,$s/^ *\(- \)\?socket: //p' "$dir/etc/handfast/handfast.yaml" | head -n 1)
	[[ " $arguments " = *" --socket $socket "* ]] || { echo "$arguments, but $socket"; return 1; }
	grep -q "uid: $(sed -n 's/^User=//p' "$units/hfrelay.service")\$" "$dir/etc/handfast/handfast.yaml"
}

options_stay() {
	local f
	for f in handfast.yaml hfrelay.conf; do
		echo "mine" >"$dir/etc/handfast/$f"
		put && [ "$(cat "$dir/etc/handfast/$f")" = mine ] || { echo "$f"; return 1; }
	done
}

# NAME: what systemd says of a copy of the unit that names the programs where they lie now.
unit_faults() {
	mkdir -p "$dir/copy"
	sed "s|=/usr/bin/|=$dir/usr/bin/|" "$units/$1.service" >"$dir/copy/$1.service"
	systemd-analyze verify --man=no "$dir/copy/$1.service" 2>&1
}

unit_is_sound() { # NAME
	local out
	out=$(unit_faults "$1") && [ -z "$out" ] || { echo "${out:-no word}"; return 1; }
}

# The same look does find a program that is missing.
missing_program_is_found() { # NAME
	rm "$dir/usr/bin/$1"
	grep "$1 is not executable" <<<"$(unit_faults "$1")"
}

check "make install" put
check "the programs run from there" answers
check "the options file is the default one" options_are_the_default
check "hfrelay's arguments are good, and right for the options file" relay_arguments
check "options files that are there stay" options_stay
for name in handfast hfrelay; do
	check "systemd finds no fault with the unit of $name" unit_is_sound "$name"
	check "and would find one" missing_program_is_found "$name"
done
finish
