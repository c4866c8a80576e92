/* ipsecmb.c -- many connections' short computations side by side in vector lanes, by Intel's
 * multi-buffer library: HMACs of key derivations, transcript hashes, CBC records to be sealed. One
 * record with GCM or ChaCha20-Poly1305 fills the vector units by itself and is computed directly.
 *
 * Lanes take the same time whether one or sixteen of them are filled, and a processor with SHA
 * instructions hashes one message fast by itself. So at start each class of jobs is timed both ways
 * at every fill; below the fill from which lanes win, and in a class where they never do, libcrypto's
 * driver computes, whose functions are called as they are. The same goes for everything lanes have
 * no answer to: opening CBC records, where libcrypto's constant-time unpadding is worth more than
 * speed (libcrypto.c); encrypt-then-MAC, which is rare; messages too long for the scratch memory.
 *
 * A job in lanes that is much longer than the others would run on alone, at a lane's speed. Long
 * ones are therefore sorted out of a pass as long as those behind them are enough to fill it. */
#define NO_COMPAT_IMB_API_053 /* the old names are SHA1, CBC, GCM, ... */
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include "drivers/drivers.h"
#include "drivers/sym/hmac_libcrypto.h"
#include "drivers/sym/ipsecmb.h"
#include "drivers/sym/record.h"
#include "drivers/sym/schedules.h"
#include "lib/base/secret.h"
#include "lib/os/os.h"

#define PASS_MAX 16u /* jobs of one pass: the widest lanes there are */
#define NEVER UINT32_MAX
#define SCRATCH_LEN 8192u /* a transcript in pieces is put together here; most are below 6 KB */
#define SEED_MAX 192u     /* label and seed of a derivation */

/* Expanded keys kept ready: 1.3 MB, about what a second-level cache holds. From further away a key
 * comes no sooner than it is expanded (0.1 us for GCM and for CBC with SHA-1, 0.3 with SHA-384). */
#define SCHEDULE_MAX 1024u

/* Jobs of one class may share lanes. */
enum {
	CLASS_HASH = 0,
	CLASS_PRF = CLASS_HASH + HF_HASH_CNT,
	CLASS_SEAL = CLASS_PRF + HF_HASH_CNT,
	CLASS_OPEN = CLASS_SEAL + HF_CIPHER_CNT,
	CLASS_CNT = CLASS_OPEN + HF_CIPHER_CNT
};

union HF_ALIGNED(64) schedule {
	struct gcm_key_data gcm;
	struct {
		uint32_t enc[15 * 4] HF_ALIGNED(16), dec[15 * 4] HF_ALIGNED(16);
		struct hf_hmac hmac;
	} cbc;
};

/* One derivation: A(i) lies right before label and seed, so that both messages of a round, A(i) and
 * A(i) || seed, begin at the same place. */
struct derivation {
	struct hf_sym_job *job;
	uint32_t seed_len, done;
	struct hf_hmac hmac;
	uint8_t message[HF_HASH_MAX + SEED_MAX], next[HF_HASH_MAX], block[HF_HASH_MAX];
};

struct ipsecmb {
	IMB_MGR *mgr;
	void *libcrypto;
	union schedule *schedule;
	struct hf_schedules index;
	uint32_t schedule_cnt, min_fill[CLASS_CNT];
	bool failed; /* to start or its self-test: libcrypto computes everything */
	struct gcm_context_data gcm;
	IMB_JOB job[2 * PASS_MAX];
	struct derivation derivation[PASS_MAX];
	uint8_t scratch[PASS_MAX][SCRATCH_LEN];
};

static const struct hash_algorithm {
	IMB_HASH_ALG plain, hmac;
} hash_algorithm[HF_HASH_CNT] = {
	[HF_SHA1] = {IMB_AUTH_SHA_1, IMB_AUTH_HMAC_SHA_1},
	[HF_SHA256] = {IMB_AUTH_SHA_256, IMB_AUTH_HMAC_SHA_256},
	[HF_SHA384] = {IMB_AUTH_SHA_384, IMB_AUTH_HMAC_SHA_384},
	[HF_SHA512] = {IMB_AUTH_SHA_512, IMB_AUTH_HMAC_SHA_512},
};

