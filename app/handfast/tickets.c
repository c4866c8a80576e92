/* tickets.c -- see tickets.h. One derivation serves every kind of key: a secret, what it is for and
 * the epoch go through the PRF of TLS 1.2 (HMAC-SHA-256), which gives name, cipher, MAC and binding
 * key. Random keys are derived from fresh random bytes of each epoch that are then forgotten: who
 * takes the process later cannot open the tickets of before. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "app/handfast/tickets.h"
#include "lib/base/secret.h"
#include "lib/base/span.h"
#include "lib/os/os.h"

#define KEY_LEN 80u /* in tls.ticket_keys: as nginx and others have them */
#define SECRET_MIN 32u
#define SECRET_MAX 1024u
#define NAME_TAIL_LEN 10u /* of a key's name: version, kind, epoch (4), then these */

enum kind { OFF, RANDOM, SECRET, KEYS };
/* In key names, for whoever looks at one in a capture. */
static const char kind_letter[] = {[RANDOM] = 'r', [SECRET] = 'e', [KEYS] = 'f'};

struct hf_tickets_source {
	struct hf_os_mem mem; /* in which it lies */
	enum kind kind;
	uint32_t rotation_s, lifetime_s, len;
	uint8_t bytes[SECRET_MAX];
};
static_assert(HF_TLS_TICKET_KEYS_MAX * KEY_LEN <= SECRET_MAX, "all keys fit");

struct hf_tickets {
	struct hf_os_mem mem;
	const struct hf_sym_driver *sym;
	void *sym_ctx;
	struct hf_tickets_source *source;
	struct hf_tls_tickets set;
	struct hf_tls_ticket_key random[2]; /* of this epoch and the one before */
	uint32_t random_cnt;
	uint64_t generation, epoch;
	bool due;
};

/* ---- what the options say ---- */

