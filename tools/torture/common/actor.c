// SPDX-License-Identifier: MIT
/* The threads of a torture: random numbers, tallies, failures. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "actor.h"

struct torture torture;
struct post posts[NR_POSTS];

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

uint64_t actor_random_bits(struct actor *actor)
{
	return random_next(&actor->random);
}

unsigned int actor_random(struct actor *actor, unsigned int n)
{
	return random_below(&actor->random, n);
}

/* There are as many as there can be actors. */
static struct post *take_post(unsigned int kind, unsigned int number)
{
	struct post *post = posts;

	while (__atomic_exchange_n(&post->taken, true, __ATOMIC_ACQUIRE))
		post++;
	__atomic_store_n(&post->kind, kind, __ATOMIC_RELAXED);
	__atomic_store_n(&post->number, number, __ATOMIC_RELAXED);
	return post;
}

static void leave_post(struct post *post)
{
	__atomic_store_n(&post->doing, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&post->taken, false, __ATOMIC_RELEASE);
}

void actor_does(struct actor *actor, const char *what, const char *where)
{
	struct post *post = actor->post;

	__atomic_store_n(&post->where, where, __ATOMIC_RELAXED);
	__atomic_store_n(&post->doing, what, __ATOMIC_RELAXED);
	__atomic_store_n(&post->steps, post->steps + 1, __ATOMIC_RELAXED);
}

void actor_rests(struct actor *actor)
{
	actor_does(actor, NULL, NULL);
}

void actor_init(struct actor *actor, unsigned int kind, unsigned int number)
{
	memset(actor, 0, sizeof(*actor));
	actor->number = number;
	actor->post = take_post(kind, number);
	actor->random = torture.seed;
	actor->random = actor_random_bits(actor) + kind;
	actor->random = actor_random_bits(actor) + number;
}

void actor_done(struct actor *actor)
{
	leave_post(actor->post);
	for (int i = 0; i < MAX_TALLIES; i++)
		__atomic_fetch_add(&torture.tallies[i], actor->tallies[i],
				   __ATOMIC_RELAXED);
}
