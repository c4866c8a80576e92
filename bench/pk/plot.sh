#!/bin/bash
# plot.sh RESULTS -- draws the ratio over the fill from the JSON lines of bench-pk: RESULTS with .png and
# .txt in place of its ending, and the text on the screen. One line per kernel, size and number of
# primes; multi-prime keys against libcrypto's two-prime key of the same size. Operations on curves,
# where there are any, go to a picture of their own, RESULTS with _curves.png and _curves.txt.
set -eu
results=$1 base=${1%.*}
data=$(mktemp)
trap 'rm -f "$data"' EXIT
draw() { # TERMINAL OUTPUT
	gnuplot <<-END
		set terminal $1
		set output "$2"
		set title "$title: kernel over libcrypto, one core"
		set xlabel "operations waiting (fill)"
		set ylabel "times libcrypto"
		set yrange [0:*]
		set key outside below
		set grid
		set datafile missing "NaN"
		plot $lines, 1 with lines dashtype 2 title "libcrypto"
	END
}
# picture TITLE BASE, with lines of label, fill, ratio on standard input; labels hold no blanks.
picture() {
	title=$1 lines=''
	cat >"$data"
	[ -s "$data" ] || return 1
	for label in $(awk '!seen[$1]++ {print $1}' "$data"); do
		lines+="${lines:+, }\"$data\" using (stringcolumn(1) eq \"$label\" ? \$2 : 1/0):3 with linespoints title \"${label//,/ }\""
	done
	draw "pngcairo size 900,600 noenhanced" "$2.png" 2>/dev/null || draw "png size 900,600" "$2.png"
	draw "dumb 100,32 noenhanced" "$2.txt"
	cat "$2.txt"
}
sed -nE 's/.*"kernel":"([^" ]*)","bits":([0-9]+),"primes":([0-9]+),"fill":([0-9]+),.*"ratio_vs_two_prime_median":([0-9.]+),.*/\1,\2\/\3 \4 \5/p' \
	"$results" | sed 's|/2 | |' | picture "RSA private operations" "$base" ||
	{ echo "plot.sh: no rows in $results" >&2; exit 1; }
sed -nE 's/.*"kernel":"([^" ]*) ([^"]*)",.*"fill":([0-9]+),.*"ratio_median":([0-9.]+),.*/\1,\2 \3 \4/p' \
	"$results" | picture "Operations on curves" "${base}_curves" || true