/* ---- key schedules ---- */

static void expand(struct ipsecmb *m, union schedule *s, const struct hf_sym_keys *keys)
{
	const struct hf_cipher_info *info = &hf_cipher_info[keys->cipher];

	if (keys->cipher == HF_CIPHER_AES128_GCM) {
		IMB_AES128_GCM_PRE(m->mgr, keys->key, &s->gcm);
	} else if (keys->cipher == HF_CIPHER_AES256_GCM) {
		IMB_AES256_GCM_PRE(m->mgr, keys->key, &s->gcm);
	} else {
		hf_hmac_key(&s->cbc.hmac, info->hash, keys->mac, info->mac_key_len);
		if (info->key_len == 16)
			IMB_AES_KEYEXP_128(m->mgr, keys->key, s->cbc.enc, s->cbc.dec);
		else
			IMB_AES_KEYEXP_256(m->mgr, keys->key, s->cbc.enc, s->cbc.dec);
	}
}

static const union schedule *schedule_of(struct ipsecmb *m, const struct hf_sym_job *job)
{
	uint32_t i = hf_schedules_find(&m->index, job->keys->id, job->kind);

	if (i == HF_SCHEDULE_NONE) {
		i = hf_schedules_add(&m->index, job->keys->id, job->kind);
		hf_wipe(&m->schedule[i], sizeof(m->schedule[i]));
		expand(m, &m->schedule[i], job->keys);
	}
	return &m->schedule[i];
}

static void forget(void *ctx, uint64_t keys_id)
{
	struct ipsecmb *m = ctx;
	uint32_t i = hf_schedules_drop(&m->index, keys_id);

	if (i != HF_SCHEDULE_NONE)
		hf_wipe(&m->schedule[i], sizeof(m->schedule[i]));
	hf_sym_libcrypto.forget(m->libcrypto, keys_id); /* one key may have been used both ways */
}

/* ---- AEAD: one record at a time ---- */

static void gcm(struct ipsecmb *m, struct hf_sym_job *job, uint8_t *text, uint32_t len,
	uint8_t tag[HF_RECORD_TAG_LEN])
{
	const struct gcm_key_data *key = &schedule_of(m, job)->gcm;
	bool seal = job->kind == HF_SYM_SEAL;
	uint8_t nonce[HF_RECORD_NONCE_LEN], aad[HF_RECORD_AAD_LEN];
	aes_gcm_enc_dec_t run;

	if (job->keys->cipher == HF_CIPHER_AES128_GCM)
		run = seal ? m->mgr->gcm128_enc : m->mgr->gcm128_dec;
	else
		run = seal ? m->mgr->gcm256_enc : m->mgr->gcm256_dec;
	hf_record_nonce(nonce, job);
	hf_record_aad(aad, job, len);
	run(key, &m->gcm, text, text, len, nonce, aad, sizeof(aad), tag, HF_RECORD_TAG_LEN);
}

static void chacha(struct ipsecmb *m, struct hf_sym_job *job, uint8_t *text, uint32_t len,
	uint8_t tag[HF_RECORD_TAG_LEN])
{
	uint8_t nonce[HF_RECORD_NONCE_LEN], aad[HF_RECORD_AAD_LEN];
	IMB_JOB *j = IMB_GET_NEXT_JOB(m->mgr);
	bool seal = job->kind == HF_SYM_SEAL;

	hf_record_nonce(nonce, job);
	hf_record_aad(aad, job, len);
	*j = (IMB_JOB){.enc_keys = job->keys->key,
		.dec_keys = job->keys->key,
		.key_len_in_bytes = 32,
		.src = text,
		.dst = text,
		.msg_len_to_cipher_in_bytes = len,
		.msg_len_to_hash_in_bytes = len,
		.iv = nonce,
		.iv_len_in_bytes = sizeof(nonce),
		.auth_tag_output = tag,
		.auth_tag_output_len_in_bytes = HF_RECORD_TAG_LEN,
		.u.CHACHA20_POLY1305 = {.aad = aad, .aad_len_in_bytes = sizeof(aad)},
		.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305,
		.hash_alg = IMB_AUTH_CHACHA20_POLY1305,
		.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
		.chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER};
	j = IMB_SUBMIT_JOB_NOCHECK(m->mgr);
	HF_ASSERT(j && j->status == IMB_STATUS_COMPLETED); /* this kind is not queued */
}

