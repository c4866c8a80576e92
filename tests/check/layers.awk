# layers.awk -- holds the compiler's dependency files against the layer table of the Makefile.
# usage: awk -f layers.awk Makefile SYSTEM_HEADERS FILE.d...
# SYSTEM_HEADERS lists the headers of the C library and the kernel; any other header from outside the
# tree is somebody else's and may be met by the files named in third_party_ok() only.
# Prints one line per violation, with its remedy.

function basename(path) { sub(/.*\//, "", path); return path }

function module_of(path,    part) { # lib/tcp/x.c -> tcp, drivers/pk/x.c -> pk, else ""
	split(path, part, "/")
	return (part[1] == "lib" || part[1] == "drivers") && part[3] != "" ? part[2] : ""
}

function third_party_ok(src, hdr) {
	if (src ~ /^(drivers\/port\/dpdk|app\/handfast\/(main|telemetry))\.c$/)
		return hdr ~ /\/(dpdk|bsd)\// # DPDK brings libbsd's headers along
	if (hdr ~ /\/openssl\//)
		return src ~ /^drivers\/(pk|sym|pki)\/[^\/]*libcrypto[^\/]*\.c$/ || src ~ /^bench\//
	if (hdr ~ /\/intel-ipsec-mb\.h$/)
		return src ~ /^drivers\/sym\/ipsecmb[^\/]*\.c$/
	if (hdr ~ /\/yaml\.h$/)
		return src ~ /^lib\/config\//
	return 0
}

function check_ours(src, hdr,    m, from) {
	m = module_of(src)
	from = module_of(hdr)
	if (m == "" || from == "" || m == from) # app and drivers.c join everything
		return
	if (hdr ~ /^drivers\// || !((m, from) in may))
		printf "%s includes %s, but %s may know only:%s %s (Makefile, deps_%s)." \
			" Move the code to a module that may know both.\n", src, hdr, m, knows[m], m, m
}

function check_foreign(src, hdr) {
	if (hdr in system_header || hdr ~ /^\/usr\/lib\/gcc\// || third_party_ok(src, hdr))
		return
	if (!((src, "foreign") in told)) # the first one brings the others along
		printf "%s includes %s, a third-party header. Only its driver may; put the need" \
			" behind that driver's interface.\n", src, hdr
	told[src, "foreign"] = 1
}

FNR == 1 { file_nr++; source = ""; in_rule = 1 }

file_nr == 1 && /^deps_[a-z]+ *:=/ {
	m = $1
	sub(/^deps_/, "", m)
	sub(/:=$/, "", m)
	rest = $0
	sub(/^[^=]*=/, "", rest)
	knows[m] = rest
	cnt = split(rest, name, " ")
	for (i = 1; i <= cnt; i++)
		may[m, name[i]] = 1
}

file_nr == 2 { system_header[$1] = 1 }

file_nr > 2 && in_rule { # only the first rule: the others are the phony ones of -MP
	for (i = 1; i <= NF; i++) {
		if ($i == "\\" || $i ~ /:$/)
			continue
		sub(/^\.\//, "", $i)
		if (source == "")
			source = $i
		else if ($i ~ /^\//)
			check_foreign(source, $i)
		else
			check_ours(source, $i)
	}
	if ($NF != "\\")
		in_rule = 0
}
