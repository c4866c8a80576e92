#!/bin/bash
# Wrong options files: one clear message with file, line and remedy, exit status not 0, and nothing
# started. Each case changes the demo's file by one sed expression, names the line where the error
# must be reported (by a pattern on the changed file) and a word of the message.
. "$(dirname "$0")/e2e.bash"

# NAME LINE-PATTERN WORD SED-EXPRESSION
wrong() {
	local name=$1 at=$2 word=$3 edit=$4 file=$FARM_DIR/wrong.yaml line out status
	sed -E "$edit" "$FARM_DIR/handfast.yaml" >"$file"
	if cmp -s "$file" "$FARM_DIR/handfast.yaml"; then
		not_ok "$name" "the edit changed nothing"
		return
	fi
	line=$(grep -nE "$at" "$file" | tail -n 1 | cut -d: -f1)
	for mode in --check ''; do
		out=$(farm_in_appl timeout 20 "$FARM_BIN/handfast" $mode "$file" 2>&1)
		status=$?
		if [ $status -eq 0 ] || [ $status -ge 124 ]; then
			not_ok "$name" "handfast $mode ended with $status"
		elif ! grep -qE "^[^ ]*wrong\.yaml:$line:[0-9]+: .*$word.*; " <<<"$out"; then
			not_ok "$name" "wanted line $line with '$word', a reason and a remedy, got: $out"
		elif [ "$(wc -l <<<"$out")" -gt 2 ]; then
			not_ok "$name" "more than one message: $out"
		elif [ -S "$FARM_STATS" ] || [ -S "$FARM_DIR/web.sock" ]; then
			not_ok "$name" "left a socket behind"
		else
			continue
		fi
		return
	done
	ok "$name"
}

farm_begin
farm_config
farm_certificate other other.test || farm_fail "no second certificate"
echo "not a certificate" >"$FARM_DIR/text.pem"
cp "$FARM_DIR/text.pem" "$FARM_DIR/www.key.pem"
head -c -40 "$FARM_DIR/www.pem" >"$FARM_DIR/cut.pem"

# What the README says of options and memory, held against the reference, hfrelay and the plan.
readme() { sed -n "/^## $1\$/,/^## /p" README.md; }

readme_options() {
	local name
	for name in $(readme 'Coming from nginx' | grep -oE '`(ports|listeners|certificates|backends|workers|memory|tls|timeouts|limits|process)[].[]+[a-z0-9_]+`' | tr -d '`'); do
		grep -qxF "### $name" config/REFERENCE.md || { echo "no option $name"; return 1; }
		seen=$((seen + 1))
	done
	for name in $(readme 'Coming from nginx' | grep -oE '`--[a-z-]+`' | tr -d '`'); do
		"$FARM_BIN/hfrelay" --help | grep -q "^  $name " || { echo "no hfrelay $name"; return 1; }
	done
	[ "$seen" -ge 30 ] || { echo "only $seen options"; return 1; }
}

# Engines for AVX-512 take up to 13 MB more.
readme_memory() {
	local memory workers packets plan
	while IFS='|' read -r _ memory workers packets _; do
		memory=$(grep -oE '\{.*\}' <<<"$memory")
		sed "\$a memory: $memory" "$FARM_DIR/handfast.yaml" >"$FARM_DIR/sized.yaml"
		plan=$(farm_in_appl "$FARM_BIN/handfast" --plan "$FARM_DIR/sized.yaml" | grep '^all workers') || return
		awk -v w="$workers" -v p="$packets" '{ exit !($3 >= w - 1 && $3 <= w + 16 && $7 >= p - 1 && $7 <= p + 1) }' \
			<<<"$plan" || { echo "$memory: $plan"; return 1; }
		seen=$((seen + 1))
	done < <(readme 'How much it takes' | grep '^| `{')
	[ "$seen" = 3 ] || { echo "$seen rows"; return 1; }
}

seen=0
check "the README's options are there" readme_options
check "the README's sizes are the plan's" readme_memory
check "the right file passes" farm_in_appl "$FARM_BIN/handfast" --check "$FARM_DIR/handfast.yaml"
check "its plan is printed" farm_in_appl "$FARM_BIN/handfast" --plan "$FARM_DIR/handfast.yaml"
wrong "unknown key" 'adresses:' 'adresses' 's/addresses:/adresses:/'
wrong "wrong type" 'count:' 'number' 's/count: 1/count: many/'
wrong "out of range" 'count:' 'range' 's/count: 1/count: 5000/'
wrong "port 70000" ':70000' '70000' 's/:443$/:70000/'
wrong "missing key file" 'key: gone' 'gone.key' 's/key: www.key/key: gone.key/'
wrong "key of another certificate" 'key: other' 'does not belong' 's/key: www.key/key: other.key/'
wrong "chain that is no PEM file" 'chain: text' 'text.pem' 's/chain: www.pem/chain: text.pem/'
wrong "chain whose name begins with the key's" 'chain: www' 'www.key.pem' 's/chain: www.pem/chain: www.key.pem/'
wrong "chain that was cut off" 'chain: cut' 'cut.pem: certificate 2 is damaged: .*END line.*copy there' 's/chain: www.pem/chain: cut.pem/'
wrong "name that is too long" 'chain: xxx' 'File name too long' "s/chain: www.pem/chain: $(printf 'x%.0s' {1..256})/"
wrong "interface that does not exist" 'device:' 'nowhere0' 's/iface=hf0/iface=nowhere0/'
wrong "overlapping listeners" 'address: .*:443 # 2' '10.9.0.1:443' \
	's/^certificates:$/  - {name: two, certificates: [www], backend: web,\n    address: 10.9.0.1:443 # 2\n    }\n&/'
wrong "backend that is not there" 'backend: nobody' 'nobody' 's/backend: web/backend: nobody/'
wrong "certificate that is not there" 'certificates: \[' 'gone' 's/\[www\]/[gone]/'
wrong "user that does not exist" 'uid:' 'no-such-user' 's/uid: .*/uid: no-such-user/'
wrong "address twice" 'addresses' '10.9.0.1' 's#addresses: .*#addresses: [10.9.0.1/24, 10.9.0.1/24]#'
wrong "listener on an address of no port" 'address: 10' '10.8.0.1' 's/address: 10.9.0.1:443/address: 10.8.0.1:443/'
wrong "not YAML" 'addresses:' '' 's/addresses: .*/addresses: [10.9.0.1\/24/'
finish