static void aead(struct ipsecmb *m, struct hf_sym_job *job, uint8_t *text, uint32_t len,
	uint8_t tag[HF_RECORD_TAG_LEN])
{
	if (job->keys->cipher == HF_CIPHER_CHACHA20_POLY1305)
		chacha(m, job, text, len, tag);
	else
		gcm(m, job, text, len, tag);
}

static void seal_aead(struct ipsecmb *m, struct hf_sym_job *job)
{
	uint32_t prefix_len = hf_cipher_info[job->keys->cipher].prefix_len;
	uint8_t *text = job->data + prefix_len;

	if (prefix_len > 0)
		hf_record_put_u64(job->data, job->seq);
	aead(m, job, text, job->len, text + job->len);
	job->out_len = prefix_len + job->len + HF_RECORD_TAG_LEN;
	job->status = HF_SYM_OK;
}

static void open_aead(struct ipsecmb *m, struct hf_sym_job *job)
{
	uint32_t prefix_len = hf_cipher_info[job->keys->cipher].prefix_len;
	uint32_t len = job->len - prefix_len - HF_RECORD_TAG_LEN;
	uint8_t *text = job->data + prefix_len, tag[HF_RECORD_TAG_LEN];

	job->status = HF_SYM_BAD_RECORD;
	if (job->len >= prefix_len + HF_RECORD_TAG_LEN) {
		aead(m, job, text, len, tag);
		if (hf_ct_bytes_eq(tag, text + len, HF_RECORD_TAG_LEN))
			job->status = HF_SYM_OK;
	}
	if (job->status != HF_SYM_OK) {
		hf_wipe(job->data, job->len); /* unauthenticated plaintext is nobody's */
		return;
	}
	job->out_off = prefix_len;
	job->out_len = len;
}

/* ---- HMACs in lanes ---- */

/* Appends one to the pass; out has room for the whole hash. */
static void add_hmac(struct ipsecmb *m, uint32_t *cnt, const struct hf_hmac *h, const uint8_t *p,
	uint32_t len, uint8_t *out)
{
	IMB_JOB *j = &m->job[(*cnt)++];

	*j = (IMB_JOB){.src = p,
		.msg_len_to_hash_in_bytes = len,
		.auth_tag_output = out,
		.auth_tag_output_len_in_bytes = hf_hash_info[h->hash].len,
		.u.HMAC = {._hashed_auth_key_xor_ipad = (const uint8_t *)h->inner,
			._hashed_auth_key_xor_opad = (const uint8_t *)h->outer},
		.hash_alg = hash_algorithm[h->hash].hmac};
}

static void run_hmacs(struct ipsecmb *m, uint32_t cnt, enum hf_hash hash)
{
	uint32_t done =
		IMB_SUBMIT_HASH_BURST_NOCHECK(m->mgr, m->job, cnt, hash_algorithm[hash].hmac);

	HF_ASSERT(done == cnt);
}

/* ---- key derivation: P_hash of RFC 5246 5, round by round ---- */

static uint32_t seed_len(const struct hf_sym_job *job)
{
	size_t len = 0;

	for (uint32_t i = 1; i < job->v_cnt; i++)
		len += job->v[i].len;
	return (uint32_t)HF_MIN(len, (size_t)UINT32_MAX);
}

static void begin_derivation(struct derivation *d, struct hf_sym_job *job)
{
	uint8_t *at = d->message + HF_HASH_MAX;

	d->job = job;
	d->done = 0;
	d->seed_len = seed_len(job);
	hf_hmac_key(&d->hmac, job->hash, job->v[0].p, job->v[0].len);
	for (uint32_t i = 1; i < job->v_cnt; i++) {
		memcpy(at, job->v[i].p, job->v[i].len);
		at += job->v[i].len;
	}
}

