/* link_abi.h -- what handfast and a backend share: the shape of the memory, of the records in it,
 * and of the few messages that hand it over. Plain C, needs nothing else of handfast. A backend
 * that does not want libhandfast can be written from this file alone.
 *
 * Parties: a *worker* is one core of the appliance; an *endpoint* is one thread of a backend. Each
 * worker shares two regions with each endpoint, each written by one side only and mapped read-only
 * by the other: the worker's (sealed so that nobody else can ever write it) and the backend's.
 *
 *   region of A, 4096 + ring_len bytes:   region of B, the same shape:
 *     what A sends: head, ring bytes        what B sends: head, ring bytes
 *     how far A has read B's ring: tail     how far B has read A's ring: tail
 *     whether A sleeps: sleep               whether B sleeps: sleep
 *
 * A ring carries records: a header of 16 bytes, then len bytes of payload, then padding to the next
 * multiple of 16. head and tail count bytes since the start and never wrap; the place in the ring
 * is index & (ring_len - 1). A header never wraps, a payload may. A payload is at most 16384 bytes.
 *
 * Doorbell. Before it blocks, a side stores an odd `sleep` word it has not used before, executes a
 * full fence and looks at the other's indices once more. A side that has published (head) executes
 * a full fence, loads the other's `sleep` and, when that is odd and not the value it rang for last,
 * writes the eventfd. Bit 1 of the word asks to be rung as well when room was made (tail moved).
 * Awake is any even value. Publish and ring once per batch, not per record.
 *
 * Credit. DATA towards a side is sent only within the credit that side has granted for that stream;
 * whoever grants it must be able to take that much off the ring at any time, so that a slow stream
 * never holds up its neighbours. The appliance cuts off an endpoint that breaks this or any other
 * rule: its streams are reset, nobody else's.
 *   A stream begins without credit for the backend. The appliance grants some when the client has
 * sent something, when the backend says BLOCKED, and as it is used. What an idle stream holds stands in
 * memory that others may need: the appliance may RECLAIM it, and the backend answers at once with
 * RETURNED, which gives back all that it has not used.
 *
 * Byte order: that of the machine (both sides run on it), except inside TLVs, which are big endian.
 * Versions: HF_LINK_VERSION must match; unknown TLVs are skipped, unknown record types are errors.
 */
#ifndef HF_LINK_LINK_ABI_H
#define HF_LINK_LINK_ABI_H

#include <stdatomic.h>
#include <stdint.h>

#define HF_LINK_MAGIC 0x4b4c4648u /* "HFLK" */
#define HF_LINK_VERSION 2u

/* ---- the regions ---- */

#define HF_LINK_RING_OFF 4096u  /* the ring begins on the second page of its region */
#define HF_LINK_RING_MIN 65536u /* ring_len is a power of two within these */
#define HF_LINK_RING_MAX (1u << 30)

/* Indices sit 128 bytes apart: processors prefetch lines in pairs. */
struct hf_link_region {
	uint32_t magic, version, ring_len, ring_off;
	_Alignas(128) _Atomic uint64_t head;  /* bytes published since the start */
	_Alignas(128) _Atomic uint64_t tail;  /* bytes of the other region's ring that were read */
	_Alignas(128) _Atomic uint32_t sleep; /* HF_LINK_ASLEEP, HF_LINK_WANTS_ROOM, counter << 2 */
};

#define HF_LINK_ASLEEP 1u
#define HF_LINK_WANTS_ROOM 2u

/* ---- the records ---- */

#define HF_LINK_ALIGN 16u
#define HF_LINK_PAYLOAD_MAX 16384u /* a TLS record's plaintext, RFC 8446 5.1 */

struct hf_link_record {
	uint32_t len;    /* of the payload, without padding */
	uint16_t type;   /* enum hf_link_type */
	uint16_t flags;  /* 0 in this version */
	uint64_t stream; /* chosen by the worker, never 0, never used twice on one link */
};

enum hf_link_type {
	HF_LINK_OPEN = 1,       /* worker only: struct hf_link_open, then TLVs */
	HF_LINK_DATA = 2,       /* 1..16384 bytes of the stream */
	HF_LINK_CREDIT = 3,     /* uint32_t, 1..HF_LINK_CREDIT_MAX: that many bytes more may come */
	HF_LINK_HALF_CLOSE = 4, /* no payload: no more DATA from this side */
	HF_LINK_RESET = 5,   /* uint32_t enum hf_link_reset_reason: the stream is over, both ways */
	HF_LINK_BLOCKED = 6, /* backend only, no payload: there is DATA to send and no credit */
	HF_LINK_RECLAIM = 7, /* worker only, no payload: give back the credit that is unused */
	HF_LINK_RETURNED = 8, /* backend only, uint32_t: that much less may come; perhaps 0 */
};
/* A stream is over after a RESET from either side or a HALF_CLOSE from both. Records for it that
 * were already on their way are ignored. */

#define HF_LINK_CREDIT_MAX \
	(1u << 30) /* most that may be outstanding for one direction of a stream */

struct hf_link_open {
	uint32_t credit; /* bytes the backend may send at once; 0 as a rule */
	uint32_t spare;
};

