// SPDX-License-Identifier: MIT
/* The watchdog of the bus torture: who has not got on for too long? */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "torture_io_bus.h"

#define NR_PULSES (2 * MAX_THREADS + 2)
#define TICKS	  600 /* of 100 ms without a beat: it never will */

static struct pulse pulses[NR_PULSES];
static unsigned int nr_pulses;
static pthread_t thread;
static bool started, stopping;

struct pulse *pulse_new(const char *whose)
{
	unsigned int i = __atomic_fetch_add(&nr_pulses, 1, __ATOMIC_RELAXED);

	pulses[i].whose = whose;
	return &pulses[i];
}

void pulse_beat(struct pulse *pulse)
{
	__atomic_store_n(&pulse->beats, pulse->beats + 1, __ATOMIC_RELAXED);
}

void pulse_rest(struct pulse *pulse)
{
	__atomic_store_n(&pulse->resting, true, __ATOMIC_RELAXED);
}

/* Nobody can be joined any more. */
static void __attribute__((noreturn)) give_up(const struct pulse *pulse)
{
	cli_fail("torture io_bus", "%s got stuck; seed %lu", pulse->whose,
		 torture.seed);
	_exit(CLI_FAILURE);
}

struct listened {
	uint64_t beats;
	unsigned int ticks; /* since */
};

static void listen_to(const struct pulse *pulse, struct listened *last)
{
	uint64_t beats = __atomic_load_n(&pulse->beats, __ATOMIC_RELAXED);

	last->ticks = beats == last->beats ? last->ticks + 1 : 0;
	last->beats = beats;
	if (last->ticks > TICKS &&
	    !__atomic_load_n(&pulse->resting, __ATOMIC_RELAXED))
		give_up(pulse);
}

static void *watch(void *arg)
{
	struct timespec tick = {.tv_nsec = 100000000};
	static struct listened last[NR_PULSES];

	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		for (unsigned int i = 0; i < NR_PULSES; i++)
			if (__atomic_load_n(&nr_pulses, __ATOMIC_RELAXED) > i)
				listen_to(&pulses[i], &last[i]);
		nanosleep(&tick, NULL);
	}
	return NULL;
}

void watchdog_start(void)
{
	started = !pthread_create(&thread, NULL, watch, NULL);
}

void watchdog_stop(void)
{
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	if (started)
		pthread_join(thread, NULL);
}
