/* config.h -- the options file: YAML in, one checked struct out. Every option is a row of
 * options.def (place in the struct, type, bounds, default, help); the words it may hold are in
 * choices.def. From the rows come the struct below, the default file, the reference, and the file,
 * line and column of every error, also of errors that only the program can see
 * (hf_config_error_at). All errors of a file are collected, not only the first. Threads: none kept;
 * one hf_config belongs to its caller. Memory: heap, given back by hf_config_free. Units: durations
 * in ns, sizes in what the row says. Errors: -1 and at least one entry in hf_config_errors; the
 * config is empty then. YAML subset: one document, block or flow style; no anchors, aliases, tags
 * or merge keys; at most 1 MB; UTF-8. Specs: YAML 1.1 as libyaml reads it. Start reading at
 * options.def. */
#ifndef HF_CONFIG_CONFIG_H
#define HF_CONFIG_CONFIG_H

#include <stdio.h>
#include "lib/base/base.h"

/* ---- words: enum hf_config_l2 and so on ---- */

/* clang-format off */
#define HF_SET(set) enum hf_config_##set {
#define HF_CHOICE(set, id, value, text, help) id = value,
#define HF_SET_END(set) };
#include "lib/config/choices.def"
#undef HF_SET
#undef HF_CHOICE
#undef HF_SET_END
/* clang-format on */

/* ---- values ---- */

/* A network's prefix length with one address in it, and its VLAN, as in 10.9.0.1/24 or fd00::1/64@12. */
struct hf_config_cidr {
	struct hf_addr addr;
	uint32_t prefix_len; /* of the address as it is written: IPv4 1..32, IPv6 1..128 */
	uint16_t vlan;       /* 0: frames have no tag */
};

/* All addresses that begin alike, as in 10.0.0.0/8 or 2001:db8::/32. */
struct hf_config_prefix {
	struct hf_addr addr; /* bits behind len are zero */
	uint32_t len;        /* of 128: IPv4's are 96 more than written */
};

struct hf_config_endpoint {
	struct hf_addr addr; /* 0.0.0.0, also for ::, is every address of every port */
	uint16_t port;
};

struct hf_config_user {
	const char *name; /* as written; NULL for none */
	uint32_t uid, gid;
};

/* Names an element of another section; index is its place there. */
struct hf_config_ref {
	const char *name;
	uint32_t index;
};

/* Where an option was written, 1-based; line 0: it was not, the default holds. */
struct hf_config_pos {
	uint32_t line, col;
};

/* ---- sections: struct hf_config_port and so on, fields as in options.def ---- */

/* clang-format off */
#define HF_FIELD_NAME const char *
#define HF_FIELD_STR const char *
#define HF_FIELD_PATH const char * /* a relative one starts at the options file's folder */
#define HF_FIELD_U32 uint32_t
#define HF_FIELD_DURATION hf_ns
#define HF_FIELD_MODE uint32_t
#define HF_FIELD_IP struct hf_addr /* all zero for none */
#define HF_FIELD_CIDR struct hf_config_cidr
#define HF_FIELD_PREFIX struct hf_config_prefix
#define HF_FIELD_ENDPOINT struct hf_config_endpoint
#define HF_FIELD_USER struct hf_config_user
#define HF_FIELD_ENUM(set) enum hf_config_##set
#define HF_FIELD_REF(section) struct hf_config_ref
/* cnt values, and where each was written */
#define HF_FIELD_LIST(of) struct { HF_FIELD_##of *v; uint32_t cnt; struct hf_config_pos *pos; }

/* pos[0] is the place of the whole section or element, pos[1 + row] of each option in it */
#define HF_MAP(section, key, help) struct hf_config_##section { struct hf_config_pos *pos;
#define HF_LIST(section, items, key, min, max, help) HF_MAP(section, key, help)
#define HF_REQ(section, field, key, type, text, min, max, unit, when, help) HF_FIELD_##type field;
#define HF_OPT HF_REQ
#define HF_END(section) };
#include "lib/config/options.def"
#undef HF_MAP
#undef HF_LIST
#undef HF_REQ
#undef HF_OPT
#undef HF_END