/* Both of a round's messages need A(i) alone: the output block, and A(i+1) if there is another. */
static void add_round(struct ipsecmb *m, uint32_t *cnt, struct derivation *d)
{
	uint32_t len = hf_hash_info[d->hmac.hash].len;
	uint8_t *a = d->message + HF_HASH_MAX - len;

	memcpy(a, d->next, len);
	add_hmac(m, cnt, &d->hmac, a, len + d->seed_len, d->block);
	if (d->done + len < d->job->out_len)
		add_hmac(m, cnt, &d->hmac, a, len, d->next);
}

/* True while more blocks are wanted. */
static bool end_round(struct derivation *d)
{
	uint32_t take = HF_MIN(hf_hash_info[d->hmac.hash].len, d->job->out_len - d->done);

	memcpy(d->job->out + d->done, d->block, take);
	d->done += take;
	return d->done < d->job->out_len;
}

static void derive_pass(struct ipsecmb *m, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	struct derivation *live[PASS_MAX];
	enum hf_hash hash = jobs[0]->hash;
	uint32_t n = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		struct derivation *d = live[i] = &m->derivation[i];

		begin_derivation(d, jobs[i]);
		add_hmac(m, &n, &d->hmac, d->message + HF_HASH_MAX, d->seed_len, d->next);
		jobs[i]->status = HF_SYM_OK;
	}
	run_hmacs(m, n, hash);
	for (uint32_t live_cnt = cnt, kept; live_cnt > 0; live_cnt = kept) {
		n = 0;
		for (uint32_t i = 0; i < live_cnt; i++)
			add_round(m, &n, live[i]);
		run_hmacs(m, n, hash);
		kept = 0;
		for (uint32_t i = 0; i < live_cnt; i++)
			if (end_round(live[i]))
				live[kept++] = live[i];
	}
	hf_wipe(m->derivation, cnt * sizeof(m->derivation[0]));
}

/* ---- hashes ---- */

static size_t hash_len(const struct hf_sym_job *job)
{
	size_t len = 0;

	for (uint32_t i = 0; i < job->v_cnt; i++)
		len += job->v[i].len;
	return len;
}

/* The message in one piece: where it lies, or put together in scratch memory. */
static const uint8_t *whole(const struct hf_sym_job *job, uint8_t *scratch)
{
	uint8_t *at = scratch;

	if (job->v_cnt == 1)
		return job->v[0].p;
	for (uint32_t i = 0; i < job->v_cnt; i++) {
		if (job->v[i].len > 0)
			memcpy(at, job->v[i].p, job->v[i].len);
		at += job->v[i].len;
	}
	return scratch;
}

/* Bursts know HMACs alone; plain hashes go through the queue of jobs, which is empty before and
 * after. */
static void hash_pass(struct ipsecmb *m, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		IMB_JOB *j = IMB_GET_NEXT_JOB(m->mgr);

		*j = (IMB_JOB){.src = whole(jobs[i], m->scratch[i]),
			.msg_len_to_hash_in_bytes = hash_len(jobs[i]),
			.auth_tag_output = jobs[i]->out,
			.auth_tag_output_len_in_bytes = hf_hash_info[jobs[i]->hash].len,
			.cipher_mode = IMB_CIPHER_NULL,
			.cipher_direction = IMB_DIR_ENCRYPT,
			.hash_alg = hash_algorithm[jobs[i]->hash].plain,
			.chain_order = IMB_ORDER_HASH_CIPHER};
		for (j = IMB_SUBMIT_JOB_NOCHECK(m->mgr); j; j = IMB_GET_COMPLETED_JOB(m->mgr))
			done++;
		jobs[i]->out_len = hf_hash_info[jobs[i]->hash].len;
		jobs[i]->status = HF_SYM_OK;
	}
	while (IMB_FLUSH_JOB(m->mgr))
		done++;
	HF_ASSERT(done == cnt);
}

/* ---- CBC records ---- */

/* The MAC is over the pseudo-header and the text, and there is room for the one before the other
 * where the explicit IV will be. */
static void add_record_mac(struct ipsecmb *m, uint32_t *cnt, struct hf_sym_job *job)
{
	uint8_t *text = job->data + HF_RECORD_IV_LEN, *head = text - HF_RECORD_AAD_LEN;

	hf_record_aad(head, job, job->len);
	add_hmac(m, cnt, &schedule_of(m, job)->cbc.hmac, head, HF_RECORD_AAD_LEN + job->len,
		text + job->len);
}

