#!/bin/bash
# What real clients choose: each of them as it comes, and then with every cipher suite that it can be told to
# offer alone, a page each time. The outcome is kept as a table, client_matrix.txt; a cell that is not as it was is
# a failure. `client_matrix.sh --write` keeps the outcome of this run.
. "$(dirname "$0")/e2e.bash"
kept=tests/e2e/client_matrix.txt
clients=$farm_root/tests/e2e/clients

# IANA's name, OpenSSL's, and what GnuTLS puts together: key exchange, cipher, MAC.
suites() {
	cat <<-END
		TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256       ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA AES-128-GCM AEAD
		TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384       ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA AES-256-GCM AEAD
		TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-ECDSA CHACHA20-POLY1305 AEAD
		TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA          ECDHE-ECDSA-AES128-SHA        ECDHE-ECDSA AES-128-CBC SHA1
		TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA          ECDHE-ECDSA-AES256-SHA        ECDHE-ECDSA AES-256-CBC SHA1
		TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256       ECDHE-ECDSA-AES128-SHA256     ECDHE-ECDSA AES-128-CBC SHA256
		TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384       ECDHE-ECDSA-AES256-SHA384     ECDHE-ECDSA AES-256-CBC SHA384
		TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256         ECDHE-RSA-AES128-GCM-SHA256   ECDHE-RSA AES-128-GCM AEAD
		TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384         ECDHE-RSA-AES256-GCM-SHA384   ECDHE-RSA AES-256-GCM AEAD
		TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256   ECDHE-RSA-CHACHA20-POLY1305   ECDHE-RSA CHACHA20-POLY1305 AEAD
		TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA            ECDHE-RSA-AES128-SHA          ECDHE-RSA AES-128-CBC SHA1
		TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA            ECDHE-RSA-AES256-SHA          ECDHE-RSA AES-256-CBC SHA1
		TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256         ECDHE-RSA-AES128-SHA256       ECDHE-RSA AES-128-CBC SHA256
		TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384         ECDHE-RSA-AES256-SHA384       ECDHE-RSA AES-256-CBC SHA384
		TLS_RSA_WITH_AES_128_GCM_SHA256               AES128-GCM-SHA256             RSA AES-128-GCM AEAD
		TLS_RSA_WITH_AES_256_GCM_SHA384               AES256-GCM-SHA384             RSA AES-256-GCM AEAD
		TLS_RSA_WITH_AES_128_CBC_SHA                  AES128-SHA                    RSA AES-128-CBC SHA1
		TLS_RSA_WITH_AES_256_CBC_SHA                  AES256-SHA                    RSA AES-256-CBC SHA1
		TLS_RSA_WITH_AES_128_CBC_SHA256               AES128-SHA256                 RSA AES-128-CBC SHA256
		TLS_RSA_WITH_AES_256_CBC_SHA256               AES256-SHA256                 RSA AES-256-CBC SHA256
	END
}
iana_of() { suites | awk -v n="$1" '$2 == n || $1 == n { print $1; found = 1 } END { if (!found) print n }'; }

request() { printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$FARM_SNI"; }

# ---- one client each: prints "OFFERED CHOSEN" a line, OFFERED as IANA has it or "any" ------------
# With the page at hand, CHOSEN is what the client says; where it says nothing, what alone it offered.
say_chosen() { # OFFERED OUTPUT CHOSEN
	if grep -q '^hello from web server' <<<"$2"; then
		echo "$1 $(iana_of "$3")"
	else
		echo "$1 failed:$(tail -n 1 <<<"$2" | tr ' ' '_' | cut -c 1-60)"
	fi
}

client_openssl() {
	local iana openssl out
	while read -r iana openssl _; do
		out=$(request | farm_in_client timeout 20 openssl s_client -ign_eof -tls1_2 \
			${openssl:+-cipher "$openssl"} -connect "$FARM_ADDRESS:$FARM_PORT" \
			-servername "$FARM_SNI" -verify_hostname "$FARM_SNI" -verify_return_error \
			-CAfile "$FARM_CA" 2>&1)
		say_chosen "$iana" "$out" "$(sed -n 's/.*Cipher is //p' <<<"$out" | head -n 1)"
	done < <(echo any; suites)
}

client_curl() {
	local iana openssl out
	while read -r iana openssl _; do
		out=$(farm_curl / -v ${openssl:+--tls-max 1.2 --ciphers "$openssl"} 2>&1)
		say_chosen "$iana" "$out" "$(sed -n 's/.*SSL connection using .* \/ //p' <<<"$out")"
	done < <(echo any; suites)
}

gnutls_priority() { # KX CIPHER MAC
	echo "NONE:+VERS-TLS1.2:+$1:+$2:+$3:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:+CTYPE-X509"
}
client_gnutls() {
	local iana openssl kx cipher mac out
	while read -r iana openssl kx cipher mac; do
		out=$({ request; sleep 0.3; } | farm_in_client timeout 20 gnutls-cli --port "$FARM_PORT" \
			--priority "$([ -n "$kx" ] && gnutls_priority "$kx" "$cipher" "$mac" || echo NORMAL)" \
			--x509cafile "$FARM_CA" --sni-hostname "$FARM_SNI" --verify-hostname "$FARM_SNI" \
			"$FARM_ADDRESS" 2>&1)
		say_chosen "$iana" "$out" "$(gnutls_chosen "$out")"
	done < <(echo any; suites)
}
gnutls_chosen() { # (TLS1.2-X.509)-(ECDHE-X25519)-(RSA-SHA256)-(AES-128-GCM)
	local description kx='' cipher mac
	description=$(sed -n 's/^- Description: //p' <<<"$1")
	cipher=$(sed -nE 's/.*-\(((AES|CHACHA20)[^)]*)\)(-\(.*)?$/\1/p' <<<"$description")
	mac=$(sed -nE 's/.*-\((SHA[0-9]+)\)$/\1/p' <<<"$description")
	case $description in
	*ECDHE*ECDSA*) kx=ECDHE-ECDSA ;;
	*ECDHE*RSA*) kx=ECDHE-RSA ;;
	*) kx=RSA ;;
	esac
	suites | awk -v k="$kx" -v c="$cipher" -v m="${mac:-AEAD}" '$3 == k && $4 == c && $5 == m { print $1 }'
}

client_wget() {
	local iana openssl kx cipher mac out
	while read -r iana openssl kx cipher mac; do
		out=$(farm_in_client wget -q -O - --tries=1 --timeout=20 --ca-certificate="$FARM_CA" \
			${kx:+--ciphers="$(gnutls_priority "$kx" "$cipher" "$mac")"} "https://$FARM_SNI/" 2>&1)
		say_chosen "$iana" "$out" "$([ "$iana" = any ] && echo page || echo "$iana")"
	done < <(echo any; suites)
}

client_java() {
	farm_in_client java -Djdk.net.hosts.file="$FARM_DIR/hosts" "$clients/Get.java" "https://$FARM_SNI/" \
		"$FARM_CA" $(suites | awk '{print $1}') 2>&1
}

client_node() {
	farm_in_client node "$clients/get.js" "$FARM_ADDRESS" "$FARM_PORT" "$FARM_SNI" "$FARM_CA" \
		$(suites | awk '{print $1 "=" $2}') 2>&1
}

client_python() {
	farm_in_client /usr/bin/python3 "$clients/get.py" "$FARM_ADDRESS" "$FARM_PORT" "$FARM_SNI" "$FARM_CA" \
		$(suites | awk '{print $2}') 2>&1 | while read -r offered chosen; do
		echo "$(iana_of "$offered") $(iana_of "$chosen")"
	done
}

