#!/bin/bash
# check.sh -- what a reviewer would have to look for in every change, looked for by machine.
#   format    every C file is as clang-format 14 lays it out
#   warnings  every source of the product compiles with -Werror
#   layers    no file includes what the layer table of the Makefile does not let it know
#   purity    the pure half needs nothing but memory functions and hf_panic, holds no writable data,
#             and contains no instruction that asks the machine for time, randomness or identity
#   requirements  the tests that tests/unit/tcp/rfc9293.md names are there
#   sins      each rule is broken once in a copy of the tree, and must be found out there
# `check.sh rules` stops before the sins. Prints one line per check, the findings below it.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
pure=$(sed -n 's/^pure *:= *//p' Makefile)

# report NAME FINDINGS: a check is passed when nothing was found.
report() {
	if [ -z "$2" ]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "not ok $1"
		echo "$2" | sed 's/^/    /'
		failed=$((failed + 1))
	fi
}

check_format() {
	command -v clang-format-14 >/dev/null || { echo "clang-format-14 is missing: deploy/install test"; return; }
	git ls-files '*.c' '*.h' | xargs -r clang-format-14 --dry-run -Werror 2>&1 |
		sed -n 's/^\([^:]*:[^:]*\):.*-Wclang-format-violations.*/\1/p' | sort -t: -u -k1,1 |
		sed 's/$/: not as .clang-format lays it out. Run `make format`./'
}

check_warnings() {
	local out
	out=$(make -s -k -j"$(nproc)" objects 2>&1) && return
	echo "$out" | grep -E ': (fatal )?error:' || echo "make objects fails: $out"
}

