/* value.c -- one scalar's text becomes one value, or a reason and a remedy.
 * Strict on purpose: a duration has its unit, a number has no quotes and no sign, so what an
 * operator reads in the file is what the program does. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include "lib/config/rows.h"

/* The bounds of a list's row count its items; these hold for each of them. */
#define ITEM_LEN_MAX 255u
#define ITEM_U32_MAX 65535u
#define ITEM_U32_RANGE "0 to 65535"
#define NAME_LEN_MAX 31u
#define VLAN_MAX 4094u /* IEEE 802.1Q: 0 and 4095 are none */

static int fault(struct hf_config_fault *f, const char *remedy, const char *fmt, ...)
	HF_PRINTF(3, 4);
static int fault(struct hf_config_fault *f, const char *remedy, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(f->reason, sizeof(f->reason), fmt, ap);
	va_end(ap);
	snprintf(f->remedy, sizeof(f->remedy), "%s", remedy);
	return -1;
}

/* ---- near words ---- */

#define HINT_LEN_MAX 40u

/* Edits that turn a into b: change, add, drop a letter, swap two neighbours. */
static uint32_t distance(const char *a, const char *b)
{
	uint32_t rows[3][HINT_LEN_MAX + 1], *above = rows[0], *row = rows[1], *spare = rows[2], *t;
	size_t i, j, len = strlen(b);
	if (strlen(a) > HINT_LEN_MAX || len > HINT_LEN_MAX)
		return UINT32_MAX;
	for (j = 0; j <= len; j++)
		row[j] = (uint32_t)j;
	for (i = 0; a[i]; i++) {
		t = spare; /* becomes two rows up */
		spare = above;
		above = row;
		row = t;
		row[0] = (uint32_t)i + 1;
		for (j = 0; j < len; j++) {
			uint32_t d = HF_MIN(row[j], above[j + 1]) + 1;
			d = HF_MIN(d, above[j] + (a[i] != b[j]));
			if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
				d = HF_MIN(d, spare[j - 1] + 1);
			row[j + 1] = d;
		}
	}
	return row[len];
}

void hf_config_hint_offer(struct hf_config_hint *h, const char *candidate)
{
	uint32_t d = distance(h->word, candidate), near = (uint32_t)strlen(candidate) / 3;
	near = HF_MIN(HF_MAX(near, 1u), 4u);
	if (d <= near && (!h->best || d < h->dist)) {
		h->best = candidate;
		h->dist = d;
	}
}

/* ---- ranges in words ---- */

static const struct {
	const char *name;
	hf_ns ns;
} units[] = {
	{"h", 3600 * HF_NS_S},
	{"m", 60 * HF_NS_S},
	{"s", HF_NS_S},
	{"ms", HF_NS_MS},
	{"us", HF_NS_US},
};

void hf_config_duration_text(hf_ns ns, char out[24])
{
	size_t u = 0;
	if (ns == 0) {
		snprintf(out, 24, "0s");
		return;
	}
	while (u + 1 < HF_ARRAY_LEN(units) && ns % units[u].ns != 0)
		u++;
	snprintf(out, 24, "%llu%s", (unsigned long long)(ns / units[u].ns), units[u].name);
}

/* As many words as fit, "..." for the rest. */
static void words_of_set(const struct hf_config_set *set, char *out, size_t len)
{
	uint32_t i, last = set->cnt - 1;
	size_t used = 0;
	for (i = 0; i <= last; i++) {
		const char *word = set->choice[i].text;
		if (used + strlen(word) + sizeof(" or ...") > len) {
			snprintf(out + used, len - used, " ...");
			return;
		}
		used += (size_t)snprintf(out + used, len - used, "%s%s",
			i == 0      ? ""
			: last == i ? " or "
				    : ", ",
			word);
	}
}

void hf_config_row_range(const struct hf_config_row *row, char out[HF_CONFIG_RANGE_LEN])
{
	unsigned long long min = row->min, max = row->max;
	char lo[24], hi[24];
	out[0] = '\0';
	if (row->type == HF_TYPE_ENUM) {
		words_of_set(&hf_config_sets[row->of], out, HF_CONFIG_RANGE_LEN);
	} else if (row->type == HF_TYPE_DURATION) {
		hf_config_duration_text(min, lo);
		hf_config_duration_text(max, hi);
		snprintf(out, HF_CONFIG_RANGE_LEN, "%s to %s", lo, hi);
	} else if (row->list && row->max) {
		snprintf(out, HF_CONFIG_RANGE_LEN, "%llu to %llu of them", min, max);
	} else if (row->type == HF_TYPE_U32) {
		snprintf(out, HF_CONFIG_RANGE_LEN, "%llu to %llu%s%s", min, max,
			row->unit[0] ? " " : "", row->unit);
	} else if (row->type == HF_TYPE_MODE) {
		snprintf(out, HF_CONFIG_RANGE_LEN, "%04llo to %04llo", min, max);
	} else if (row->max) {
		snprintf(out, HF_CONFIG_RANGE_LEN, "%llu to %llu characters", min, max);
	}
}