# Which suite it took stands in its network log.
client_chromium() {
	local log=$FARM_DIR/chromium.json out
	out=$(e2e_chromium / --log-net-log="$log" --net-log-capture-mode=Default | sed 's/<[^>]*>//g')
	say_chosen any "$out" "$(by_number "$(chromium_chosen "$log")")"
}
by_number() { openssl ciphers -stdname -V ALL:@SECLEVEL=0 | awk -v n="$1" '$1 == n { print $3 }'; }
chromium_chosen() {
	/usr/bin/python3 - "$1" <<-'END'
		import re, sys
		found = re.findall(r'"cipher_suite":(\d+)', open(sys.argv[1], errors='replace').read())
		print('0x%02X,0x%02X' % divmod(int(found[0]), 256) if found else 'unknown')
	END
}

# It says itself what it took.
client_firefox() {
	local profile=$FARM_DIR/firefox out
	e2e_nss "$profile" || return
	out=$(farm_in_client timeout 60 /usr/bin/python3 "$clients/firefox.py" "$profile" "https://$FARM_SNI/" 2>&1)
	say_chosen any "$out" "$(head -n 1 <<<"$out")"
}

# ---- the table -----------------------------------------------------------------------------------
all_clients="openssl curl gnutls wget java node python chromium firefox"
browsers="chromium firefox" # offer what they offer

# Rows are what was offered; a cell is "yes" when that came out, "-" when the client cannot offer it.
table() {
	local client
	{
		for client in $all_clients; do
			sed "s/^/$client /" "$FARM_DIR/matrix.$client"
		done
	} | awk -v clients="$all_clients" -v browsers=" $browsers " -v order="$({ echo any; suites; } | awk '{ printf "%s ", $1 }')" '
		{ cell[$2, $1] = $2 == $3 ? "yes" : $3 }
		END {
			n = split(clients, c, " "); m = split(order, o, " ")
			print "# As each client comes, it takes"
			for (i = 1; i <= n; i++) printf "%-10s %s\n", c[i], cell["any", c[i]]
			printf "\n# When it offers this alone\n%-46s", "suite"
			for (i = 1; i <= n; i++) if (!index(browsers, " " c[i] " ")) printf " %-8s", c[i]
			printf "\n"
			for (j = 2; j <= m; j++) {
				printf "%-46s", o[j]
				for (i = 1; i <= n; i++)
					if (!index(browsers, " " c[i] " ")) printf " %-8s", ((o[j], c[i]) in cell) ? cell[o[j], c[i]] : "?"
				printf "\n"
			}
		}' | sed 's/ *$//'
}

as_kept() { # PATTERN: the rows of both tables that match it are equal
	local now
	now=$(diff <(grep -e "$1" "$kept") <(grep -e "$1" "$FARM_DIR/matrix")) && return
	grep '^>' <<<"$now"
	return 1
}

# Both kinds of certificate for one name.
prepare() { FARM_KEY='ec -pkeyopt ec_paramgen_curve:P-256' farm_certificate ecdsa "$FARM_SNI"; }
FARM_CERTIFICATES='www, ecdsa'
E2E_PREPARE=prepare
e2e_up
printf '%s %s\n' "$FARM_ADDRESS" "$FARM_SNI" >"$FARM_DIR/hosts"
mkdir -p "/etc/netns/$FARM_CLIENT" && cp "$FARM_DIR/hosts" "/etc/netns/$FARM_CLIENT/hosts"
for client in $all_clients; do
	echo "$client ..."
	"client_$client" >"$FARM_DIR/matrix.$client"
done
table | tee "$FARM_DIR/matrix"
[ "${1:-}" != --write ] || cp "$FARM_DIR/matrix" "$kept"
for client in $all_clients; do
	check "$client, as it comes" as_kept "^$client "
done
while read -r suite _; do
	check "$suite alone" as_kept "^$suite "
done < <(suites)
check "idle afterwards" e2e_idle_soon
finish