/* The explicit IV is enciphered as the first block under an IV of zeros: libcrypto.c, seal_cbc. */
static void add_record_cipher(struct ipsecmb *m, uint32_t *cnt, struct hf_sym_job *job)
{
	static const uint8_t zero_iv[HF_RECORD_IV_LEN];
	const struct hf_cipher_info *info = &hf_cipher_info[job->keys->cipher];
	const union schedule *s = schedule_of(m, job);
	uint32_t len = hf_record_cbc_len(job);
	IMB_JOB *j = &m->job[(*cnt)++];

	memcpy(job->data, job->iv, HF_RECORD_IV_LEN);
	hf_record_pad(job->data + HF_RECORD_IV_LEN, job->len + info->tag_len, len);
	job->out_len = HF_RECORD_IV_LEN + len;
	*j = (IMB_JOB){.enc_keys = s->cbc.enc,
		.dec_keys = s->cbc.dec,
		.key_len_in_bytes = info->key_len,
		.src = job->data,
		.dst = job->data,
		.msg_len_to_cipher_in_bytes = job->out_len,
		.iv = zero_iv,
		.iv_len_in_bytes = sizeof(zero_iv),
		.cipher_mode = IMB_CIPHER_CBC,
		.cipher_direction = IMB_DIR_ENCRYPT};
	job->status = HF_SYM_OK;
}

static void seal_pass(struct ipsecmb *m, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	const struct hf_cipher_info *info = &hf_cipher_info[jobs[0]->keys->cipher];
	IMB_KEY_SIZE_BYTES key_len = info->key_len == 16 ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES;
	uint32_t n = 0, done;

	for (uint32_t i = 0; i < cnt; i++)
		add_record_mac(m, &n, jobs[i]);
	run_hmacs(m, n, info->hash);
	n = 0;
	for (uint32_t i = 0; i < cnt; i++)
		add_record_cipher(m, &n, jobs[i]);
	done = IMB_SUBMIT_CIPHER_BURST_NOCHECK(
		m->mgr, m->job, n, IMB_CIPHER_CBC, IMB_DIR_ENCRYPT, key_len);
	HF_ASSERT(done == n);
}

/* ---- a burst, class by class ---- */

static uint32_t class_of(const struct hf_sym_job *job)
{
	switch (job->kind) {
	case HF_SYM_HASH:
		return (uint32_t)CLASS_HASH + job->hash;
	case HF_SYM_PRF:
		return (uint32_t)CLASS_PRF + job->hash;
	case HF_SYM_SEAL:
		return (uint32_t)CLASS_SEAL + job->keys->cipher;
	default:
		return (uint32_t)CLASS_OPEN + job->keys->cipher;
	}
}

/* What lanes cannot take, whatever the fill. */
static bool scalar_only(const struct hf_sym_job *job)
{
	size_t len;

	switch (job->kind) {
	case HF_SYM_HASH:
		len = hash_len(job);
		return len == 0 || (job->v_cnt > 1 && len > SCRATCH_LEN);
	case HF_SYM_PRF:
		len = seed_len(job);
		return len == 0 || len > SEED_MAX || job->out_len == 0;
	default:
		return job->keys->etm;
	}
}

static uint32_t lane_len(const struct hf_sym_job *job)
{
	if (job->kind == HF_SYM_PRF)
		return 0; /* as good as equal */
	return job->kind == HF_SYM_HASH ? (uint32_t)hash_len(job) : job->len;
}

static void scalar(struct ipsecmb *m, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	hf_sym_libcrypto.burst(m->libcrypto, jobs, cnt);
}

static void lanes(struct ipsecmb *m, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	if (jobs[0]->kind == HF_SYM_PRF)
		derive_pass(m, jobs, cnt);
	else if (jobs[0]->kind == HF_SYM_HASH)
		hash_pass(m, jobs, cnt);
	else
		seal_pass(m, jobs, cnt);
}