/* ---- numbers ---- */

/* Decimal digits only, saturating; false when there is anything else. */
static bool digits(const char *text, const char **end, uint64_t *v)
{
	const char *p = text;
	for (*v = 0; *p >= '0' && *p <= '9'; p++)
		*v = *v > UINT64_MAX / 16 ? UINT64_MAX / 16 : *v * 10 + (uint64_t)(*p - '0');
	*end = p;
	return p != text;
}

static int range_fault(const struct hf_config_row *row, const char *text, const char *what,
	struct hf_config_fault *f)
{
	char range[HF_CONFIG_RANGE_LEN] = ITEM_U32_RANGE, remedy[HF_CONFIG_REMEDY_LEN];
	if (!row->list)
		hf_config_row_range(row, range);
	snprintf(remedy, sizeof(remedy), "write %s", range);
	return fault(f, remedy, "%.64s is %s", text, what);
}

static int read_u32(const struct hf_config_row *row, const char *text, bool plain, uint32_t *dst,
	struct hf_config_fault *f)
{
	uint64_t v, min = row->list ? 0 : row->min, max = row->list ? ITEM_U32_MAX : row->max;
	const char *end;
	if (!plain)
		return fault(f, "remove the quotes", "a number is wanted, not a text");
	if (!digits(text, &end, &v) || *end)
		return range_fault(row, text, "not a whole number", f);
	if (v < min || v > max)
		return range_fault(row, text, "out of range", f);
	*dst = (uint32_t)v;
	return 0;
}

static int read_duration(
	const struct hf_config_row *row, const char *text, hf_ns *dst, struct hf_config_fault *f)
{
	const char *end;
	uint64_t v;
	size_t u;
	if (digits(text, &end, &v))
		for (u = 0; u < HF_ARRAY_LEN(units); u++)
			if (strcmp(end, units[u].name) == 0) {
				v = v > UINT64_MAX / units[u].ns ? UINT64_MAX : v * units[u].ns;
				if (v < row->min || v > row->max)
					return range_fault(row, text, "out of range", f);
				*dst = v;
				return 0;
			}
	return fault(f,
		"write a whole number and its unit, such as 250ms, 5s or 2m (us, ms, s, m, h)",
		"\"%.64s\" is no duration", text);
}

static int read_mode(
	const struct hf_config_row *row, const char *text, uint32_t *dst, struct hf_config_fault *f)
{
	uint32_t v = 0;
	const char *p;
	for (p = text; *p >= '0' && *p <= '7' && p - text < 5; p++)
		v = v << 3 | (uint32_t)(*p - '0');
	if (*p || p - text < 3)
		return fault(f, "write three or four octal digits, such as 0660",
			"\"%.64s\" is no file mode", text);
	if (v < row->min || v > row->max)
		return range_fault(row, text, "out of range", f);
	*dst = v;
	return 0;
}

/* ---- addresses ---- */

static int read_ip(const char *text, struct hf_addr *dst, struct hf_config_fault *f)
{
	struct in_addr v4;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		*dst = hf_addr_v4(ntohl(v4.s_addr));
		return 0;
	}
	if (inet_pton(AF_INET6, text, dst->b) != 1)
		return fault(f, "write an address such as 10.9.0.1 or 2001:db8::1",
			"\"%.64s\" is no IP address", text);
	if (!hf_addr_is_v4(dst))
		return 0;
	*dst = (struct hf_addr){{0}};
	return fault(f, "write it as IPv4, such as 10.9.0.1",
		"%.64s is an IPv4 address in the form of IPv6", text);
}

