#!/bin/bash
# memif.sh -- what the appliance's own work costs, without the kernel's veth: memif joins it with hfbench, whose
# TCP is its own (bench/hfbench/wire_port.c). No other server can be had over that wire, so there is no ratio:
# microseconds of the worker for each handshake, as the worker counts them (`hfctl cycles`: turns with work;
# it polls, so its CPU time would say nothing), and what of them is private keys and curves.
#   bench/memif.sh [--case NAME,..] [--seconds S] [--rounds N] [--nice N]     as root, a minute
#   SERVER_CORE=0 CLIENT_CORE=1    the backend shares the client's core
# The backend is hfstock (bench/stock): replies of 1 MB out of its memory, without relay and web server, which
# took so much of the client's core in bulk that the worker had nothing to do half of the time.
# Writes a table to standard output and the figures to bench/results/bench.json, from which the report is made.
set -uo pipefail
. "$(dirname "$0")/../deploy/lib.sh"
cd "$farm_root" || exit 1
export SERVER_CORE=${SERVER_CORE:-0} CLIENT_CORE=${CLIENT_CORE:-1}
[ "$(nproc)" -ge 2 ] || farm_fail "needs two cores, one for the server and one for the client"
memif=id=0,socket=$FARM_DIR/memif.sock,socket-abstract=no
farm_begin
FARM_KEY="ec -pkeyopt ec_paramgen_curve:P-256" farm_certificate ecdsa "$FARM_SNI" ||
	farm_fail "cannot make the second certificate"
FARM_DEVICE=net_memif0,role=server,$memif FARM_CERTIFICATES="www, ecdsa" FARM_WORKERS="1
  cores: [$SERVER_CORE]" farm_config
farm_huge "$(farm_plan_pages)" || farm_say "without huge pages"
farm_appliance
farm_start stock taskset -c "$CLIENT_CORE" setpriv --reuid "$FARM_RELAY_USER" --regid nogroup --clear-groups \
	"$FARM_BIN/hfstock" "$FARM_DIR/web.sock" 1048576
farm_wait 15 farm_stat_is links endpoints 1 || farm_fail "the backend does not attach: $FARM_DIR/stock.log"
export FARM_BIN FARM_DIR FARM_CLIENT FARM_APPL FARM_SNI FARM_CA FARM_STATS BENCH_APPLIANCE=$FARM_PID
export BENCH_DEVICE=net_memif0,role=client,$memif BENCH_FROM=10.9.0.2 BENCH_TO=$FARM_ADDRESS:$FARM_PORT
python3 bench/memif.py "$@"
