/* tcpopt.c -- TCP options are a list of kind, length, value; two kinds are a single byte. Whatever
 * is not understood is stepped over by its length. A length that cannot be (RFC 9293 3.1, MUST-7)
 * ends the walk: what was read before it stays valid, the rest is unreadable by nature. */
#include "lib/net/parse.h"

static void parse_sack(struct hf_span value, struct hf_tcpopt *out)
{
	struct hf_reader r = hf_reader_of(value);
	uint32_t left, right;
	out->sack_cnt = 0;
	while (out->sack_cnt < HF_ARRAY_LEN(out->sack) && !hf_reader_u32(&r, &left) &&
		!hf_reader_u32(&r, &right)) {
		out->sack[out->sack_cnt].left = left;
		out->sack[out->sack_cnt].right = right;
		out->sack_cnt++;
	}
}

static void parse_timestamps(struct hf_span value, struct hf_tcpopt *out)
{
	struct hf_reader r = hf_reader_of(value);
	out->has_timestamps = !hf_reader_u32(&r, &out->ts_val) && !hf_reader_u32(&r, &out->ts_ecr);
}

/* One option with its value; false when its length is not one that its kind may have. */
static bool parse_value(uint8_t kind, struct hf_span value, struct hf_tcpopt *out)
{
	switch (kind) {
	case HF_TCPOPT_MSS:
		if (value.len != 2)
			return false;
		out->mss = (uint16_t)(value.p[0] << 8 | value.p[1]);
		return true;
	case HF_TCPOPT_WSCALE:
		if (value.len != 1)
			return false;
		out->wscale = value.p[0];
		out->has_wscale = true;
		return true;
	case HF_TCPOPT_SACK_PERMITTED:
		if (value.len != 0)
			return false;
		out->sack_permitted = true;
		return true;
	case HF_TCPOPT_SACK:
		if (value.len == 0 || value.len % 8 != 0)
			return false;
		parse_sack(value, out);
		return true;
	case HF_TCPOPT_TIMESTAMPS:
		if (value.len != 8)
			return false;
		parse_timestamps(value, out);
		return true;
	default:
		return true;
	}
}

void hf_tcpopt_parse(struct hf_span options, struct hf_tcpopt *out)
{
	struct hf_reader r = hf_reader_of(options);
	struct hf_span value;
	uint8_t kind, len;
	memset(out, 0, sizeof(*out));
	while (!hf_reader_u8(&r, &kind) && kind != HF_TCPOPT_END) {
		if (kind == HF_TCPOPT_NOP)
			continue;
		if (hf_reader_u8(&r, &len) || len < 2 || hf_reader_bytes(&r, len - 2u, &value) ||
			!parse_value(kind, value, out)) {
			out->malformed = true;
			return;
		}
	}
}
