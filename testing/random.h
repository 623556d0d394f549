/* SPDX-License-Identifier: MIT */
/* Random numbers that a seed repeats, for tests and tortures. */
#ifndef BF_TESTING_RANDOM_H
#define BF_TESTING_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* splitmix64: Steele, Lea, Flood, OOPSLA 2014. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline unsigned int random_below(uint64_t *state, unsigned int n)
{
	return (unsigned int)(((random_next(state) >> 32) * n) >> 32);
}

static inline void random_bytes(uint64_t *state, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)random_next(state);
}

#endif
