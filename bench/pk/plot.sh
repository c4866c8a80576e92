#!/bin/bash
# plot.sh RESULTS -- draws the ratio over the fill from the JSON lines of bench-pk: RESULTS with .png and
# .txt in place of its ending, and the text on the screen. One line per kernel, size and number of
# primes; multi-prime keys against libcrypto's two-prime key of the same size.
set -eu
results=$1 base=${1%.*}
data=$(mktemp)
trap 'rm -f "$data"' EXIT
sed -nE 's/.*"kernel":"([^" ]*)","bits":([0-9]+),"primes":([0-9]+),"fill":([0-9]+),.*"ratio_vs_two_prime_median":([0-9.]+),.*/\1 \2 \3 \4 \5/p' \
	"$results" >"$data"
[ -s "$data" ] || { echo "plot.sh: no rows in $results" >&2; exit 1; }
lines=$(awk '!seen[$1 $2 $3]++ {
	printf "%s\"%s\" using ($1 eq \"%s\" && $2 == %d && $3 == %d ? $4 : 1/0):5 with linespoints title \"%s %d%s\"",
		sep, file, $1, $2, $3, $1, $2, ($3 > 2 ? "/" $3 : ""); sep = ", " }' file="$data" "$data" |
	sed -E 's/\$1 eq/stringcolumn(1) eq/g')
draw() { # TERMINAL OUTPUT
	gnuplot <<-END
		set terminal $1
		set output "$2"
		set title "RSA private operations: kernel over libcrypto, one core"
		set xlabel "operations waiting (fill)"
		set ylabel "times libcrypto"
		set yrange [0:*]
		set key outside below
		set grid
		set datafile missing "NaN"
		plot $lines, 1 with lines dashtype 2 title "libcrypto"
	END
}
draw "pngcairo size 900,600 noenhanced" "$base.png" 2>/dev/null ||
	draw "png size 900,600" "$base.png"
draw "dumb 100,32 noenhanced" "$base.txt"
cat "$base.txt"