/* Copies text up to `end` into a buffer that any address fits; false when it is longer. */
static bool cut(char out[64], const char *text, const char *end)
{
	size_t len = (size_t)(end - text);
	if (len >= 64)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static int read_cidr(const char *text, struct hf_config_cidr *dst, struct hf_config_fault *f)
{
	const char *slash = strchr(text, '/'), *end;
	char ip[64];
	uint64_t len, vlan = 0, len_max;
	if (!slash || !cut(ip, text, slash))
		return fault(f,
			"write the address with the prefix length of its network: 10.9.0.1/24",
			"\"%.64s\" is no address with a prefix length", text);
	if (read_ip(ip, &dst->addr, f) < 0)
		return -1;
	len_max = hf_addr_is_v4(&dst->addr) ? 32 : 128;
	if (!digits(slash + 1, &end, &len) || (*end && *end != '@') || len < 1 || len > len_max)
		return fault(f,
			len_max == 32 ? "write 1 to 32 after the slash"
				      : "write 1 to 128 after the slash",
			"\"%.64s\" is no prefix length", slash + 1);
	if (*end && (!digits(end + 1, &end, &vlan) || *end || vlan < 1 || vlan > VLAN_MAX))
		return fault(f, "write 1 to 4094 after the @, or nothing for frames without tag",
			"\"%.64s\" has no number of a VLAN", text);
	dst->prefix_len = (uint32_t)len;
	dst->vlan = (uint16_t)vlan;
	return 0;
}

/* One address is a prefix, too. Host bits are a mistake: the network that was meant may be another. */
static int read_prefix(const char *text, struct hf_config_prefix *dst, struct hf_config_fault *f)
{
	const char *slash = strchr(text, '/'), *end;
	char ip[64];
	uint64_t len, len_max;
	if (!cut(ip, text, slash ? slash : text + strlen(text)))
		return fault(f, "write a network: 10.0.0.0/8 or 2001:db8::/32",
			"\"%.64s\" is no network", text);
	if (read_ip(ip, &dst->addr, f) < 0)
		return -1;
	len = len_max = hf_addr_is_v4(&dst->addr) ? 32 : 128;
	if (slash && (!digits(slash + 1, &end, &len) || *end || len > len_max))
		return fault(f,
			len_max == 32 ? "write 0 to 32 after the slash"
				      : "write 0 to 128 after the slash",
			"\"%.64s\" is no prefix length", slash + 1);
	dst->len = (uint32_t)(128 - len_max + len);
	for (uint32_t bit = dst->len; bit < 128; bit++)
		if (dst->addr.b[bit / 8] & 0x80 >> bit % 8)
			return fault(f, "write the network's first address, or a longer prefix",
				"\"%.64s\" has bits behind its prefix", text);
	return 0;
}

static int read_endpoint(
	const char *text, struct hf_config_endpoint *dst, struct hf_config_fault *f)
{
	const char *colon = strrchr(text, ':'), *begin = text, *ip_end = colon, *end;
	char ip[64];
	uint64_t port;
	if (colon && text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
		begin++;
		ip_end--;
	} else if (colon && strchr(text, ':') != colon) {
		return fault(f, "put IPv6 in brackets: [2001:db8::1]:443",
			"\"%.64s\" does not tell address and port apart", text);
	}
	if (!colon || !cut(ip, begin, ip_end))
		return fault(f,
			"write the address and the port, such as 10.9.0.1:443 or [2001:db8::1]:443",
			"\"%.64s\" has no port", text);
	if (!digits(colon + 1, &end, &port) || *end)
		return fault(f, "write a port of 1 to 65535 after the colon",
			"\"%.64s\" is no port", colon + 1);
	if (port < 1 || port > 65535)
		return fault(
			f, "write a port of 1 to 65535", "port %.64s is out of range", colon + 1);
	if (read_ip(ip, &dst->addr, f) < 0)
		return -1;
	if (hf_addr_is_v4(&dst->addr) != (begin == text)) {
		dst->addr = (struct hf_addr){{0}};
		return fault(f, "write 10.9.0.1:443 or [2001:db8::1]:443",
			"only IPv6 stands in brackets, not \"%.64s\"", ip);
	}
	if (hf_addr_is_none(&dst->addr))
		dst->addr = hf_addr_v4(0);
	dst->port = (uint16_t)port;
	return 0;
}

/* ---- texts ---- */

static int read_text(const struct hf_config_row *row, const char *text, struct hf_config_fault *f)
{
	size_t len = strlen(text), i;
	uint64_t max = row->list ? ITEM_LEN_MAX : row->max;
	char remedy[64];
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return fault(f, "remove it", "there is a control character in the text");
	if (len >= 1 && len <= max)
		return 0;
	snprintf(remedy, sizeof(remedy), "write 1 to %llu characters", (unsigned long long)max);
	return fault(f, remedy, "the text has %zu characters", len);
}

static int read_name(const char *text, struct hf_config_fault *f)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = strlen(text);
	if (len >= 1 && len <= NAME_LEN_MAX && text[strspn(text, allowed)] == '\0')
		return 0;
	return fault(
		f, "write 1 to 31 letters, digits, '-', '_' or '.'", "\"%.64s\" is no name", text);
}