enum hf_link_reset_reason {
	HF_LINK_RESET_CLIENT = 1, /* the client reset its connection */
	HF_LINK_RESET_TRUNCATED =
		2, /* it closed without close_notify: what came may be cut short */
	HF_LINK_RESET_TIMEOUT = 3,
	HF_LINK_RESET_PROTOCOL = 4, /* TLS failed: bad record, bad MAC, ... */
	HF_LINK_RESET_LIMIT = 5,    /* a configured limit or a pool was reached */
	HF_LINK_RESET_REFUSED = 6,  /* backend: no server takes it */
	HF_LINK_RESET_SERVER = 7,   /* backend: the server reset its side */
	HF_LINK_RESET_SHUTDOWN = 8, /* the side is going down */
	HF_LINK_RESET_INTERNAL = 9,
};

/* OPEN: TLVs of uint16_t type, uint16_t length, value. Each at most once, in any order. */
enum hf_link_tlv {
	HF_LINK_TLV_CLIENT = 1,          /* 16 bytes address (IPv4 is v4-mapped), uint16_t port */
	HF_LINK_TLV_LOCAL = 2,           /* where the client connected to, same shape */
	HF_LINK_TLV_CONN_ID = 3,         /* 16 bytes, unique across workers and restarts */
	HF_LINK_TLV_SNI = 4,             /* server name as sent, no terminator */
	HF_LINK_TLV_ALPN = 5,            /* protocol selected */
	HF_LINK_TLV_TLS_VERSION = 6,     /* uint16_t, 0x0303 is TLS 1.2 */
	HF_LINK_TLV_CIPHER = 7,          /* uint16_t, IANA number of the suite */
	HF_LINK_TLV_CLIENT_CERT = 8,     /* DER of the client's verified leaf certificate */
	HF_LINK_TLV_JA4 = 9,             /* text */
	HF_LINK_TLV_CLIENT_VERDICT = 10, /* uint16_t enum hf_link_client_verdict */
	HF_LINK_TLV_CLIENT_SUBJECT = 11, /* of the same certificate: text, RFC 2253, ASCII */
	HF_LINK_TLV_CLIENT_ISSUER = 12,  /* likewise */
	HF_LINK_TLV_CLIENT_CN = 13,      /* its last common name, UTF-8 without controls */
	HF_LINK_TLV_CLIENT_SHA256 = 14,  /* 32 bytes: the hash of the certificate */
};

/* What is known of who the client is. One that showed a bad certificate has got no connection. */
enum hf_link_client_verdict {
	HF_LINK_CLIENT_NOT_ASKED = 0, /* and when there is no such TLV */
	HF_LINK_CLIENT_NONE = 1,      /* it was asked and has no certificate */
	HF_LINK_CLIENT_VERIFIED = 2,
};

/* ---- the handover ----
 * A backend thread connects to the appliance's Unix socket (SOCK_SEQPACKET) and sends HELLO. It
 * receives WELCOME with one descriptor, its bell: the eventfd it reads; then one LINK per worker,
 * each with three descriptors: the worker's region (map it read-only), its own region (map it for
 * writing), and the eventfd that wakes the worker. Or it receives REFUSED and the end. The socket
 * stays open and silent: its end is the end of the endpoint, for either side. */

enum hf_link_ctl_type {
	HF_LINK_CTL_HELLO = 1,
	HF_LINK_CTL_WELCOME = 2,
	HF_LINK_CTL_LINK = 3,
	HF_LINK_CTL_REFUSED = 4,
};

#define HF_LINK_NAME_LEN 32u
#define HF_LINK_WORKER_MAX 64u
#define HF_LINK_CREDIT_MIN 4096u

/* The backend does nothing for a stream before its first byte. Of OPEN and RESET alone it is then not
 * rung for at once, but with what comes next, or some milliseconds later. */
#define HF_LINK_PATIENT 1u

/* All four messages have this one shape; what a type does not use is zero. */
struct hf_link_ctl {
	uint32_t magic, version;
	uint32_t type;               /* enum hf_link_ctl_type */
	uint32_t reason;             /* REFUSED: enum hf_link_refusal */
	uint32_t worker, worker_cnt; /* LINK: 0 .. worker_cnt - 1. WELCOME: how many LINKs follow */
	uint32_t worker_ring_len;    /* LINK: of the worker's region */
	uint32_t backend_ring_len;   /* LINK: of the backend's region */
	uint32_t stream_credit; /* HELLO: credit of every new stream, from HF_LINK_CREDIT_MIN */
	uint32_t flags;         /* HELLO: HF_LINK_PATIENT; unknown ones are ignored */
	char name[HF_LINK_NAME_LEN]; /* HELLO: for the operator's eyes, NUL-padded */
};

enum hf_link_refusal {
	HF_LINK_REFUSED_USER = 1,    /* SO_PEERCRED is not the configured user */
	HF_LINK_REFUSED_VERSION = 2, /* the appliance speaks another version (see its `version`) */
	HF_LINK_REFUSED_HELLO = 3,   /* not a HELLO, or a field out of range */
	HF_LINK_REFUSED_FULL = 4,    /* no more endpoints */
	HF_LINK_REFUSED_MEMORY = 5,  /* no memory or descriptors for the rings */
};

#endif
