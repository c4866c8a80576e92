/* link.h -- one worker x one endpoint: records in, records out over two shared rings (link_abi.h).
 * Pure: memory and both roles are handed in; bells are reported, not rung; it knows no stream
 *table. A stream's credit lives in struct hf_link_stream, which its owner keeps with the
 *connection.
 *
 * Sending: hf_link_open, _data, _credit, _half_close, _reset, _blocked, _reclaim fill the ring;
 * hf_link_publish shows the batch; hf_link_bell then says whether the other side must be woken.
 * Receiving, per record: hf_link_next; find the stream; hf_link_admit; for DATA (and OPEN's TLVs)
 * hf_link_read until m.len bytes are taken, perhaps over several turns, or hf_link_skip; at the end
 * of the batch hf_link_release.
 *
 *	while ((rc = hf_link_next(l, &m)) > 0) {
 *		if (!(s = find(m.stream))) { hf_link_skip(l); continue; }   (over, in flight)
 *		if ((rc = hf_link_admit(l, s, &m)) < 0) break;
 *		...
 *	}
 *	hf_link_release(l); hf_link_publish(l); ring = hf_link_bell(l);
 *
 * The other side is hostile: its indices are read once and checked, headers are copied before they
 * are judged, payload is copied before it is parsed (hf_link_read). The first violation sticks:
 *from then on next returns it, sends take nothing, and the owner resets this link's streams.
 *
 * Threads: a link belongs to one thread. Memory: struct and regions are the caller's. Units: bytes.
 * Errors: no room or no credit -> less is taken; violation -> -(enum hf_link_violation). */
#ifndef HF_LINK_LINK_H
#define HF_LINK_LINK_H

#include "lib/base/span.h"
#include "lib/base/stat.h"
#include "lib/link/link_abi.h"

enum hf_link_role { HF_LINK_WORKER, HF_LINK_BACKEND };

enum hf_link_violation {
	HF_LINK_FINE,
#define HF_LINK_VIOLATION(name, text, help) HF_LINK_##name,
#include "lib/link/violation.def"
#undef HF_LINK_VIOLATION
	HF_LINK_VIOLATION_CNT
};

struct hf_link_stats {
#define HF_COUNTER(name, help) uint64_t name;
#include "lib/link/stats.def"
#undef HF_COUNTER
	uint64_t violation[HF_LINK_VIOLATION_CNT];
};

/* One side's view of one stream; zeroed before OPEN. */
struct hf_link_stream {
	uint64_t id;
	uint32_t tx_credit; /* bytes we may still send */
	uint32_t rx_credit; /* bytes the other side may still send */
	bool tx_closed, rx_closed;
	bool tx_blocked; /* backend: BLOCKED was said, and no credit has come since */
};

struct hf_link {
	/* sending */
	struct hf_link_region *tx;
	uint64_t tx_head;      /* where the next record goes */
	uint64_t tx_published; /* <= tx_head: what the other side may see */
	uint64_t tx_tail;      /* how far the other side has read, when last looked at */
	uint32_t tx_len;       /* of the ring */
	/* receiving */
	uint32_t rx_len;
	const struct hf_link_region *rx;
	uint64_t rx_head;     /* how far the other side has written, when last looked at */
	uint64_t rx_next;     /* where the next record begins */
	uint64_t rx_pos;      /* first payload byte of the current record not taken yet */
	uint64_t rx_released; /* what the other side may overwrite */
	uint32_t rx_left;     /* payload bytes of the current record not taken yet */
	uint32_t rx_value;
	struct hf_link_record rx_rec; /* the current record, our copy */
	/* waking */
	uint32_t sleep;     /* our sleep word */
	uint32_t rung;      /* the other side's sleep word that was rung for last */
	uint32_t news;      /* what happened since the last bell */
	bool patient;       /* the other side need not be rung for OPEN and RESET at once */
	bool urgent;        /* but for something that was sent since the last publish */
	uint32_t violation; /* enum hf_link_violation; HF_LINK_FINE while it works */
	uint32_t role;
	uint32_t stream_credit; /* of every new stream, granted by the backend in its HELLO */
	struct hf_link_stats *stats;
};

struct hf_link_msg {
	uint64_t stream;
	uint32_t type;  /* enum hf_link_type */
	uint32_t len;   /* DATA, OPEN: payload bytes not yet read */
	uint32_t value; /* CREDIT, RETURNED: bytes; RESET: reason; OPEN: credit */
};

/* Bytes of a region, and the header that says so; for whoever makes it. The memory is zeroed. */
size_t hf_link_region_size(uint32_t ring_len);
void hf_link_region_init(void *mem, uint32_t ring_len);

/* tx is the region this side writes, rx the other's; lengths are those of the regions, whole.
 * stream_credit is the backend's (HELLO). stats is the owner's, shared by its links. */
void hf_link_init(struct hf_link *l, enum hf_link_role role, uint32_t stream_credit, void *tx,
	size_t tx_len, const void *rx, size_t rx_len, struct hf_link_stats *stats);