/* A relative path starts at the options file's folder, wherever the program was started. */
static int read_path(struct hf_config *cfg, const struct hf_config_row *row, const char *text,
	const char **dst, struct hf_config_fault *f)
{
	const char *slash = strrchr(cfg->file, '/');
	size_t dir = slash && text[0] != '/' ? (size_t)(slash - cfg->file) + 1 : 0;
	size_t len = strlen(text);
	char *path;
	if (read_text(row, text, f) < 0)
		return -1;
	if (dir + len > row->max) {
		char remedy[64];
		snprintf(remedy, sizeof(remedy), "choose a path of at most %llu characters",
			(unsigned long long)row->max);
		return fault(f, remedy, "the whole path has %zu characters", dir + len);
	}
	path = hf_config_alloc(cfg, dir + len + 1);
	memcpy(path, cfg->file, dir);
	memcpy(path + dir, text, len + 1);
	*dst = path;
	return 0;
}

static int read_user(struct hf_config *cfg, const char *text, struct hf_config_user *dst,
	struct hf_config_fault *f)
{
	const char *end;
	uint64_t id;
	if (text[0] == '\0' || strlen(text) > 63)
		return fault(f, "write a user's name or number", "\"%.64s\" is no user", text);
	if (digits(text, &end, &id) && !*end) {
		if (id >= UINT32_MAX)
			return fault(f, "write a user's name or number",
				"user %.64s is out of range", text);
		dst->uid = dst->gid = (uint32_t)id;
	}
	dst->name = hf_config_strdup(cfg, text);
	return 0;
}

static int read_enum(
	const struct hf_config_row *row, const char *text, void *dst, struct hf_config_fault *f)
{
	const struct hf_config_set *set = &hf_config_sets[row->of];
	struct hf_config_hint hint = {text, NULL, 0};
	char range[HF_CONFIG_RANGE_LEN], remedy[HF_CONFIG_REMEDY_LEN];
	uint32_t i;
	for (i = 0; i < set->cnt; i++) {
		if (strcmp(text, set->choice[i].text) == 0) {
			memcpy(dst, &set->choice[i].value, sizeof(set->choice[i].value));
			return 0;
		}
		hf_config_hint_offer(&hint, set->choice[i].text);
	}
	words_of_set(set, range, sizeof(range));
	snprintf(remedy, sizeof(remedy), "write %s", range);
	if (hint.best)
		return fault(
			f, remedy, "\"%.64s\" is unknown, did you mean \"%s\"?", text, hint.best);
	return fault(f, remedy, "\"%.64s\" is unknown", text);
}

int hf_config_value(struct hf_config *cfg, const struct hf_config_row *row, const char *text,
	bool plain, void *dst, struct hf_config_fault *f)
{
	/* An option that may be absent says so by a default of "none", and zero stands for it. */
	if (!row->required && strcmp(row->text, "none") == 0 && strcmp(text, "none") == 0)
		return 0;
	if (plain && text[0] == '\0')
		return fault(f, "write one, or remove the line", "there is no value");
	switch (row->type) {
	case HF_TYPE_NAME:
	case HF_TYPE_REF: /* begins with the name; the rules look up the rest */
		if (read_name(text, f) < 0)
			return -1;
		*(const char **)dst = hf_config_strdup(cfg, text);
		return 0;
	case HF_TYPE_STR:
		if (read_text(row, text, f) < 0)
			return -1;
		*(const char **)dst = hf_config_strdup(cfg, text);
		return 0;
	case HF_TYPE_PATH:
		return read_path(cfg, row, text, dst, f);
	case HF_TYPE_U32:
		return read_u32(row, text, plain, dst, f);
	case HF_TYPE_DURATION:
		return read_duration(row, text, dst, f);
	case HF_TYPE_MODE:
		return read_mode(row, text, dst, f);
	case HF_TYPE_IP:
		return read_ip(text, dst, f);
	case HF_TYPE_CIDR:
		return read_cidr(text, dst, f);
	case HF_TYPE_PREFIX:
		return read_prefix(text, dst, f);
	case HF_TYPE_ENDPOINT:
		return read_endpoint(text, dst, f);
	case HF_TYPE_USER:
		return read_user(cfg, text, dst, f);
	case HF_TYPE_ENUM:
		return read_enum(row, text, dst, f);
	case HF_TYPE_CNT:
		break;
	}
	HF_ASSERT(!"a type without a reader");
	return -1;
}