/* The whole file: cfg.tls.suites.v[0], cfg.ports[0].mtu, cfg.ports_cnt ... */
#define HF_MAP(section, key, help) struct hf_config_##section section;
#define HF_LIST(section, items, key, min, max, help) \
	struct hf_config_##section *items; uint32_t items##_cnt;
#define HF_REQ(...)
#define HF_OPT(...)
#define HF_END(section)
struct hf_config {
#include "lib/config/options.def"
	const char *file;          /* name for errors */
	struct hf_config_pos *pos; /* of each section, in the order of options.def */
	struct hf_config_mem *mem; /* all that is pointed to */
};
#undef HF_MAP
#undef HF_LIST
#undef HF_REQ
#undef HF_OPT
#undef HF_END
/* clang-format on */

/* ---- errors ---- */

#define HF_CONFIG_ERRORS_MAX 32u
#define HF_CONFIG_PATH_LEN 96u
#define HF_CONFIG_REASON_LEN 256u
#define HF_CONFIG_REMEDY_LEN 448u

struct hf_config_error {
	struct hf_config_pos pos;
	char path[HF_CONFIG_PATH_LEN]; /* "listeners[1].certificates[0]" */
	char reason[HF_CONFIG_REASON_LEN], remedy[HF_CONFIG_REMEDY_LEN];
};

struct hf_config_errors {
	uint32_t cnt, dropped; /* dropped: found, but there was no room */
	char file[256];
	struct hf_config_error e[HF_CONFIG_ERRORS_MAX]; /* in the order of the file */
};

/* One line each: "handfast.yaml:12:9: ports[0].mtu: 70000 is out of range; write 576 to 9216". */
void hf_config_errors_print(const struct hf_config_errors *errs, FILE *out);

/* ---- reading ---- */

/* Reads the file, checks it in itself, then against this machine (hf_config_check_machine). */
HF_MUST_CHECK int hf_config_load(
	const char *path, struct hf_config *out, struct hf_config_errors *errs);
/* The same without the machine: no file is opened, no user looked up. name stands in the errors,
 * and its folder is where relative paths start. */
HF_MUST_CHECK int hf_config_parse_bytes(const char *name, const void *bytes, size_t len,
	struct hf_config *out, struct hf_config_errors *errs);
/* Files that must be readable, folders that must exist, users (looked up here: uid, gid), cores,
 * interfaces and PCI devices. */
HF_MUST_CHECK int hf_config_check_machine(struct hf_config *cfg, struct hf_config_errors *errs);
/* Adds an error for every option that differs and cannot change without a restart. */
HF_MUST_CHECK int hf_config_check_reload(
	const struct hf_config *now, const struct hf_config *next, struct hf_config_errors *errs);
/* A line for each option and element that differs: what a reload takes. Returns how many. */
uint32_t hf_config_write_changes(
	FILE *out, const struct hf_config *now, const struct hf_config *next);
void hf_config_free(struct hf_config *cfg);

/* Adds an error of the program's own about one option: field is the address of that option inside
 * cfg (&cfg->certificates[2].key, &cfg->listeners[0].alpn.v[1], &cfg->ports[0] for the whole
 * element, &cfg->ports for the section), which gives path, line and column. */
void hf_config_error_at(const struct hf_config *cfg, struct hf_config_errors *errs,
	const void *field, const char *remedy, const char *fmt, ...) HF_PRINTF(5, 6);

/* Which of the port's addresses is in the network of its gateway, one of the two; addresses.cnt: none. */
uint32_t hf_config_gateway_from(const struct hf_config_port *p, const struct hf_addr *gateway);

/* ---- writing ---- */

/* A commented file with every option: required ones as an example, the others commented out. */
void hf_config_write_default(FILE *out);
/* The reference, in Markdown. */
void hf_config_write_reference(FILE *out);
/* The text of an enumerator, e.g. hf_config_suite_name(0x002f); NULL when there is none. */
const char *hf_config_suite_name(uint16_t suite);

#endif