/* ---- sending ---- */

/* The most payload that one hf_link_data could take now if credit allowed. */
size_t hf_link_tx_room(struct hf_link *l);
/* Worker: opens a stream (s is initialised) with the credit granted to the backend. 0, or -1: no
 * room, try again. tlvs <= HF_LINK_PAYLOAD_MAX - sizeof(struct hf_link_open). */
HF_MUST_CHECK int hf_link_open(struct hf_link *l, struct hf_link_stream *s, uint64_t id,
	uint32_t rx_credit, struct hf_span tlvs);
/* Returns the bytes taken: at most one record's, the credit's and the room's worth; 0 is not an
 * error. s must not be half-closed. A backend's that finds no credit says BLOCKED. */
HF_MUST_CHECK size_t hf_link_data(
	struct hf_link *l, struct hf_link_stream *s, const void *p, size_t len);
/* Backend, with something to send and no credit: says so, once until some comes. 0, or -1: no room. */
HF_MUST_CHECK int hf_link_blocked(struct hf_link *l, struct hf_link_stream *s);
/* Worker: asks for unused credit. rx_credit falls when RETURNED is admitted; a backend whose ring is
 * full does not answer, so it may have to be asked again. 0, or -1: no room. */
HF_MUST_CHECK int hf_link_reclaim(struct hf_link *l, struct hf_link_stream *s);
/* These three may use a reserve of the ring that DATA and OPEN leave alone. 0, or -1: no room, try
 * again. Credit for a stream whose other side is closed is swallowed. */
HF_MUST_CHECK int hf_link_credit(struct hf_link *l, struct hf_link_stream *s, uint32_t len);
HF_MUST_CHECK int hf_link_half_close(struct hf_link *l, struct hf_link_stream *s);
HF_MUST_CHECK int hf_link_reset(
	struct hf_link *l, struct hf_link_stream *s, enum hf_link_reset_reason reason);
void hf_link_publish(struct hf_link *l);

/* ---- receiving ---- */

/* 1 and *m; 0: nothing there; negative: violation. A record whose payload is not read to its end is
 * told again, with what is left of it. */
HF_MUST_CHECK int hf_link_next(struct hf_link *l, struct hf_link_msg *m);
/* Judges m by the state of its stream and updates that: OPEN initialises s, CREDIT, RETURNED, HALF_CLOSE
 * and RESET are noted, RECLAIM is answered. 0 or violation. DATA is charged when it is read, so it may
 * be judged again. */
HF_MUST_CHECK int hf_link_admit(
	struct hf_link *l, struct hf_link_stream *s, const struct hf_link_msg *m);
/* Copies up to max payload bytes of the current record (admitted for s); returns how many. */
size_t hf_link_read(struct hf_link *l, struct hf_link_stream *s, void *dst, size_t max);
/* For a side that trusts the other: the contiguous bytes where they lie, valid until release; taken
 * by hf_link_read with dst NULL. */
struct hf_span hf_link_peek(const struct hf_link *l);
/* Drops what is left of the current record. */
void hf_link_skip(struct hf_link *l);
void hf_link_release(struct hf_link *l);
/* The owner found a violation that only it can see (BAD_STREAM); returns it negative. */
int hf_link_fail(struct hf_link *l, enum hf_link_violation v);
/* True when the stream is over: both sides half-closed, or reset. */
static inline bool hf_link_stream_over(const struct hf_link_stream *s)
{
	return s->tx_closed && s->rx_closed;
}

/* ---- waking ---- */

/* After publish and release: true when the other side sleeps and must be rung now. */
HF_MUST_CHECK bool hf_link_bell(struct hf_link *l);
/* After the bell: something is published that a patient other side, asleep, was not rung for. hurry: the
 * next bell shall be. */
bool hf_link_unheard(const struct hf_link *l);
void hf_link_hurry(struct hf_link *l);
/* Announces sleep. False when there is something to read (or, with want_room, this look finds more
 * room than the last one did): do not block then. Either way hf_link_wake comes after it. */
HF_MUST_CHECK bool hf_link_sleep(struct hf_link *l, bool want_room);
void hf_link_wake(struct hf_link *l);

/* ---- what OPEN tells ---- */

struct hf_link_info {
	struct hf_addr client, local;
	uint16_t client_port, local_port;
	uint16_t tls_version, cipher;
	uint8_t conn_id[16];
	uint16_t client_verdict;       /* enum hf_link_client_verdict */
	struct hf_span sni, alpn, ja4; /* empty when there is none */
	struct hf_span client_cert, client_subject, client_issuer, client_cn, client_sha256;
};

void hf_link_info_write(struct hf_writer *w, const struct hf_link_info *info);
/* 0, or -1 when the TLVs are malformed. Spans point into tlvs. What is absent is zero. */
HF_MUST_CHECK int hf_link_info_read(struct hf_span tlvs, struct hf_link_info *info);

const char *hf_link_violation_name(enum hf_link_violation v);
extern const struct hf_stat_table hf_link_stat_table;

#endif