# Objects of the pure half that have a source: an old object of a file that is gone does not count.
pure_objects() {
	local m src obj
	for m in $pure; do
		for src in lib/"$m"/*.c; do
			obj=build/${src%.c}.o
			[ -f "$obj" ] && echo "$obj"
		done
	done
}

check_layers() {
	local src deps=()
	dpkg -L libc6-dev linux-libc-dev | grep '\.h$' >"$work/system"
	for src in lib/*/*.c lib/*/*/*.c drivers/*.c drivers/*/*.c app/*/*.c bench/*/*.c; do
		[ -f "build/${src%.c}.d" ] && [ -f "$src" ] && deps+=("build/${src%.c}.d")
	done
	[ ${#deps[@]} -eq 0 ] || awk -f tests/check/layers.awk Makefile "$work/system" "${deps[@]}"
	for m in $pure; do
		grep -Hn '^ *# *include *<' lib/"$m"/*.[ch] 2>/dev/null
	done | grep -vE '<(stddef|stdint|stdbool|string|assert|stdatomic|limits)\.h>' |
		sed 's/: *\(#.*\)/: \1 in the pure half, which may include stddef, stdint, stdbool,'\
' string, assert, stdatomic and limits. Take what you need as an argument or from w->env./'
	grep -Hn '^ *# *include *<immintrin\.h>' lib/*/*.[ch] drivers/*/*.[ch] app/*/*.[ch] 2>/dev/null |
		grep -vE '^drivers/pk/[^/]*_(avx512f|ifma)\.[ch]:' |
		sed 's/: *\(#.*\)/: \1 outside a kernel. Write the kernel as drivers\/pk\/NAME_avx512f.c./'
}

check_purity() {
	local objects symbol
	objects=$(pure_objects)
	[ -n "$objects" ] || return
	# shellcheck disable=SC2086
	ld -r $objects -o "$work/pure.o" 2>&1 || return
	for symbol in $(nm -u "$work/pure.o" | awk '{ print $2 }' |
		grep -vxE 'mem(cpy|move|set|cmp|chr)|hf_panic|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail'); do
		echo "$(nm -uA $objects | sed -n "s|^build/\(.*\)\.o: *U $symbol\$|\1.c|p" | xargs)" \
			"needs $symbol. The pure half has no libc: take it as an argument or from w->env."
	done
	for obj in $objects; do
		src=${obj#build/} src=${src%.o}.c
		objdump -d --no-show-raw-insn "$obj" | awk -v src="$src" '
			/^[0-9a-f]+ <.*>:$/ { fn = $2 }
			$2 ~ /^(rdtscp?|rdrand|rdseed|rdpmc|cpuid|syscall|sysenter|int)$/ {
				print src ": " $2 " in " fn " Time, cycles and randomness come in" \
					" through w->env."
			}'
		# Constant tables that hold pointers (.data.rel.ro) are written by the linker only.
		size -A "$obj" | awk -v src="$src" '
			$1 ~ /^\.t?(data|bss)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 {
				print src ": " $2 " bytes of writable static data (" $1 "). Keep state" \
					" in a struct that the caller owns, or make the table const."
			}'
	done
}

# Every test that a table of requirements names (`file:test`) is there, and runs.
check_requirements() {
	local table=tests/unit/tcp/rfc9293.md name file
	[ -s "$table" ] || echo "$table is gone."
	for name in $(grep '^|' "$table" | grep -oE '\b[a-z0-9_/]+:[a-z0-9_]+\b' | sort -u); do
		file=${name%%:*}
		[[ $file == */* ]] && file=tests/unit/$file.c || file=tests/unit/tcp/$file.c
		grep -qE "^\s+(cmocka_unit_test|TEST)\(${name#*:}\)" "$file" 2>/dev/null ||
			echo "$table: there is no test ${name#*:} in $file. Name the one that is meant."
	done
}

# sin NAME FILE PATTERN <CODE: with FILE added to the copy, its rules must fail and say PATTERN.
sin() {
	local out
	mkdir -p "$(dirname "$work/tree/$2")"
	cat >"$work/tree/$2"
	if out=$("$work/tree/tests/check/check.sh" rules 2>&1); then
		report "sin: $1" "$2 was not found out. A rule of tests/check does not bite."
	elif ! echo "$out" | grep -qE "$3"; then
		report "sin: $1" "$2 failed for another reason than \"$3\":"$'\n'"$out"
	else
		report "sin: $1" ""
	fi
	rm -f "$work/tree/$2" "$work/tree/build/${2%.c}".[do]
}

check_sins() {
	local out
	mkdir "$work/tree"
	git ls-files -co --exclude-standard Makefile lib drivers app bench tests/check tests/unit/tcp \
		tests/unit/net |
		xargs -d '\n' ls -d 2>/dev/null | xargs -d '\n' cp -a --parents -t "$work/tree"
	find build/lib build/drivers build/app build/bench -name '*.[do]' 2>/dev/null |
		xargs -d '\n' cp -a --parents -t "$work/tree"
	out=$("$work/tree/tests/check/check.sh" rules 2>&1) && out=
	report "sin: none (control)" "$out"

	sin "tcp includes tls" lib/tcp/planted.c 'planted.c includes lib/tls/tls.h, but tcp' <<-'END'
		#include "lib/tls/tls.h"
	END
	sin "clock header" lib/tcp/planted.c 'planted.c.*<time.h> in the pure half' <<-'END'
		#include <time.h>
	END
	sin "call of time()" lib/tcp/planted.c 'planted.c needs time' <<-'END'
		long time(long *t);
		long hf_planted(void);
		long hf_planted(void)
		{
			return time(0);
		}
	END
	sin "call of malloc()" lib/base/planted.c 'planted.c needs malloc' <<-'END'
		void *hf_planted(unsigned long len);
		void *hf_planted(unsigned long len)
		{
			return __builtin_malloc(len);
		}
	END
	sin "cycle counter" lib/worker/planted.c 'planted.c: rdtsc in <hf_planted>' <<-'END'
		unsigned long long hf_planted(void);
		unsigned long long hf_planted(void)
		{
			return __builtin_ia32_rdtsc();
		}
	END
	sin "static counter" lib/tls/planted.c 'planted.c: 4 bytes of writable static data \(.bss' <<-'END'
		unsigned hf_planted(void);
		unsigned hf_planted(void)
		{
			static unsigned counter;
			return ++counter;
		}
	END
	sin "table not const" lib/link/planted.c 'planted.c: 8 bytes of writable .*\(.data' <<-'END'
		int hf_planted[2] = {1, 2};
	END
	sin "third-party header" lib/crypto/planted.c 'includes /.*openssl/.* third-party' <<-'END'
		#include <openssl/sha.h>
	END
	sin "third-party header in a driver of another" drivers/port/planted.c \
		'planted.c includes /.*openssl/.* third-party' <<-'END'
		#include <openssl/sha.h>
	END
	sin "warning" lib/net/planted.c 'planted.c.* error: .*unused' <<-'END'
		static int unused;
	END
	sin "a requirement's test is gone" tests/unit/tcp/rfc9293.md 'no test planted in' <<-'END'
		| MUST-0 | A planted one | open:planted |
	END
}

if [ "${1:-}" != rules ]; then
	report format "$(check_format)"
fi
report warnings "$(check_warnings)"
report layers "$(check_layers)"
report purity "$(check_purity)"
report requirements "$(check_requirements)"
if [ "${1:-}" != rules ]; then
	check_sins
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