static void sort_longest_first(struct hf_sym_job **jobs, uint32_t cnt)
{
	for (uint32_t i = 1; i < cnt; i++) {
		struct hf_sym_job *job = jobs[i];
		uint32_t at = i;

		for (; at > 0 && lane_len(jobs[at - 1]) < lane_len(job); at--)
			jobs[at] = jobs[at - 1];
		jobs[at] = job;
	}
}

/* Up to PASS_MAX jobs of one class. */
static void pass(struct ipsecmb *m, struct hf_sym_job **jobs, uint32_t cnt, uint32_t min_fill)
{
	uint32_t first = 0;

	sort_longest_first(jobs, cnt);
	while (cnt - first >= min_fill &&
		lane_len(jobs[first]) / 2 > lane_len(jobs[first + min_fill - 1]))
		first++;
	if (cnt - first < min_fill)
		first = cnt;
	if (first > 0)
		scalar(m, jobs, first);
	if (first < cnt)
		lanes(m, jobs + first, cnt - first);
}

static bool is_aead(uint32_t cls)
{
	return cls >= CLASS_SEAL && hf_cipher_info[(cls - CLASS_SEAL) % HF_CIPHER_CNT].aead;
}

static void run_class(struct ipsecmb *m, uint32_t cls, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	struct hf_sym_job *list[PASS_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		if (class_of(jobs[i]) != cls)
			continue;
		if (m->min_fill[cls] == NEVER || scalar_only(jobs[i])) {
			scalar(m, &jobs[i], 1);
			continue;
		}
		list[n++] = jobs[i];
		if (n == PASS_MAX) {
			pass(m, list, n, m->min_fill[cls]);
			n = 0;
		}
	}
	if (n > 0)
		pass(m, list, n, m->min_fill[cls]);
}

static void one_aead(struct ipsecmb *m, struct hf_sym_job *job)
{
	if (m->min_fill[class_of(job)] == NEVER)
		scalar(m, &job, 1);
	else if (job->kind == HF_SYM_SEAL)
		seal_aead(m, job);
	else
		open_aead(m, job);
}

static void check(const struct hf_sym_job *job)
{
	if (job->kind == HF_SYM_SEAL || job->kind == HF_SYM_OPEN) {
		hf_record_check(job);
		return;
	}
	HF_ASSERT(job->hash >= HF_SHA1 && job->hash < HF_HASH_CNT);
	HF_ASSERT(job->kind == HF_SYM_HASH || (job->v_cnt >= 2 && job->v[0].len > 0));
}

static void burst(void *ctx, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	struct ipsecmb *m = ctx;
	uint32_t waiting[CLASS_CNT] = {0};

	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t cls;

		check(jobs[i]);
		cls = class_of(jobs[i]);
		if (is_aead(cls))
			one_aead(m, jobs[i]);
		else
			waiting[cls]++;
	}
	for (uint32_t cls = 0; cls < CLASS_CNT; cls++)
		if (waiting[cls] > 0)
			run_class(m, cls, jobs, cnt);
}

/* ---- what pays, measured at start ---- */

#define ROUNDS 7u            /* the quickest counts: whatever disturbs makes slower */
#define TRANSCRIPT_LEN 4900u /* of a handshake with a chain of two certificates */
#define RECORD_LEN 1400u
#define MASTER_LEN 48u
#define TRIAL_ID (UINT64_MAX - 4 * PASS_MAX) /* of keys: no connection gets that far */

struct trial {
	struct hf_sym_job job[PASS_MAX], *queue[PASS_MAX];
	struct hf_sym_keys keys[PASS_MAX];
	struct hf_span v[PASS_MAX][2];
	uint8_t out[PASS_MAX][HF_HASH_MAX];
};

