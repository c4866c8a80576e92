#!/bin/bash
# hfbench as each of its clients: every mix gets what it asks for, what it says of itself is true, and
# what it shall find out it finds out. Without figures: those are bench/bench.py's.
. "$(dirname "$0")/e2e.bash"

# bench NAME ARGUMENT...: its report is in $json afterwards.
bench() {
	json=$FARM_DIR/$1.json
	farm_in_client "$FARM_BIN/hfbench" -q --timeout 60000 --sni "$FARM_SNI" --ca "$FARM_CA" --json "$json" \
		"${@:2}" "$FARM_ADDRESS:$FARM_PORT" >"$FARM_DIR/$1.out"
}

full() { # MIX SUITE
	bench "$1" --mix "$1" -n 8 -c 4 &&
		holds "m['mix'] == '$1' and m['cipher'] == '$2' and m['handshakes'] == 8 and m['resumed'] == 0 and m['verified'] >= 1"
}
resumed() {
	bench resumed --mix resumed -n 40 -c 4 && holds "m['resumed'] == 36" &&
		bench by_id --mix modern --resume id -n 40 -c 4 && holds "m['resumed'] == 36" &&
		[ "$(farm_stat tls resume_ID)" -ge 36 ]
}
# A resumed handshake ends with the client's word, and a reset right behind it would take it back.
answered() {
	local gone
	gone=$(farm_stat tls handshake_GONE_AT_RESUMPTION)
	bench answered --mix resumed -n 200 -c 20 --close answered && holds "m['resumed'] == 180 and m['close'] == 'answered'" &&
		[ "$(farm_stat tls handshake_GONE_AT_RESUMPTION)" = "$gone" ]
}
half() {
	bench half --mix browser-2026 -n 41 -c 1 &&
		holds "m['resumed'] == 20 and m['replies'] == 41 and m['reply_ms']['p50'] >= m['handshake_ms']['p50']"
}
storm() {
	bench storm --mix storm -c 40 && holds "m['started'] == m['handshakes'] == 40 and m['resumed'] == 0" &&
		[ "$(($(farm_stat tls resume_TICKET_KEY) + $(farm_stat tls resume_TICKET_FOREIGN)))" -ge 40 ]
}
bulk() { # CIPHER
	bench bulk --mix bulk -c 2 --requests 3 -n 2 --cipher "$1" &&
		holds "m['replies'] == 6 and m['reply_bytes'] == 6 << 20 and m['handshakes'] == 2 and m['cipher'] == '$1'"
}
kept() {
	bench hold --mix modern --request / --hold -n 20 -c 20 -d 3 && holds "m['held'] == m['replies'] == 20"
}
untrusted() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$FARM_DIR/other.key" -out "$FARM_DIR/other.pem" \
		-subj /CN=other -days 2 2>/dev/null
	! bench ca --ca "$FARM_DIR/other.pem" -n 2 -c 1 &&
		holds "m['failures'][0] == {'phase': 'handshake', 'cause': 'certificate not accepted', 'count': 2}" &&
		! bench name --sni wrong.test -n 2 -c 1 && holds "m['failed'] == 2 and m['verified'] == 0"
}
not_tls() { # a server of plain HTTP
	json=$FARM_DIR/not_tls.json
	! farm_in_appl "$FARM_BIN/hfbench" -q -n 2 -c 1 --json "$json" "${FARM_WEBS[0]}" >/dev/null &&
		holds "m['failed'] == 2 and m['handshakes'] == 0"
}
buckets_agree() {
	bench buckets -n 30 -c 3 && holds "sum(n for _, n in m['handshake_buckets']) == 30" &&
		holds "0.98 < m['handshake_buckets'][-1][0] / m['handshake_ms']['max'] < 1.02"
}
# What ended before the window is neither lost nor counted with the rest; a failure is never overlooked.
warmed_up() {
	local before after
	before=$(farm_stat tls handshake_OK) || return
	bench warm --mix modern -c 4 -d 1 --warmup 400 --close answered || return
	after=$(farm_stat tls handshake_OK)
	holds "m['warmup']['handshakes'] > 0 and 0.4 <= m['warmup']['seconds'] < 1" &&
		holds "m['handshakes'] == m['handshake_ms']['count'] > 0 and 0.9 < m['seconds'] < 1.5" &&
		holds "0 <= $after - $before - m['handshakes'] - m['warmup']['handshakes'] <= 8"
}
failed_in_warm_up() {
	json=$FARM_DIR/cold.json
	! farm_in_appl "$FARM_BIN/hfbench" -q -d 1 --warmup 900 -c 1 --json "$json" "${FARM_WEBS[0]}" >"$FARM_DIR/cold.out" &&
		holds "m['failed'] == sum(f['count'] for f in m['failures']) > m['started'] + 5"
}
# Turns: a peak, nine tenths of it, a peak. What counts was meant to start in a second at that rate, and has its end.
near_peak() {
	bench near --mix resumed --request / --close answered -c 8 --near-peak 90 -d 8 && holds "m['near_peak'] == 90 and len(m['turns']) >= 2" &&
		holds "all(t['before'] > 0 and abs(t['rate'] / t['before'] - 0.9) < 0.01 for t in m['turns'])" &&
		holds "all(a['after'] == b['before'] for a, b in zip(m['turns'], m['turns'][1:]))" &&
		holds "all(0.8 < t['reply_ms']['count'] / t['rate'] < 1.2 and t['reply_ms']['count'] == t['handshake_ms']['count'] for t in m['turns'])" &&
		holds "sum(t['reply_ms']['count'] for t in m['turns']) <= m['reply_ms']['count'] < m['replies']"
}
# Frames of the kernel's interface, and a TCP of its own behind them: short ones, and more than a window.
packet() {
	bench packet --port packet:hf1 --from 10.9.0.3 --mix resumed -n 60 -c 8 --close answered &&
		holds "m['resumed'] == 52 and m['gaps'] == 0 and m['lost'] == 0 and m['frames_out'] > 300" &&
		bench packet_bulk --port packet:hf1 --from 10.9.0.3 --mix bulk -c 2 --requests 3 -n 2 &&
		holds "m['replies'] == 6 and m['reply_bytes'] == 6 << 20"
}
no_interface() {
	! bench none --port packet:none --from 10.9.0.3 -n 1 2>"$FARM_DIR/none.err" && grep -q 'packet:none: cannot have the interface' "$FARM_DIR/none.err"
}