static int read_file(struct hf_tickets_source *s, const struct hf_config *cfg,
	const char *const *path, struct hf_config_errors *errs)
{
	int fd = open(*path, O_RDONLY | O_CLOEXEC);
	uint8_t more;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) || (got = read(fd, s->bytes, sizeof(s->bytes))) < 0) {
		hf_config_error_at(cfg, errs, path, "let the user of process.run_as read it",
			"%.160s: %s", *path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	s->len = (uint32_t)got;
	if (read(fd, &more, 1) == 1)
		s->len = SECRET_MAX + 1;
	(void)close(fd);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		hf_log(HF_LOG_WARN, "tickets",
			"%s is open to every user of this machine; chmod o-rw", *path);
	return 0;
}

static int load_keys(
	struct hf_tickets_source *s, const struct hf_config *cfg, struct hf_config_errors *errs)
{
	const char *const *path = &cfg->tls.ticket_keys;

	s->kind = KEYS;
	if (read_file(s, cfg, path, errs))
		return -1;
	if (s->len > 0 && s->len % KEY_LEN == 0 && s->len <= HF_TLS_TICKET_KEYS_MAX * KEY_LEN)
		return 0;
	hf_config_error_at(cfg, errs, path, "make each with `openssl rand 80`",
		"%.160s: not 1 to %u keys of %u bytes, one behind the other", *path,
		HF_TLS_TICKET_KEYS_MAX, KEY_LEN);
	return -1;
}

static int load_secret(
	struct hf_tickets_source *s, const struct hf_config *cfg, struct hf_config_errors *errs)
{
	const char *const *path = &cfg->tls.ticket_secret;

	s->kind = SECRET;
	if (read_file(s, cfg, path, errs))
		return -1;
	if (s->len >= SECRET_MIN && s->len <= SECRET_MAX)
		return 0;
	hf_config_error_at(cfg, errs, path, "make it with `openssl rand 32`",
		"%.160s: a secret has %u to %u bytes", *path, SECRET_MIN, SECRET_MAX);
	return -1;
}

struct hf_tickets_source *hf_tickets_source_load(
	const struct hf_config *cfg, struct hf_config_errors *errs)
{
	struct hf_os_mem mem;
	struct hf_tickets_source *s;
	int err = 0;

	if (hf_os_mem_take(&mem, sizeof(*s) + HF_CACHE_LINE, HF_OS_HUGE_OFF)) {
		hf_config_error_at(cfg, errs, &cfg->tls.tickets, "free some memory",
			"no memory for ticket keys: %.160s", mem.note);
		return NULL;
	}
	s = hf_os_mem_carve(&mem, sizeof(*s), HF_CACHE_LINE);
	s->mem = mem;
	s->rotation_s = (uint32_t)(cfg->tls.ticket_rotation_ns / HF_NS_S);
	s->lifetime_s = (uint32_t)(cfg->tls.session_lifetime_ns / HF_NS_S);
	if (cfg->tls.tickets == HF_SWITCH_OFF)
		s->kind = OFF;
	else if (cfg->tls.ticket_keys)
		err = load_keys(s, cfg, errs);
	else if (cfg->tls.ticket_secret)
		err = load_secret(s, cfg, errs);
	else
		s->kind = RANDOM;
	if (!err)
		return s;
	hf_tickets_source_free(s);
	return NULL;
}

void hf_tickets_source_free(struct hf_tickets_source *s)
{
	struct hf_os_mem mem;

	if (!s)
		return;
	mem = s->mem;
	hf_os_mem_give(&mem);
}

/* ---- keys ---- */

static void derive(
	struct hf_tickets *t, struct hf_span secret, uint64_t epoch, struct hf_tls_ticket_key *out)
{
	enum kind kind = t->source->kind;
	uint8_t seed[9], block[NAME_TAIL_LEN + sizeof(*out) - sizeof(out->name)];
	struct hf_writer w = hf_writer(seed, sizeof(seed)), name = hf_writer(out->name, 6);
	struct hf_span v[3] = {secret, hf_span("handfast ticket key", 19), {seed, sizeof(seed)}};
	struct hf_sym_job job = {.kind = HF_SYM_PRF,
				  .hash = HF_SHA256,
				  .v = v,
				  .v_cnt = 3,
				  .out = block,
				  .out_len = sizeof(block)},
			  *jobs = &job;

	hf_writer_u8(&w, (unsigned)kind_letter[kind]);
	hf_writer_u32(&w, (uint32_t)(epoch >> 32));
	hf_writer_u32(&w, (uint32_t)epoch);
	t->sym->burst(t->sym_ctx, &jobs, 1);
	HF_ASSERT(job.status == HF_SYM_OK);
	hf_writer_u8(&name, HF_TLS_TICKET_NAME_VERSION);
	hf_writer_bytes(&name, seed, 1);
	hf_writer_u32(&name, (uint32_t)epoch);
	memcpy(out->name + name.len, block, NAME_TAIL_LEN);
	memcpy(out->cipher, block + NAME_TAIL_LEN, sizeof(block) - NAME_TAIL_LEN);
	hf_wipe(block, sizeof(block));
}
static_assert(HF_TLS_TICKET_NAME_LEN == 6 + NAME_TAIL_LEN, "a name is what stands in front");
static_assert(offsetof(struct hf_tls_ticket_key, cipher) == HF_TLS_TICKET_NAME_LEN &&
		      sizeof(struct hf_tls_ticket_key) == HF_TLS_TICKET_NAME_LEN + 32 + 32 + 16,
	"the rest follows");

static void draw(struct hf_tickets *t)
{
	uint8_t secret[SECRET_MIN];

	t->random[1] = t->random[0];
	t->random_cnt = HF_MIN(t->random_cnt + 1, 2u);
	hf_os_random(secret, sizeof(secret));
	derive(t, hf_span(secret, sizeof(secret)), t->epoch, &t->random[0]);
	hf_wipe(secret, sizeof(secret));
}

static void fill(struct hf_tickets *t)
{
	const struct hf_tickets_source *s = t->source;
	struct hf_tls_tickets *set = &t->set;

	*set = (struct hf_tls_tickets){.generation = ++t->generation, .lifetime_s = s->lifetime_s};
	switch (s->kind) {
	case OFF:
		break;
	case RANDOM:
		set->key_cnt = t->random_cnt;
		memcpy(set->key, t->random, sizeof(t->random));
		break;
	case SECRET:
		set->key_cnt = 3;
		for (uint32_t i = 0; i < 3; i++)
			derive(t, hf_span(s->bytes, s->len),
				i == 0 ? t->epoch : t->epoch + 2 * i - 3, &set->key[i]);
		break;
	case KEYS:
		for (set->key_cnt = 0; set->key_cnt < s->len / KEY_LEN; set->key_cnt++)
			derive(t, hf_span(s->bytes + set->key_cnt * KEY_LEN, KEY_LEN), 0,
				&set->key[set->key_cnt]);
		break;
	}
}

const struct hf_tls_tickets *hf_tickets_due(struct hf_tickets *t, uint64_t wall_ns)
{
	enum kind kind = t->source->kind;
	uint64_t epoch = wall_ns / HF_NS_S / t->source->rotation_s;
	bool turned = epoch != t->epoch && (kind == RANDOM || kind == SECRET);

	if (!turned && !t->due)
		return NULL;
	t->due = false;
	t->epoch = kind == RANDOM || kind == SECRET ? epoch : 0;
	if (kind == RANDOM && (turned || t->random_cnt == 0))
		draw(t);
	fill(t);
	return &t->set;
}

void hf_tickets_taken(struct hf_tickets *t)
{
	hf_wipe(&t->set, sizeof(t->set));
}

uint64_t hf_tickets_epoch(const struct hf_tickets *t)
{
	return t->epoch;
}

/* ---- life ---- */

struct hf_tickets *hf_tickets_open(const struct hf_sym_driver *sym)
{
	struct hf_os_mem mem;
	struct hf_tickets *t;
	size_t len = sizeof(*t) + sym->size(1) + 2u * HF_CACHE_LINE;

	if (hf_os_mem_take(&mem, len, HF_OS_HUGE_OFF))
		return NULL;
	t = hf_os_mem_carve(&mem, sizeof(*t), HF_CACHE_LINE);
	t->sym = sym;
	t->sym_ctx = hf_os_mem_carve(&mem, sym->size(1), HF_CACHE_LINE);
	t->mem = mem;
	if (sym->init(t->sym_ctx, 1) == 0)
		return t;
	hf_os_mem_give(&mem);
	return NULL;
}

void hf_tickets_use(struct hf_tickets *t, struct hf_tickets_source *s)
{
	hf_tickets_source_free(t->source);
	t->source = s;
	t->due = true;
}

void hf_tickets_close(struct hf_tickets *t)
{
	struct hf_os_mem mem;

	if (!t)
		return;
	hf_tickets_source_free(t->source);
	t->sym->fini(t->sym_ctx);
	mem = t->mem;
	hf_os_mem_give(&mem);
}
