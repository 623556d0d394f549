// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "io_bus/counters.h"
#include "io_bus/doorbell.h"
#include "io_bus/region.h"
#include "io_bus/thread.h"

/* Of one thread.  Relaxed everywhere: no other data depends on a count. */
struct counter {
	uint64_t reads;
	uint64_t writes;
	uint64_t ns;
	uint64_t last_ns;
} __attribute__((aligned(64)));

/* By the number of the thread: block n has 2^n counters. */
struct bf_counters {
	struct counter *block[BF_THREAD_NUMBER_BITS];
};

uint64_t bf_count_start(void)
{
	return bf_now_ns();
}

/* Stores new, unless another thread was faster; returns the stored pointer. */
static void *counters_publish(void **where, void *new)
{
	void *old = NULL;

	if (!new)
		return NULL;
	if (__atomic_compare_exchange_n(where, &old, new, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return new;
	free(new);
	return old;
}

static struct bf_counters *get_counters(struct bf_counters **countersp)
{
	struct bf_counters *counters =
		__atomic_load_n(countersp, __ATOMIC_ACQUIRE);

	if (counters)
		return counters;
	return counters_publish((void **)countersp,
				calloc(1, sizeof(*counters)));
}

static struct counter *block_alloc(size_t count)
{
	struct counter *block =
		aligned_alloc(sizeof(*block), count * sizeof(*block));

	if (block)
		memset(block, 0, count * sizeof(*block));
	return block;
}

/* The calling thread's counter; NULL: no memory. */
static struct counter *get_counter(struct bf_counters *counters)
{
	const unsigned int number = (unsigned int)bf_thread_number() + 1;
	struct counter *block;
	unsigned int n;

	if (!number)
		return NULL;
	n = 31 - (unsigned int)__builtin_clz(number);
	block = __atomic_load_n(&counters->block[n], __ATOMIC_ACQUIRE);
	if (!block)
		block = counters_publish((void **)&counters->block[n],
					 block_alloc((size_t)1 << n));
	return block ? &block[number - (1U << n)] : NULL;
}

/* No other thread writes the word. */
static void counter_add(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, *word + value, __ATOMIC_RELAXED);
}

void bf_count(struct bf_counters **countersp, bool write, uint64_t start)
{
	struct bf_counters *counters = get_counters(countersp);
	struct counter *counter = counters ? get_counter(counters) : NULL;

	if (!counter)
		return;
	counter_add(write ? &counter->writes : &counter->reads, 1);
	counter_add(&counter->ns, bf_now_ns() - start);
	__atomic_store_n(&counter->last_ns, start, __ATOMIC_RELAXED);
}

static void sum_counter(const struct counter *counter,
			struct bf_io_stats *stats)
{
	uint64_t last = __atomic_load_n(&counter->last_ns, __ATOMIC_RELAXED);

	stats->reads += __atomic_load_n(&counter->reads, __ATOMIC_RELAXED);
	stats->writes += __atomic_load_n(&counter->writes, __ATOMIC_RELAXED);
	stats->ns += __atomic_load_n(&counter->ns, __ATOMIC_RELAXED);
	if (last > stats->last_ns)
		stats->last_ns = last;
}

void bf_counters_sum(struct bf_counters *const *countersp,
		     struct bf_io_stats *stats)
{
	const struct bf_counters *counters =
		__atomic_load_n(countersp, __ATOMIC_ACQUIRE);
	const struct counter *block;
	unsigned int n, i;

	memset(stats, 0, sizeof(*stats));
	for (n = 0; counters && n < BF_THREAD_NUMBER_BITS; n++) {
		block = __atomic_load_n(&counters->block[n], __ATOMIC_ACQUIRE);
		for (i = 0; block && i < 1U << n; i++)
			sum_counter(&block[i], stats);
	}
}

void bf_counters_free(struct bf_counters *counters)
{
	unsigned int n;

	if (!counters)
		return;
	for (n = 0; n < BF_THREAD_NUMBER_BITS; n++)
		free(counters->block[n]);
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