/* Jobs of the usual length, on what the scratch memory happens to hold. */
static void set_up(struct ipsecmb *m, struct trial *t, uint32_t cls)
{
	enum hf_sym_kind kind = cls < CLASS_PRF    ? HF_SYM_HASH
				: cls < CLASS_SEAL ? HF_SYM_PRF
						   : HF_SYM_SEAL;

	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < PASS_MAX; i++) {
		t->queue[i] = &t->job[i];
		t->v[i][0] =
			hf_span(m->scratch[i], kind == HF_SYM_PRF ? MASTER_LEN : TRANSCRIPT_LEN);
		t->v[i][1] = hf_span(m->scratch[i], 13 + 64); /* label, two randoms */
		t->job[i] = (struct hf_sym_job){.kind = (uint8_t)kind,
			.keys = &t->keys[i],
			.data = m->scratch[i],
			.len = RECORD_LEN,
			.v = t->v[i],
			.v_cnt = kind == HF_SYM_PRF ? 2 : 1,
			.out = t->out[i],
			.out_len = MASTER_LEN};
		t->keys[i].id = TRIAL_ID + i;
		if (kind == HF_SYM_SEAL)
			t->keys[i].cipher = (uint8_t)(cls - CLASS_SEAL);
		else
			t->job[i].hash = (uint8_t)(cls % HF_HASH_CNT);
	}
}

static void seal_each(struct ipsecmb *m, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		seal_aead(m, jobs[i]);
}

typedef void compute_fn(struct ipsecmb *m, struct hf_sym_job *const *jobs, uint32_t cnt);

static uint64_t cycles_of(struct ipsecmb *m, struct trial *t, uint32_t cnt, compute_fn *compute)
{
	uint64_t best = UINT64_MAX, began;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		began = hf_os_cycles();
		compute(m, t->queue, cnt);
		best = HF_MIN(best, hf_os_cycles() - began);
	}
	return best;
}

/* The least fill from which on our way is quicker than one job after the other. */
static uint32_t crossover(struct ipsecmb *m, struct trial *t, compute_fn *compute)
{
	uint64_t one = cycles_of(m, t, 1, scalar);
	uint32_t fill = PASS_MAX;

	if (cycles_of(m, t, fill, compute) >= fill * one)
		return NEVER;
	while (fill > 1 && cycles_of(m, t, fill - 1, compute) < (fill - 1) * one)
		fill--;
	return fill;
}

static void measure(struct ipsecmb *m)
{
	struct trial t;

	for (uint32_t cls = 0; cls < CLASS_OPEN; cls++) {
		if (m->min_fill[cls] == NEVER)
			continue;
		set_up(m, &t, cls);
		m->min_fill[cls] = crossover(m, &t, is_aead(cls) ? seal_each : lanes);
		if (is_aead(cls)) /* the same work, read backwards */
			m->min_fill[CLASS_OPEN + cls - CLASS_SEAL] = m->min_fill[cls];
		for (uint32_t i = 0; i < PASS_MAX; i++)
			forget(m, TRIAL_ID + i);
	}
}

static const char *const class_name[CLASS_CNT] = {
	[CLASS_HASH + HF_SHA1] = "SHA-1",
	[CLASS_HASH + HF_SHA256] = "SHA-256",
	[CLASS_HASH + HF_SHA384] = "SHA-384",
	[CLASS_HASH + HF_SHA512] = "SHA-512",
	[CLASS_PRF + HF_SHA1] = "PRF-SHA-1",
	[CLASS_PRF + HF_SHA256] = "PRF-SHA-256",
	[CLASS_PRF + HF_SHA384] = "PRF-SHA-384",
	[CLASS_PRF + HF_SHA512] = "PRF-SHA-512",
	[CLASS_SEAL + HF_CIPHER_AES128_CBC_SHA1] = "AES128-CBC-SHA",
	[CLASS_SEAL + HF_CIPHER_AES256_CBC_SHA1] = "AES256-CBC-SHA",
	[CLASS_SEAL + HF_CIPHER_AES128_CBC_SHA256] = "AES128-CBC-SHA256",
	[CLASS_SEAL + HF_CIPHER_AES128_GCM] = "AES128-GCM",
	[CLASS_SEAL + HF_CIPHER_AES256_GCM] = "AES256-GCM",
	[CLASS_SEAL + HF_CIPHER_AES256_CBC_SHA256] = "AES256-CBC-SHA256",
	[CLASS_SEAL + HF_CIPHER_AES256_CBC_SHA384] = "AES256-CBC-SHA384",
	[CLASS_SEAL + HF_CIPHER_CHACHA20_POLY1305] = "CHACHA20-POLY1305",
};

