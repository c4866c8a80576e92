#!/bin/bash
# goodput.sh [ROUNDS [BYTES [LOSS...]]] -- downloads over a cable that loses frames (tests/e2e/wire.c), from the
# appliance and from nginx on the kernel's TCP, in turns over the same cable: 10 ms each way, LOSS per mille of
# the frames in each direction. One connection at a time, so that TCP decides and not the processor; and within a
# round the same frames are lost to both, counted from the first: the cable begins anew with the round's seed.
# Prints the median of the rounds in Mbit/s, and the median and the worst of the ratios within a round.
#   default: 7 rounds of 2000000 bytes at 0 2 5 10 20 50
. "$(dirname "$0")/../deploy/lib.sh"
cd "$farm_root" || exit 1
rounds=${1:-7} bytes=${2:-2000000}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- 0 2 5 10 20 50
peer=10.9.0.3
cable() { FARM_WIRE="seed=$1 loss=$2 delay=10"; }

make -s build/handfast build/hfrelay build/hfctl build/wire || exit 1
cable 1 0
farm_begin
farm_web 1
farm_config
farm_appliance
farm_relay

# The kernel's end lives on the appliance's interface, with an address that is none of the appliance's, and sends
# frames as long as a network takes. It is deaf (farm_deaf) for the appliance's address alone: IPv4 to *.1.
tc -n "$FARM_APPL" filter del dev hf0 ingress 2>/dev/null &&
	tc -n "$FARM_APPL" filter add dev hf0 ingress bpf da bytecode \
		'6,40 0 0 12,21 0 3 2048,48 0 0 33,21 0 1 1,6 0 0 2,6 0 0 4294967295'
farm_in_appl ethtool -K hf0 tso off gso off gro off tx off >/dev/null
farm_in_client ethtool -K hf1 tso off gso off gro off >/dev/null
ip -n "$FARM_APPL" addr add $peer/24 dev hf0
control=${PEER_CONTROL:-cubic}
ip -n "$FARM_APPL" route replace 10.9.0.0/24 dev hf0 src $peer congctl "$control" || exit 1
mkdir -p "$FARM_DIR/peer"
cat >"$FARM_DIR/peer/nginx.conf" <<-END
	daemon off;
	worker_processes 1;
	pid $FARM_DIR/peer/nginx.pid;
	error_log stderr warn;
	events { }
	http {
	    access_log off;
	    server {
	        listen $peer:$FARM_PORT ssl;
	        ssl_protocols TLSv1.2;
	        ssl_certificate $FARM_DIR/www.pem;
	        ssl_certificate_key $FARM_DIR/www.key;
	        location /files/ { root $FARM_DIR; }
	    }
	}
END
farm_start peer nginx -e stderr -c "$FARM_DIR/peer/nginx.conf"
head -c "$bytes" /dev/urandom >"$FARM_DIR/files/body"

# seeded SEED LOSS ADDRESS: a download over a cable of its own.
seeded() {
	cable "$1" "$2"
	farm_cable || farm_fail "the cable is not there"
	download "$3"
}

# download ADDRESS: its Mbit/s, from the first byte of the handshake on.
download() {
	FARM_ADDRESS=$1 farm_curl /files/body --tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256 --max-time 300 \
		-o "$FARM_DIR/got" -w '%{time_total} %{time_connect}' >"$FARM_DIR/time" &&
		cmp "$FARM_DIR/got" "$FARM_DIR/files/body" &&
		awk -v n="$bytes" '{ printf "%.3f\n", n * 8e-6 / ($1 - $2) }' "$FARM_DIR/time"
}
for address in $FARM_ADDRESS $peer; do
	farm_wait 15 download "$address" || farm_fail "no download from $address"
done

printf '%-8s %12s %12s %8s %8s\n' 'loss' 'handfast' 'nginx' 'ratio' 'worst'
for loss; do
	: >"$FARM_DIR/rates"
	for round in $(seq "$rounds"); do
		for address in $FARM_ADDRESS $peer; do
			seeded "$round" "$loss" "$address" >>"$FARM_DIR/rates" ||
				farm_fail "a download failed: round $round, loss $loss"
		done
		farm_say -n "loss $loss: round $round of $rounds"$'\r'
	done
	awk -v loss="$loss" '
		function median(v, n,  i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
			return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		}
		NR % 2 { a[++n] = $1; next }
		{ b[n] = $1; r[n] = a[n] / $1 }
		END {
			m = median(r, n)
			printf "%5.1f %%  %12.1f %12.1f %8.2f %8.2f\n", loss / 10, median(a, n), median(b, n), m, r[1]
		}' "$FARM_DIR/rates"
done
