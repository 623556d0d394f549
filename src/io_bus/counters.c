// SPDX-License-Identifier: MIT
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "io_bus/counters.h"
#include "io_bus/doorbell.h"
#include "io_bus/region.h"
#include "srcu/gp.h"

/*
 * Of one CPU.  A thread may move to another CPU meanwhile, so the additions are
 * atomic.  Relaxed everywhere: no other data depends on a count.
 */
struct bf_counters {
	uint64_t reads;
	uint64_t writes;
	uint64_t ns;
	uint64_t last_ns;
} __attribute__((aligned(64)));

/* One for all CPUs where their number is not known. */
static unsigned int nr_counters(void)
{
	return bf_srcu_nr_slots ? bf_srcu_nr_slots : 1;
}

/* An array for all CPUs; NULL: no memory. */
static struct bf_counters *counters_make(void)
{
	const size_t size = nr_counters() * sizeof(struct bf_counters);
	struct bf_counters *counters =
		aligned_alloc(__alignof__(*counters), size);

	if (counters)
		memset(counters, 0, size);
	return counters;
}

/* Two threads may both make the array: the first one to store it wins. */
static struct bf_counters *counters_get(struct bf_counters **countersp)
{
	struct bf_counters *new,
		*counters = __atomic_load_n(countersp, __ATOMIC_ACQUIRE);

	if (counters)
		return counters;
	new = counters_make();
	if (!new ||
	    __atomic_compare_exchange_n(countersp, &counters, new, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return new;
	free(new);
	return counters;
}

static void count_add(uint64_t *word, uint64_t value)
{
	__atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}

static void count_max(uint64_t *word, uint64_t value)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (old < value &&
	       !__atomic_compare_exchange_n(word, &old, value, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void bf_count(struct bf_counters **countersp, bool write, uint64_t start)
{
	struct bf_counters *counters = counters_get(countersp);

	if (!counters)
		return;
	counters += (unsigned int)sched_getcpu() % nr_counters();
	count_add(write ? &counters->writes : &counters->reads, 1);
	count_add(&counters->ns, bf_now_ns() - start);
	count_max(&counters->last_ns, start);
}

void bf_counters_sum(struct bf_counters *const *countersp,
		     struct bf_io_stats *stats)
{
	struct bf_counters *counters =
		__atomic_load_n(countersp, __ATOMIC_ACQUIRE);
	unsigned int i;

	memset(stats, 0, sizeof(*stats));
	for (i = 0; counters && i < nr_counters(); i++, counters++) {
		stats->reads +=
			__atomic_load_n(&counters->reads, __ATOMIC_RELAXED);
		stats->writes +=
			__atomic_load_n(&counters->writes, __ATOMIC_RELAXED);
		stats->ns += __atomic_load_n(&counters->ns, __ATOMIC_RELAXED);
		count_max(&stats->last_ns, __atomic_load_n(&counters->last_ns,
							   __ATOMIC_RELAXED));
	}
}

void bf_counters_free(struct bf_counters *counters)
{
	free(counters);
}

int bf_io_count(struct bf_io_bus *bus, bool on)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret)
		return ret;
	change.state->counting = on;
	bf_change_commit(&change);
	return 0;
}

void bf_io_range_stats(const struct bf_io_range *range,
		       struct bf_io_stats *stats)
{
	bf_counters_sum(&range->region.entry.counters, stats);
}

void bf_io_doorbell_stats(const struct bf_io_doorbell *doorbell,
			  struct bf_io_stats *stats)
{
	bf_counters_sum(&doorbell->entry.counters, stats);
}

uint64_t bf_io_publications(const struct bf_io_bus *bus)
{
	return __atomic_load_n(&bus->changes, __ATOMIC_RELAXED);
}
