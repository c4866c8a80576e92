/* tickets.h -- control's part of resumption: where ticket keys come from, and when the next set is
 * due. Epochs are counted by the wall clock in steps of tls.ticket_rotation, so boxes with one secret
 * and clocks that agree within a step resume each other's clients, and never speak to each other.
 *   nothing named      random keys, drawn anew for each epoch: clients of this process alone
 *   tls.ticket_secret  keys of an epoch follow from the secret and the epoch's number
 *   tls.ticket_keys    the keys themselves; the first seals, all open; a reload reads them again
 * With epochs the set holds the present one's, the one's before and (from a secret) the next one's.
 * Threads: control. Memory: locked regions of their own, wiped when given back. Errors: at the line of the option. */
#ifndef HF_APP_HANDFAST_TICKETS_H
#define HF_APP_HANDFAST_TICKETS_H

#include "lib/config/config.h"
#include "lib/crypto/sym.h"
#include "lib/tls/tls.h"

struct hf_tickets;        /* the daemon's */
struct hf_tickets_source; /* what one version of the options says */

/* Reads the options and the files they name. NULL: errs says why. */
HF_MUST_CHECK struct hf_tickets_source *hf_tickets_source_load(
	const struct hf_config *cfg, struct hf_config_errors *errs);
void hf_tickets_source_free(struct hf_tickets_source *s);

/* NULL: no memory, or the driver does not start. */
HF_MUST_CHECK struct hf_tickets *hf_tickets_open(const struct hf_sym_driver *sym);
/* Takes the source over. The next set is due at once. */
void hf_tickets_use(struct hf_tickets *t, struct hf_tickets_source *s);
/* The set that workers must be given now, NULL: they have the right one. Before the next call that
 * may answer with a set, every worker must have copied this one. */
HF_MUST_CHECK const struct hf_tls_tickets *hf_tickets_due(struct hf_tickets *t, uint64_t wall_ns);
/* Every worker has copied the set: its keys are wiped here. */
void hf_tickets_taken(struct hf_tickets *t);
uint64_t hf_tickets_epoch(const struct hf_tickets *t); /* of the key that seals; 0: not by epoch */
void hf_tickets_close(struct hf_tickets *t);

#endif
