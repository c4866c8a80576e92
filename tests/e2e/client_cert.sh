#!/bin/bash
# Clients that are asked who they are, by certificate: curl, OpenSSL and GnuTLS with keys of every kind; hosts
# that require one and hosts that do not; what each wrong one is told; what the server behind learns, by a reader
# of the PROXY header that is not ours; and authorities that change by a reload.
. "$(dirname "$0")/e2e.bash"

ECHO=127.0.0.1:8290
REQUIRED=required.handfast.test OPTIONAL=optional.handfast.test
has() { grep "$@" >/dev/null; } # reads to the end: nobody before it is cut off
hfctl() { "$FARM_BIN/hfctl" -s "$FARM_STATS" "$@"; }

# NAME KEY ISSUER [EXTENSIONS [OPENSSL-REQ ARGUMENT...]]: a client's certificate.
person() {
	local name=$1 key=$2 issuer=$3 extensions=${4:-person}
	shift 3
	[ $# -eq 0 ] || shift
	# shellcheck disable=SC2086  # several words
	openssl req -x509 -newkey $key -nodes -days 30 -config "$FARM_DIR/pki.cnf" \
		-subj "/O=people/CN=$name" -extensions "$extensions" -keyout "$FARM_DIR/$name.key" \
		-out "$FARM_DIR/$name.crt" -CA "$FARM_DIR/$issuer.crt" -CAkey "$FARM_DIR/$issuer.key" \
		"$@" >>"$FARM_DIR/pki.log" 2>&1
}

prepare() {
	local a
	cat >>"$FARM_DIR/pki.cnf" <<-END
		[person]
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature
		extendedKeyUsage = clientAuth
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
		[notclient]
		basicConstraints = critical, CA:FALSE
		extendedKeyUsage = serverAuth
	END
	for a in people others; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
			-config "$FARM_DIR/pki.cnf" -subj "/O=people/CN=$a" -extensions authority \
			-keyout "$FARM_DIR/$a.key" -out "$FARM_DIR/$a.crt" >>"$FARM_DIR/pki.log" 2>&1 || return
	done
	person rsa "rsa:2048" people && person p256 "ec -pkeyopt ec_paramgen_curve:P-256" people &&
		person p384 "ec -pkeyopt ec_paramgen_curve:P-384" people &&
		person stranger "ec -pkeyopt ec_paramgen_curve:P-256" others &&
		person server "ec -pkeyopt ec_paramgen_curve:P-256" people notclient &&
		person weak "rsa:1024" people || return
	expired || return
	cp "$FARM_DIR/people.crt" "$FARM_DIR/ca-people.pem"
	chmod 644 "$FARM_DIR/ca-people.pem"
	farm_certificate required "$REQUIRED" && farm_certificate optional "$OPTIONAL"
}

# A certificate whose time is over: openssl req makes none.
expired() {
	cp "$FARM_DIR/p256.key" "$FARM_DIR/late.key"
	openssl req -new -key "$FARM_DIR/p256.key" -config "$FARM_DIR/pki.cnf" -subj "/O=people/CN=late" \
		-out "$FARM_DIR/late.csr" 2>>"$FARM_DIR/pki.log" &&
		mkdir -p "$FARM_DIR/late" && : >"$FARM_DIR/late/index" && echo 01 >"$FARM_DIR/late/serial" &&
		cat >"$FARM_DIR/late/ca.cnf" <<-END &&
			[ca]
			default_ca = late
			[late]
			database = $FARM_DIR/late/index
			serial = $FARM_DIR/late/serial
			new_certs_dir = $FARM_DIR/late
			default_md = sha256
			policy = any
			[any]
			organizationName = optional
			commonName = supplied
		END
		openssl ca -batch -config "$FARM_DIR/late/ca.cnf" -cert "$FARM_DIR/people.crt" \
			-keyfile "$FARM_DIR/people.key" -in "$FARM_DIR/late.csr" -out "$FARM_DIR/late.crt" -notext \
			-startdate 20200101000000Z -enddate 20200201000000Z >>"$FARM_DIR/pki.log" 2>&1
}

# The options: three names with one listener, and who is asked.
configure() {
	FARM_CERTIFICATES='www, required, optional' e2e_config
	sed -i -e "/^    key: required.key/a\\    client_certificate: required\\n    client_ca: ca-people.pem" \
		-e "/^    key: optional.key/a\\    client_certificate: optional\\n    client_ca: ca-people.pem" \
		"$FARM_DIR/handfast.yaml"
}

# HOST [CURL ARGUMENT...]: what the server behind was told.
page() {
	local host=$1
	shift
	farm_in_client curl -sS --max-time 30 --cacert "$FARM_CA" --resolve "$host:$FARM_PORT:$FARM_ADDRESS" \
		"$@" "https://$host:$FARM_PORT/"
}
as() { page "$2" --cert "$FARM_DIR/$1.crt" --key "$FARM_DIR/$1.key" "${@:3}"; } # PERSON HOST

fingerprint() { openssl x509 -in "$FARM_DIR/$1.crt" -noout -fingerprint -sha256 | cut -d= -f2 | tr -d : | tr 'A-F' 'a-f'; }

# PERSON HOST [CURL ARGUMENT...]: served, and the server knows who it is.
known() {
	local got want
	got=$(as "$@") || { echo "$got"; return 1; }
	want="subject CN=$1,O=people
issuer CN=people,O=people
sha256 $(fingerprint "$1")
client 7
verify 0
cn $1
authority $2"
	[ "$(grep -cxFf <(echo "$want") <<<"$got")" = 7 ] || { xargs <<<"$got"; return 1; }
}

# HOST: served without, and the server knows that, too.
unknown() {
	local got
	got=$(page "$1") || { echo "$got"; return 1; }
	grep -qx 'client 1' <<<"$got" && grep -qx 'verify 1' <<<"$got" && ! grep -qE '^(subject|cn|sha256) ' <<<"$got" &&
		return
	xargs <<<"$got"
	return 1
}

reason_cnt() { farm_stat tls "handshake_$1"; }

# REASON ALERT COMMAND...: it fails, for this reason, which the failures show with the alert.
refused() {
	local reason=$1 alert=$2 before
	before=$(reason_cnt "$reason")
	shift 2
	"$@" >/dev/null 2>&1 && { echo "served"; return 1; }
	farm_wait 5 farm_stat_is tls "handshake_$reason" $((before + 1)) || { hfctl failures | tail -n 3 | xargs; return 1; }
	hfctl failures | grep '^#' | tail -n 1 | has "$reason .*$alert" || { hfctl failures | tail -n 2 | xargs; return 1; }
}

# HOST CERT KEY [ARGUMENT...]: OpenSSL's own client; it fails where the handshake does.
s_client() {
	printf 'GET / HTTP/1.0\r\n\r\n' | farm_in_client timeout 20 openssl s_client -connect "$FARM_ADDRESS:$FARM_PORT" \
		-servername "$1" -tls1_2 -CAfile "$FARM_CA" -verify_return_error -cert "$2" -key "$3" -ign_eof "${@:4}" 2>&1
}

# Debian's own clients would not show such a key.
weakly() {
	s_client "$1" "$FARM_DIR/weak.crt" "$FARM_DIR/weak.key" -cipher DEFAULT@SECLEVEL=0 | grep '^cn '
}

openssl_with() { # PERSON SIGALGS CIPHER
	local out
	out=$(s_client "$REQUIRED" "$FARM_DIR/$1.crt" "$FARM_DIR/$1.key" -client_sigalgs "$2" -cipher "$3") &&
		grep -q "^cn $1" <<<"$out" && grep -q 'CN = people$\|CN=people$' <<<"$out" && return
	tail -n 3 <<<"$out" | xargs
	return 1
}

gnutls() { # PERSON PRIORITY
	local out
	out=$(printf 'GET / HTTP/1.0\r\n\r\n' | farm_in_client timeout 20 gnutls-cli --x509cafile "$FARM_CA" \
		--x509certfile "$FARM_DIR/$1.crt" --x509keyfile "$FARM_DIR/$1.key" --sni-hostname "$REQUIRED" \
		--verify-hostname "$REQUIRED" --priority "NORMAL:-VERS-ALL:+VERS-TLS1.2${2:+:$2}" -p "$FARM_PORT" "$FARM_ADDRESS" 2>&1)
	grep -q "^cn $1" <<<"$out" && return
	tail -n 3 <<<"$out" | xargs
	return 1
}

# A session of such a host is not given, one that is brought does not help.
no_resumption() {
	local before out
	before=$(farm_stat tls tickets_sent)
	out=$(s_client "$REQUIRED" "$FARM_DIR/p256.crt" "$FARM_DIR/p256.key" -sess_out "$FARM_DIR/session") || return
	[ "$(farm_stat tls tickets_sent)" = "$before" ] || { echo "a ticket was sent"; return 1; }
	grep -q '^cn p256' <<<"$out" && ! grep -q 'TLS session ticket' <<<"$out"
}

# A ticket from before the host asked: a full handshake with the certificate all the same.
ticket_from_before() {
	local before
	s_client "$FARM_SNI" "$FARM_DIR/p256.crt" "$FARM_DIR/p256.key" -sess_out "$FARM_DIR/session" >/dev/null || return
	sed -i '/^    key: www.key/a\    client_certificate: required\n    client_ca: ca-people.pem' "$FARM_DIR/handfast.yaml"
	hfctl reload | tee "$FARM_DIR/reloaded" | has 'certificates www.client_certificate: changed' ||
		{ xargs <"$FARM_DIR/reloaded"; return 1; }
	before=$(farm_stat tls resume_CLIENT_CERT)
	s_client "$FARM_SNI" "$FARM_DIR/p256.crt" "$FARM_DIR/p256.key" -sess_in "$FARM_DIR/session" | has '^cn p256' || return
	farm_stat_is tls resume_CLIENT_CERT $((before + 1)) || { echo "not counted"; return 1; }
	refused CLIENT_CERT_MISSING HANDSHAKE_FAILURE page "$FARM_SNI" || return
	configure
	hfctl reload >/dev/null && unknown "$FARM_SNI"
}

# The file changes, the options do not: who was good is not any more, and the other way round.
authorities_by_reload() {
	local out
	known p256 "$REQUIRED" || return
	cat "$FARM_DIR/others.crt" >"$FARM_DIR/ca-people.pem"
	known p256 "$REQUIRED" || { echo "changed before the reload"; return 1; }
	out=$(hfctl reload) || { echo "$out"; return 1; }
	grep -q 'certificate required: client_ca renewed, 1 authorities, was 1' <<<"$out" || { xargs <<<"$out"; return 1; }
	refused CLIENT_CERT_UNKNOWN_CA UNKNOWN_CA as p256 "$REQUIRED" || return
	as stranger "$REQUIRED" | has -x 'cn stranger' || { echo "the new one is not trusted"; return 1; }
	cat "$FARM_DIR/people.crt" "$FARM_DIR/stranger.crt" >"$FARM_DIR/ca-people.pem" # one is trusted by himself
	hfctl reload >/dev/null || return
	known p256 "$REQUIRED" && as stranger "$REQUIRED" | has -x 'cn stranger' || return
	cat "$FARM_DIR/people.crt" >"$FARM_DIR/ca-people.pem"
	hfctl reload >/dev/null && refused CLIENT_CERT_UNKNOWN_CA UNKNOWN_CA as stranger "$REQUIRED"
}

wrong_files() {
	local out
	for out in empty.pem gone.pem p256.key; do
		: >"$FARM_DIR/empty.pem"
		sed -i "s/client_ca: .*/client_ca: $out/" "$FARM_DIR/handfast.yaml"
		hfctl reload >"$FARM_DIR/reloaded" 2>&1 && { echo "$out was taken"; return 1; }
		grep -q "handfast.yaml:[0-9]*:[0-9]*: certificates\[1\].client_ca: .*$out: " "$FARM_DIR/reloaded" ||
			{ head -n 2 "$FARM_DIR/reloaded" | xargs; return 1; }
	done
	configure
	known p256 "$REQUIRED"
}

# Two certificates for one name that want different things.
contradiction() {
	configure
	cp "$FARM_DIR/handfast.yaml" "$FARM_DIR/right.yaml"
	sed -e 's/certificates: \[www, required, optional\]/certificates: [www, required, optional, again]/' \
		-e "/^certificates:/a\\  - name: again\\n    chain: required.pem\\n    key: required.key" \
		"$FARM_DIR/right.yaml" >"$FARM_DIR/wrong.yaml"
	! farm_in_appl "$FARM_BIN/handfast" --check "$FARM_DIR/wrong.yaml" >"$FARM_DIR/checked" 2>&1 &&
		grep -q "asks clients of $REQUIRED otherwise than certificate" "$FARM_DIR/checked" && return
	xargs <"$FARM_DIR/checked"
	return 1
}

explained() {
	hfctl explain "$REQUIRED" | has 'client  *is asked for a certificate, which is required; 1 authorities' &&
		hfctl explain "$OPTIONAL" | has 'which it may lack' && ! hfctl explain "$FARM_SNI" | has 'is asked for'
}

# Many at once, good ones and bad ones beside each other: each gets his answer.
many_at_once() {
	local n pids=() bad=0
	for n in $(seq 40); do
		if [ $((n % 4)) = 0 ]; then
			(! as stranger "$REQUIRED" >/dev/null 2>&1) &
		else
			(as "$([ $((n % 4)) = 1 ] && echo rsa || echo p384)" "$REQUIRED" | has '^cn ') &
		fi
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || bad=$((bad + 1))
	done
	[ "$bad" = 0 ] || { echo "$bad of 40"; return 1; }
	echo "# checks: $(farm_stat auth verified) good, $(farm_stat auth refused_clients) refused, most waiting $(farm_stat auth queued_max);" \
		"$(hfctl stats | awk '/gap_auth_ns/ { $1 = $1; print }' | head -n 1)" >&3
}

farm_begin
prepare || farm_fail "the test cannot make its certificates: $FARM_DIR/pki.log"
farm_start echo python3 tests/e2e/proxy_echo.py "${ECHO%:*}" "${ECHO#*:}"
configure
farm_appliance
farm_relay web.sock "$ECHO"
e2e_attached 1
farm_wait 15 page "$FARM_SNI" || farm_fail "no page comes"
exec 3>&1

for who in rsa p256 p384; do
	check "curl with a key of $who, where it is required" known "$who" "$REQUIRED"
	check "curl with a key of $who, where it is optional" known "$who" "$OPTIONAL"
done
for cipher in ECDHE-RSA-AES128-GCM-SHA256 AES128-GCM-SHA256 AES128-SHA ECDHE-RSA-AES256-SHA384; do
	check "curl with $cipher" known rsa "$REQUIRED" --ciphers "$cipher" --tls-max 1.2
done
check "openssl, RSA by PKCS #1" openssl_with rsa RSA+SHA256 ECDHE-RSA-AES128-GCM-SHA256
check "openssl, RSA by PSS" openssl_with rsa rsa_pss_rsae_sha256 ECDHE-RSA-AES128-GCM-SHA256
check "openssl, RSA by PSS, SHA-512, RSA key exchange" openssl_with rsa rsa_pss_rsae_sha512 AES256-SHA
check "openssl, ECDSA" openssl_with p256 ECDSA+SHA256 ECDHE-RSA-CHACHA20-POLY1305
check "openssl, ECDSA P-384, SHA-384" openssl_with p384 ECDSA+SHA384 AES128-GCM-SHA256
check "gnutls-cli, RSA" gnutls rsa
check "gnutls-cli, ECDSA" gnutls p256
check "gnutls-cli, RSA key exchange" gnutls rsa "-KX-ALL:+RSA"
check "without one, where it is optional" unknown "$OPTIONAL"
check "without one, where nobody is asked" unknown "$FARM_SNI"
check "without one, where it is required" refused CLIENT_CERT_MISSING HANDSHAKE_FAILURE page "$REQUIRED"
for host in "$REQUIRED" "$OPTIONAL"; do
	check "of another authority, at $host" refused CLIENT_CERT_UNKNOWN_CA UNKNOWN_CA as stranger "$host"
	check "expired, at $host" refused CLIENT_CERT_EXPIRED CERTIFICATE_EXPIRED as late "$host"
	check "a server's, at $host" refused CLIENT_CERT_PURPOSE UNSUPPORTED_CERTIFICATE as server "$host"
	check "of 1024 bits, at $host" refused CLIENT_CERT_WEAK BAD_CERTIFICATE weakly "$host"
done
check "no session goes on" no_resumption
check "a ticket from before the host asked does not help" ticket_from_before
check "authorities change by a reload, which says so" authorities_by_reload
check "a wrong file is refused, the old one serves" wrong_files
check "two certificates of one name must ask alike" contradiction
check "hfctl explain says who is asked" explained
check "forty at once" many_at_once
check "idle afterwards" e2e_idle_soon
finish
