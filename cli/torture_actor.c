// SPDX-License-Identifier: MIT
/* The threads of a torture: random numbers, tallies, failures. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "torture_actor.h"

struct torture torture;

bool torture_stopped(void)
{
	return __atomic_load_n(&torture.stop, __ATOMIC_RELAXED);
}

void torture_stop(void)
{
	__atomic_store_n(&torture.stop, true, __ATOMIC_RELAXED);
}

void torture_fail(const char *format, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&torture.failing, true, __ATOMIC_RELAXED)) {
		va_start(args, format);
		vsnprintf(torture.failure, sizeof(torture.failure), format,
			  args);
		va_end(args);
	}
	torture_stop();
}

/* splitmix64: Steele, Lea, Flood, OOPSLA 2014. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

unsigned int actor_random(struct actor *actor, unsigned int n)
{
	return (unsigned int)(((next_random(&actor->random) >> 32) * n) >> 32);
}

void actor_init(struct actor *actor, unsigned int kind, unsigned int number)
{
	memset(actor, 0, sizeof(*actor));
	actor->number = number;
	actor->random = torture.seed;
	actor->random = next_random(&actor->random) + kind;
	actor->random = next_random(&actor->random) + number;
}

void actor_done(struct actor *actor)
{
	for (int i = 0; i < MAX_TALLIES; i++)
		__atomic_fetch_add(&torture.tallies[i], actor->tallies[i],
				   __ATOMIC_RELAXED);
}
