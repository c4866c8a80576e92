#!/bin/bash
# Bytes arrive as the farm sent them: one byte to 256 MB down, 10 MB up, 200 clients at a time, 2,000
# in a row, and beside a hundred clients that never read. Afterwards nothing is held any more.
. "$(dirname "$0")/e2e.bash"

parallel() {
	local out=$FARM_DIR/parallel n before
	mkdir -p "$out"
	before=$(farm_stat worker conns_opened) || return
	farm_curl "/files/100k?[1-200]" --parallel --parallel-immediate --parallel-max 200 \
		-o "$out/#1" || return
	[ $(($(farm_stat worker conns_opened) - before)) -ge 200 ] || { echo "not 200"; return 1; }
	for n in $(seq 200); do
		cmp "$out/$n" "$FARM_DIR/files/100k" || return
	done
}

# COUNT CONCURRENT: new connections, whole replies, no failure.
load() {
	local json=$FARM_DIR/load.json
	farm_in_client "$FARM_BIN/hfbench" -q -n "$1" -c "$2" --request /files/10k --sni "$FARM_SNI" \
		--cipher AES128-GCM-SHA256 --ca "$FARM_CA" --json "$json" "$FARM_ADDRESS:$FARM_PORT" ||
		return
	python3 - "$json" "$1" <<-END
		import json, sys
		got, want = json.load(open(sys.argv[1])), int(sys.argv[2])
		assert got["replies"] == want, got["replies"]
		assert got["reply_bytes"] == want * 10240, got["reply_bytes"]
	END
}

# A hundred clients ask for 10 MB and never read; they say so on fd 3 once all have asked.
never_read() {
	farm_in_client python3 - "$FARM_CA" "$FARM_SNI" "$FARM_ADDRESS" "$FARM_PORT" <<-END
		import socket, ssl, sys, time
		ca, name, address, port = sys.argv[1:]
		ctx = ssl.create_default_context(cafile=ca)
		ctx.maximum_version = ssl.TLSVersion.TLSv1_2
		ctx.set_ciphers("AES128-GCM-SHA256")
		held = []
		for i in range(100):
		    s = socket.create_connection((address, int(port)), timeout=20)
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
		    t = ctx.wrap_socket(s, server_hostname=name)
		    t.sendall(b"GET /files/10m HTTP/1.1\r\nHost: " + name.encode() + b"\r\n\r\n")
		    held.append(t)
		print("asked", flush=True)
		time.sleep(600)
	END
}

beside_non_readers() {
	local idlers status
	exec {pipe}< <(never_read)
	idlers=$!
	read -r -t 60 -u "$pipe" _ || { echo "the idle clients did not come through"; return 1; }
	load 200 100
	status=$?
	kill "$idlers" 2>/dev/null
	exec {pipe}<&-
	return $status
}

e2e_up
e2e_file 1 1
e2e_file 10k 10240
e2e_file 100k 102400
e2e_file 10m 10485760
e2e_file 256m 268435456
check "1 byte" e2e_same 1
check "100 KB" e2e_same 100k
check "10 MB" e2e_same 10m
check "256 MB" e2e_same 256m
check "10 MB, slow reader" e2e_same 10m --limit-rate 4M
check "upload of 10 MB" e2e_upload 10m
check "200 parallel connections" parallel
check "2,000 connections in sequence" load 2000 1
check "100 clients that never read beside 100 that do" beside_non_readers
check "idle afterwards" e2e_idle_soon 150
finish
