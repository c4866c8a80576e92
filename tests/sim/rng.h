/* rng.h -- the simulation's dice: small, fast, splittable, the same numbers for the same seed.
 * Everything random in a run (lwIP, OpenSSL, faults, plans) descends from the run's seed through
 * rng_split, so that one consumer drawing more often does not shift the numbers of another.
 * SplitMix64 (Steele, Lea, Flood 2014). Not for secrets. */
#ifndef TESTS_SIM_RNG_H
#define TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_u64(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* An independent stream; `label` tells the streams of one parent apart. */
static inline struct rng rng_split(const struct rng *parent, uint64_t label)
{
	struct rng r = {parent->state ^ (label * 0xd1342543de82ef95ull + 0x632be59bd9b4e019ull)};
	r.state = rng_u64(&r);
	return r;
}

/* Uniform enough for dice: [0, bound), bound > 0. */
static inline uint32_t rng_below(struct rng *r, uint32_t bound)
{
	return (uint32_t)(((rng_u64(r) >> 32) * bound) >> 32);
}

/* Uniform in [lo, hi]. */
static inline uint32_t rng_range(struct rng *r, uint32_t lo, uint32_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

static inline bool rng_permille(struct rng *r, uint32_t permille)
{
	return rng_below(r, 1000) < permille;
}

static inline void rng_fill(struct rng *r, void *out, size_t len)
{
	uint8_t *p = out;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(rng_u64(r) >> 56);
}

#endif