static void describe(const void *ctx, char *text, size_t len)
{
	const struct ipsecmb *m = ctx;
	int at = snprintf(text, len, "%s",
		m->failed ? "failed its self-test: libcrypto computes everything"
			  : "libcrypto below these fills:");

	for (uint32_t cls = 0; cls < CLASS_OPEN; cls++)
		if (!m->failed && m->min_fill[cls] != NEVER && at >= 0 && (size_t)at < len)
			at += snprintf(text + at, len - (size_t)at, " %s %u", class_name[cls],
				m->min_fill[cls]);
}

/* ---- life ---- */

static bool probe(void)
{
	return hf_os_cpu_has(HF_TIER_AVX2) && hf_sym_libcrypto.probe();
}

static size_t room_for(size_t len)
{
	return HF_ROUND_UP(len, (size_t)HF_CACHE_LINE);
}

/* A pass holds on to the keys of all its jobs. */
static uint32_t places(uint32_t schedule_cnt)
{
	return HF_MAX(HF_MIN(schedule_cnt, SCHEDULE_MAX), PASS_MAX);
}

static size_t size(uint32_t schedule_cnt)
{
	uint32_t cnt = places(schedule_cnt);

	return room_for(sizeof(struct ipsecmb)) + cnt * sizeof(union schedule) +
	       room_for(hf_schedules_size(cnt)) + room_for(imb_get_mb_mgr_size()) +
	       hf_sym_libcrypto.size(schedule_cnt);
}

static void fini(void *ctx)
{
	struct ipsecmb *m = ctx;

	hf_sym_libcrypto.fini(m->libcrypto);
	hf_wipe(m->mgr, imb_get_mb_mgr_size());
	hf_wipe(m->schedule, m->schedule_cnt * sizeof(union schedule));
	hf_wipe(m, sizeof(*m));
}

/* HF_CPU may hide what the library would find by itself. */
static bool init_mgr(struct ipsecmb *m, void *mem)
{
	m->mgr = imb_set_pointers_mb_mgr(mem, 0, 1);
	HF_ASSERT(m->mgr); /* NULL is for NULL */
	if (hf_os_cpu_has(HF_TIER_AVX512F))
		init_mb_mgr_auto(m->mgr, NULL);
	else
		init_mb_mgr_avx2(m->mgr);
	return imb_get_errno(m->mgr) == 0 && m->mgr->features & IMB_FEATURE_SELF_TEST_PASS;
}

void hf_sym_ipsecmb_set_fill(void *ctx, uint32_t fill)
{
	struct ipsecmb *m = ctx;

	for (uint32_t cls = 0; cls < CLASS_CNT; cls++)
		m->min_fill[cls] = NEVER;
	for (uint32_t cls = 0; cls < CLASS_OPEN; cls++)
		if (class_name[cls])
			m->min_fill[cls] = fill;
	for (uint32_t cls = CLASS_OPEN; cls < CLASS_CNT; cls++)
		if (is_aead(cls))
			m->min_fill[cls] = fill;
}

static int init(void *ctx, uint32_t schedule_cnt)
{
	struct ipsecmb *m = ctx;
	uint8_t *at = ctx;

	memset(m, 0, sizeof(*m));
	m->schedule_cnt = places(schedule_cnt);
	at += room_for(sizeof(*m));
	m->schedule = (union schedule *)(void *)at;
	at += m->schedule_cnt * sizeof(union schedule);
	hf_schedules_init(&m->index, at, m->schedule_cnt);
	at += room_for(hf_schedules_size(m->schedule_cnt));
	m->libcrypto = at + room_for(imb_get_mb_mgr_size());
	if (hf_sym_libcrypto.init(m->libcrypto, schedule_cnt))
		return -1;
	m->failed = !init_mgr(m, at);
	hf_sym_ipsecmb_set_fill(m, m->failed ? NEVER : 1);
	if (!m->failed && hf_sym_selftest(&hf_sym_ipsecmb, m)) {
		m->failed = true;
		hf_sym_ipsecmb_set_fill(m, NEVER);
	}
	if (!m->failed)
		measure(m);
	return 0;
}

const struct hf_sym_driver hf_sym_ipsecmb = {
	.name = "ipsecmb",
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.burst = burst,
	.forget = forget,
	.describe = describe,
};