e2e_up
e2e_file 1m 1048576
check "mix plain" full plain ECDHE-RSA-AES128-GCM-SHA256
check "mix capture-rsa" full capture-rsa AES128-SHA
check "mix capture-ecdhe" full capture-ecdhe ECDHE-RSA-AES128-GCM-SHA256
check "mix modern" full modern ECDHE-RSA-AES128-GCM-SHA256
check "mix resumed, and by id" resumed
check "close answered: every handshake is one of the server's, too" answered
check "mix browser-2026: half of it resumed" half
check "mix storm: nobody's ticket is known" storm
for cipher in ECDHE-RSA-AES128-GCM-SHA256 AES128-SHA AES256-SHA256 ECDHE-RSA-AES256-SHA384 \
	AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305; do
	check "mix bulk, whole and unbroken: $cipher" bulk $cipher
done
check "connections are held" kept
check "a certificate of another authority, or name, is not accepted" untrusted
check "a server without TLS is a failure" not_tls
check "the histogram adds up" buckets_agree
check "a warm-up is told apart" warmed_up
check "failures of a warm-up count" failed_in_warm_up
check "turns near the peak" near_peak
check "over an interface's frames, with its own TCP" packet
check "an interface that is not there is named" no_interface
check_not "turns have room in the report" bench bad --near-peak 90 -d 200
check_not "near the peak it has its own rate" bench bad --near-peak 90 --rate 10 -d 1
check_not "a warm-up wants seconds" bench bad -n 1 --warmup 100
check_not "an unknown mix is refused" bench bad --mix nonsense -n 1
check_not "an unknown suite is refused" bench bad --cipher NONSENSE -n 1
finish
