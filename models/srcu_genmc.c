// SPDX-License-Identifier: MIT
/*
 * The scenario of srcu_scenario.h for GenMC, or for another checker of C11
 * programs with POSIX threads; without a checker, a stress test.
 *
 *	genmc -imm -- -DGENMC -D__BF_SRCU_MODEL -D__BF_SRCU_C11 \
 *		-Iinclude -Isrc models/srcu_genmc.c
 *
 * Debian has no package of GenMC.  srcu_genmc_native.c runs the file as GenMC
 * gets it, and the stress test runs its scenario for longer.
 *
 * -DREADERS=, -DSECTIONS= and -DUPDATES= enlarge it.  -DATOMIC_READERS chooses
 * the counters that need no restartable sequence.  Without -DGENMC the readers
 * read for SECONDS, or until UPDATES updates are done.
 *
 * The mutations of models/mutations/srcu/ must fail:
 *
 *	scripts/mutate models/mutations/srcu/sum-order.patch overlay
 *	genmc -imm -- -DGENMC -D__BF_SRCU_MODEL -D__BF_SRCU_C11 \
 *		-Ioverlay/include -Ioverlay/src -Iinclude -Isrc \
 *		models/srcu_genmc.c
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "srcu/gp.c"
#include "srcu/reader.c"

#ifdef GENMC
#ifndef UPDATES
#define UPDATES 1
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif
#define TURNS 3 /* of a wait loop; executions with more are dropped */
void __VERIFIER_assume(int condition);
#endif

#ifndef UPDATES
#define UPDATES 2000000
#endif
#ifndef SECONDS
#define SECONDS 2
#endif
#ifndef READERS
#define READERS 2
#endif
#define NR_SLOTS   (READERS + 1)
#define NR_OBJECTS (UPDATES + 1)

static void check(bool good, const char *what)
{
	(void)what;
	assert(good);
}

static void wait_for_readers(void);

static __thread unsigned int cpu; /* each thread has its own CPU */

static unsigned int thread_number(void)
{
	return cpu;
}

#include "srcu_scenario.h"
#include "srcu_stubs.h"

#ifdef GENMC
static void wait_for_readers(void)
{
	int i;

	bf_srcu_gp_start(&world.domain);
	for (i = 0; i < TURNS; i++) {
		if (bf_srcu_gp_advance(&world.domain))
			return;
	}
	__VERIFIER_assume(0);
}
#else
static int all_updated;

static void wait_for_readers(void)
{
	bf_srcu_gp_start(&world.domain);
	while (!bf_srcu_gp_advance(&world.domain))
		sched_yield();
}
#endif

/* A restartable sequence as other threads see it: a load and a plain store. */
bool __bf_srcu_rseq_inc(unsigned long *word)
{
#ifdef ATOMIC_READERS
	(void)word;
	return false;
#else
	word += cpu * (sizeof(struct __bf_srcu_slot) / sizeof(*word));
	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
	return true;
#endif
}

static void *reader(void *number)
{
	cpu = (unsigned int)(uintptr_t)number;
#ifdef GENMC
	for (int i = 0; i < SECTIONS; i++)
		read_once();
#else
	while (!__atomic_load_n(&all_updated, __ATOMIC_RELAXED))
		read_once();
#endif
	return NULL;
}

#ifdef GENMC
static void update_all(void)
{
	for (int i = 0; i < UPDATES; i++)
		update();
}
#else
static void update_all(void)
{
	time_t end = time(NULL) + SECONDS;

	for (int i = 0; i < UPDATES; i++) {
		update();
		if (i % 256 == 0 && time(NULL) >= end)
			break;
	}
	__atomic_store_n(&all_updated, 1, __ATOMIC_RELAXED);
}
#endif

int main(void)
{
	pthread_t threads[READERS];

	world_init(false);
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, reader, (void *)(i + 1));
	update_all();
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	world_check();
	return 0;
}
