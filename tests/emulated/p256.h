/* p256.h -- what is the same in the tests of both kernels for P-256 in emulated vectors: right on any
 * processor, at every fill, and under valgrind's memcheck with all that is secret marked as undefined
 * (curve.h says what is, and what is revealed). A test includes this after the kernel's source, whose
 * engine it has called `kernel`. */
#ifndef TESTS_EMULATED_P256_H
#define TESTS_EMULATED_P256_H

#include "tests/emulated/curve.h"

/* ---- the kernel, and one that is given its table ---- */

static const struct hf_p256_table *table_given;

static void take_table(struct hf_p256_table *t)
{
	*t = *table_given;
}

/* To look at the table is as long as to make it: both ways to look say the same. */
static struct hf_p256_verdict not_looked_at(struct hf_lanes *x, struct hf_lanes *y)
{
	memset(x, 0, sizeof(*x));
	memset(y, 0, sizeof(*y));
	return (struct hf_p256_verdict){.valid = 0xff, .there = 0xff, .right = 0xff};
}

static struct hf_p256_verdict base_not_looked_at(const struct hf_p256_table *t, struct hf_lanes *x,
	struct hf_lanes *y, const struct hf_lanes *k)
{
	(void)t;
	(void)k;
	return not_looked_at(x, y);
}

static struct hf_p256_verdict multiply_not_looked_at(
	struct hf_lanes *x, struct hf_lanes *y, const struct hf_lanes *k)
{
	(void)k;
	return not_looked_at(x, y);
}

static int init_with(void *ctx, const void *table)
{
	static struct hf_p256_core given;
	int error;

	table_given = table;
	given = (struct hf_p256_core){take_table, base_not_looked_at, multiply_not_looked_at, sign};
	error = hf_p256_init(ctx, &given);
	given = core;
	return error;
}

static void table_of(void *table, const void *ctx)
{
	(void)ctx;
	memset(table, 0, sizeof(struct hf_p256_table)); /* a kernel fills its own limbs only */
	make_table(table);
}

static const struct curve p256 = {
	.engine = &kernel,
	.init_with = init_with,
	.table_of = table_of,
	.table_len = sizeof(struct hf_p256_table),
	.group = HF_GROUP_P256,
};

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CURVE_TESTS,
	};

	self = argv[0];
	curve = &p256;
	if (argc == 3)
		return with_table(argv[1], atoi(argv[2]));
	return cmocka_run_group_tests(tests, starts, ends);
}

#endif
