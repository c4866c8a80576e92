/* pk_ec.c -- what groups are, above every engine that computes on them. */
#include "lib/crypto/pk.h"

const struct hf_group_info hf_group_info[HF_GROUP_CNT] = {
	/* clang-format off */
	/*                  scalar point secret */
	[HF_GROUP_X25519] = {32,    32,    32}, /* RFC 7748 6.1 */
	[HF_GROUP_P256]   = {32,    65,    32}, /* RFC 8422 5.4.1, 5.10 */
	[HF_GROUP_P384]   = {48,    97,    48},
	/* clang-format on */
};
