#!/bin/bash
# Foreign clients agree with us: openssl s_client with every suite, curve and kind of certificate,
# gnutls-cli with each key exchange, curl with RSA and as it comes; and tshark, given the key log, reads the request out of a
# capture.
. "$(dirname "$0")/e2e.bash"

request() { printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$FARM_SNI"; }

s_client() { # CIPHER [S_CLIENT-ARGUMENT...]
	local out cipher=$1
	shift
	out=$(request | farm_in_client timeout 20 openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" \
		-tls1_2 -cipher "$cipher" "$@" -servername "$FARM_SNI" -CAfile "$FARM_CA" \
		-verify_hostname "$FARM_SNI" -verify_return_error -ign_eof 2>&1)
	grep -q "Cipher is $cipher\$" <<<"$out" && grep -q 'Verification: OK' <<<"$out" &&
		grep -q 'Secure Renegotiation IS supported' <<<"$out" &&
		grep -q '^hello from web server' <<<"$out" && return
	tail -n 3 <<<"$out"
	return 1
}

gnutls() { # PRIORITY-STRING-OF-KEY-EXCHANGES SUITE-AS-SHOWN
	local out
	# gnutls-cli would close at the end of its input: hold it until the answer is here.
	out=$({ request; sleep 2; } | farm_in_client timeout 20 gnutls-cli --port "$FARM_PORT" \
		--priority "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:$1" --x509cafile "$FARM_CA" \
		--sni-hostname "$FARM_SNI" --verify-hostname "$FARM_SNI" "$FARM_ADDRESS" 2>&1)
	grep -q '^- Status: The certificate is trusted' <<<"$out" &&
		grep -q "^- Description: (TLS1.2.*)-($2)" <<<"$out" &&
		grep -q '^hello from web server' <<<"$out" && return
	tail -n 3 <<<"$out"
	return 1
}

curl_gets() { # CIPHER [CURL-ARGUMENT...]
	local out cipher=$1
	shift
	out=$(farm_curl / -v "$@" 2>&1) &&
		grep -q "SSL connection using TLSv1.2 / $cipher" <<<"$out" &&
		grep -q '^hello from web server [12], you came from 10.9.0.2$' <<<"$out" && return
	tail -n 3 <<<"$out"
	return 1
}

stapled() { # CIPHER
	local out
	out=$(farm_in_client timeout 20 openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" -tls1_2 \
		-cipher "$1" -servername "$FARM_SNI" -CAfile "$FARM_CA" -status </dev/null 2>&1)
	grep -q 'OCSP Response Status: successful' <<<"$out" && grep -q 'Cert Status: good' <<<"$out"
}

gnutls_believes_the_status() {
	local out
	out=$({ request; sleep 2; } | farm_in_client timeout 20 gnutls-cli --port "$FARM_PORT" \
		--priority "NORMAL:-VERS-ALL:+VERS-TLS1.2" --x509cafile "$FARM_CA" \
		--sni-hostname "$FARM_SNI" --verify-hostname "$FARM_SNI" "$FARM_ADDRESS" 2>&1)
	grep -q '^- Options:.* OCSP status request' <<<"$out" &&
		grep -q '^- Status: The certificate is trusted' <<<"$out" && return
	grep -E '^- (Options|Status)' <<<"$out"
	return 1
}

# CBC and RSA key exchange have been used many times on this one host.
weak_logged() {
	sleep 1.1
	grep 'a client came with' "$FARM_DIR/handfast.log" >"$FARM_DIR/weak"
	[ "$(wc -l <"$FARM_DIR/weak")" -le 2 ] && grep -q "host $FARM_SNI: .*no forward secrecy" "$FARM_DIR/weak" &&
		return
	tail -n 1 "$FARM_DIR/weak"
	return 1
}

refused() { # ALERT S_CLIENT-ARGUMENT...
	local alert=$1 out
	shift
	out=$(farm_in_client timeout 20 openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" "$@" \
		</dev/null 2>&1) && { echo "accepted"; return 1; }
	grep -q "alert $alert" <<<"$out" && return
	tail -n 3 <<<"$out"
	return 1
}

# CIPHER: a capture of one request, decrypted.
decrypts() {
	local pcap=$FARM_DIR/$1.pcap log=$FARM_DIR/$1.tcpdump tap shown
	ip netns exec "$FARM_CLIENT" tcpdump -i hf1 -U -w "$pcap" "tcp port $FARM_PORT" 2>"$log" &
	tap=$!
	farm_wait 10 grep -q 'listening on' "$log" && FARM_CIPHER=$1 farm_curl "/files/1?$1" &&
		farm_wait 20 shows_request "$1"
	shown=$?
	kill "$tap"
	wait "$tap"
	[ $shown -eq 0 ] || { tail -n 1 "$log"; return 1; }
}
shows_request() {
	tshark -n -r "$FARM_DIR/$1.pcap" -o "tls.keylog_file:$FARM_DIR/keys" -Y http.request \
		-T fields -e http.request.uri 2>/dev/null | grep -Fx "/files/1?$1"
}

# A second certificate for the name, of another kind of key.
prepare() {
	FARM_KEY='ec -pkeyopt ec_paramgen_curve:P-256' farm_certificate ecdsa "$FARM_SNI"
}

# Written by the appliance, which may not be root when it writes.
FARM_KEYLOG=keys
FARM_CERTIFICATES='www, ecdsa'
E2E_PREPARE=prepare
e2e_up
e2e_file 1 1
for cipher in AES128-SHA AES256-SHA AES128-SHA256 AES256-SHA256 AES128-GCM-SHA256 AES256-GCM-SHA384; do
	check "openssl s_client, $cipher" s_client "$cipher"
done
for cipher in AES128-GCM-SHA256 AES256-GCM-SHA384 CHACHA20-POLY1305 AES128-SHA AES256-SHA \
	AES128-SHA256 AES256-SHA384; do
	for curve in X25519 P-256; do
		check "openssl s_client, ECDHE-RSA-$cipher, $curve" \
			s_client "ECDHE-RSA-$cipher" -groups "$curve"
	done
	check "openssl s_client, ECDHE-ECDSA-$cipher" s_client "ECDHE-ECDSA-$cipher"
done
check "openssl s_client, AES128-SHA, without encrypt-then-MAC" s_client AES128-SHA -no_etm
check "openssl s_client, ECDHE-RSA-AES256-SHA384, without encrypt-then-MAC" \
	s_client ECDHE-RSA-AES256-SHA384 -no_etm
check "openssl s_client, records of 512 bytes" s_client AES128-SHA -maxfraglen 512
check "gnutls-cli, RSA key exchange" gnutls +RSA RSA
check "gnutls-cli, ECDHE-RSA" gnutls +ECDHE-RSA 'ECDHE-[A-Z0-9-]*)-(RSA-[A-Z0-9-]*'
check "gnutls-cli, ECDHE-ECDSA" gnutls +ECDHE-ECDSA 'ECDHE-[A-Z0-9-]*)-(ECDSA-[A-Z0-9-]*'
check "gnutls-cli, CBC with encrypt-then-MAC" gnutls '+ECDHE-RSA:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA1' \
	'ECDHE-[A-Z0-9-]*)-(RSA-[A-Z0-9-]*'
check "gnutls-cli, CBC without encrypt-then-MAC" \
	gnutls '+RSA:-CIPHER-ALL:+AES-256-CBC:-MAC-ALL:+SHA256:%NO_ETM' RSA
check "openssl s_client, stapled status, RSA" stapled ECDHE-RSA-AES128-GCM-SHA256
check "openssl s_client, stapled status, RSA key exchange" stapled AES128-SHA
check "openssl s_client, stapled status, ECDSA" stapled ECDHE-ECDSA-AES128-GCM-SHA256
check "gnutls-cli, stapled status" gnutls_believes_the_status
check "curl, which insists on a stapled status" \
	curl_gets ECDHE-ECDSA-AES128-GCM-SHA256 --cert-status
check "curl as it comes, client address at the farm" curl_gets ECDHE-ECDSA-AES128-GCM-SHA256
check "curl, RSA certificate" curl_gets ECDHE-RSA-AES256-GCM-SHA384 --tls-max 1.2 \
	--ciphers ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA
check "curl, RSA key exchange" curl_gets AES128-SHA --tls-max 1.2 --ciphers AES128-SHA
check "weak suites were logged, once for each step down" weak_logged
check "ping is answered" farm_in_client ping -q -c 5 -i 0.2 -W 5 "$FARM_ADDRESS"
check "TLS 1.1 is refused with an alert" \
	refused 'protocol version' -tls1_1 -cipher ALL:@SECLEVEL=0
check "a fallback is refused with an alert" \
	refused 'inappropriate fallback' -tls1_1 -fallback_scsv -cipher ALL:@SECLEVEL=0
check "no common suite is refused with an alert" \
	refused 'handshake failure' -tls1_2 -cipher ARIA128-GCM-SHA256
check "tshark decrypts AES128-GCM-SHA256" decrypts AES128-GCM-SHA256
check "tshark decrypts AES128-SHA" decrypts AES128-SHA
check "tshark decrypts ECDHE-RSA-AES128-GCM-SHA256" decrypts ECDHE-RSA-AES128-GCM-SHA256
check "tshark decrypts ECDHE-RSA-CHACHA20-POLY1305" decrypts ECDHE-RSA-CHACHA20-POLY1305
check "tshark decrypts ECDHE-ECDSA-AES256-SHA384" decrypts ECDHE-ECDSA-AES256-SHA384
check "no common curve is refused with an alert" \
	refused 'handshake failure' -tls1_2 -cipher ECDHE-RSA-AES128-SHA -groups P-384
check "idle afterwards" e2e_idle_soon
finish
