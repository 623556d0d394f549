// SPDX-License-Identifier: MIT
/* The rows without peers. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_srcu.h"
#include "tools/belfry/common/sleep.h"
#include "srcu_worker.h"
#include "tools/belfry/common/xalloc.h"

#define NR_DOMAINS 1000

static void row(struct report *report, const char *name, const char *unit,
		const char *format, double value)
{
	report_row(report, name, unit);
	report_number(report, "value", format, value);
}

void bench_two_threads(struct report *report)
{
	const struct peer *const own[] = {&own_fast, &own_fenced};
	char name[80];

	for (int i = 0; i < 2; i++) {
		struct samples one = {NULL, 0, 0}, two = {NULL, 0, 0};

		for (int n = 0; n < 31; n++) {
			samples_add(&one, measure_pair(own[i]));
			samples_add(&two, measure_pair_of_two(own[i]));
		}
		snprintf(name, sizeof(name), "lock+unlock, %s, two threads",
			 own[i]->name);
		row(report, name, "ns", "%.2f", samples_median(&two));
		report_number(report, "alone", "%.2f", samples_median(&one));
		report_goal(report, "<= 1.05 x one thread",
			    samples_median(&two) <=
				    1.05 * samples_median(&one));
		samples_free(&one);
		samples_free(&two);
	}
}

static void unused_row(struct report *report, const struct peer *unused,
		       const struct peer *used, bool two)
{
	double (*measure)(const struct peer *peer) = two ? measure_pair_of_two :
							   measure_pair;
	struct samples never = {NULL, 0, 0}, after = {NULL, 0, 0};
	char name[80];

	for (int n = 0; n < 31; n++) {
		samples_add(&never, measure(unused));
		samples_add(&after, measure(used));
	}
	/* The least of each: other load adds time, and never takes any. */
	snprintf(name, sizeof(name), "lock+unlock, %s, never updated, %s",
		 unused->name, two ? "two threads" : "one thread");
	row(report, name, "ns", "%.2f", samples_min(&never));
	report_number(report, "updated", "%.2f", samples_min(&after));
	report_goal(report, "<= 1.1 x updated",
		    samples_min(&never) <= 1.1 * samples_min(&after));
	samples_free(&never);
	samples_free(&after);
}

void bench_never_updated(struct report *report)
{
	for (int two = 0; two < 2; two++) {
		unused_row(report, &own_unused_fast, &own_fast, two);
		unused_row(report, &own_unused_fenced, &own_fenced, two);
	}
}

static struct srcu_head paced_head;

static void paced_called(struct srcu_head *head)
{
}

/*
 * One synchronize, with or without a callback that was queued right before. The
 * barrier waits for the callback of the previous sample.  Some unmeasured calls
 * go ahead, so that both kinds find the same caches.
 */
static double paced_sync(bool call)
{
	uint64_t start;

	srcu_barrier(&bench_fenced);
	for (int i = 0; i < 3; i++)
		synchronize_srcu_expedited(&bench_fenced);
	if (call)
		call_srcu(&bench_fenced, &paced_head, paced_called);
	start = clock_ns();
	synchronize_srcu_expedited(&bench_fenced);
	return (double)(clock_ns() - start) / 1000.0;
}

static void bench_pace(struct report *report, unsigned int ms)
{
	struct samples alone = {NULL, 0, 0}, after = {NULL, 0, 0};
	char name[80];

	bf_srcu_set_pace(&bench_fenced, ms * 1000000ULL);
	for (int i = 0; i < 1000; i++) {
		samples_add(&alone, paced_sync(false));
		samples_add(&after, paced_sync(true));
	}
	srcu_barrier(&bench_fenced);
	snprintf(name, sizeof(name), "synchronize after call, pace %u ms", ms);
	row(report, name, "us", "%.3f", samples_midmean(&after));
	report_number(report, "alone", "%.3f", samples_midmean(&alone));
	report_goal(report, "<= 1 us above alone",
		    samples_midmean(&after) <= samples_midmean(&alone) + 1);
	samples_free(&alone);
	samples_free(&after);
}

void bench_paces(struct report *report)
{
	bench_pace(report, 1);
	bench_pace(report, 10);
	bench_pace(report, 1000);
	bf_srcu_set_pace(&bench_fenced, BF_SRCU_DEFAULT_PACE_NS);
}

/* Returns how often the thread slept, which is how often it was woken. */
static unsigned long sleeps_of(pid_t tid)
{
	char path[64], line[128];
	unsigned long count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &count) == 1)
			break;
	}
	fclose(file);
	return count;
}

static unsigned long worker_sleeps(void)
{
	pid_t tid;

	return find_srcu_workers(&tid) ? sleeps_of(tid) : 0;
}

void bench_idle(struct report *report)
{
	unsigned long before, woken;

	srcu_barrier(&bench_fenced);
	sleep_ms(100);
	before = worker_sleeps();
	sleep_ms(2000);
	woken = worker_sleeps() - before;
	row(report, "wake-ups of the idle worker in 2 s", "count", "%.0f",
	    (double)woken);
	report_goal(report, "0", woken == 0);
}

static bool reader_sleeps;

static void sleep_inside(void *unused)
{
	__atomic_store_n(&reader_sleeps, true, __ATOMIC_RELAXED);
	sleep_ms(2);
	__atomic_store_n(&reader_sleeps, false, __ATOMIC_RELAXED);
}

static void step_sleep(const struct peer *peer)
{
	peer->section(sleep_inside, NULL);
	sleep_ms(1);
}

static void wait_for_sleeper(void)
{
	while (!__atomic_load_n(&reader_sleeps, __ATOMIC_RELAXED))
		sched_yield();
}

static double membarriers_per_gp(unsigned int count, bool sleeper)
{
	struct bf_srcu_stats before, after;

	bf_srcu_get_stats(&bench_fast, &before);
	for (unsigned int i = 0; i < count; i++) {
		if (sleeper)
			wait_for_sleeper();
		synchronize_srcu_expedited(&bench_fast);
	}
	bf_srcu_get_stats(&bench_fast, &after);
	return (double)(after.membarriers - before.membarriers) /
	       (double)(after.grace_periods - before.grace_periods);
}

static struct srcu_struct *new_domains(void)
{
	struct srcu_struct *domains =
		xcheck(aligned_alloc(64, NR_DOMAINS * sizeof(*domains)));

	for (int i = 0; i < NR_DOMAINS; i++) {
		if (init_srcu_struct_fast(&domains[i]))
			xcheck(NULL);
	}
	return domains;
}

static void free_domains(struct srcu_struct *domains)
{
	for (int i = 0; i < NR_DOMAINS; i++) {
		srcu_barrier(&domains[i]);
		cleanup_srcu_struct(&domains[i]);
	}
	free(domains);
}

static struct srcu_head domain_heads[NR_DOMAINS];
static unsigned int domains_left;
static uint64_t domains_end;

static void domain_called(struct srcu_head *head)
{
	if (__atomic_sub_fetch(&domains_left, 1, __ATOMIC_RELAXED) == 0)
		__atomic_store_n(&domains_end, clock_ns(), __ATOMIC_RELEASE);
}

static void queue_all(struct srcu_struct *domains,
		      void (*call)(struct srcu_struct *ssp,
				   struct srcu_head *head,
				   void (*func)(struct srcu_head *head)))
{
	domains_left = NR_DOMAINS;
	domains_end = 0;
	for (int i = 0; i < NR_DOMAINS; i++)
		call(&domains[i], &domain_heads[i], domain_called);
}

static uint64_t wait_for_all(void)
{
	uint64_t end;

	while (!(end = __atomic_load_n(&domains_end, __ATOMIC_ACQUIRE)))
		sleep_ms(1);
	return end;
}

/* Queues an expedited callback on each; microseconds until the last has run. */
static double call_all(struct srcu_struct *domains)
{
	uint64_t start = clock_ns();

	queue_all(domains, call_srcu_expedited);
	return (double)(wait_for_all() - start) / 1000.0;
}

static double all_membarriers(struct srcu_struct *domains)
{
	struct bf_srcu_stats stats;
	uint64_t sum = 0;

	for (int i = 0; i < NR_DOMAINS; i++) {
		bf_srcu_get_stats(&domains[i], &stats);
		sum += stats.membarriers;
	}
	return (double)sum;
}

static bool worker_held, worker_released;

static void hold_worker(struct srcu_head *head)
{
	__atomic_store_n(&worker_held, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&worker_released, __ATOMIC_ACQUIRE))
		sleep_ms(1);
}

/* All are due at once: each has an urgent callback when the worker looks. */
static double shared_membarriers(void)
{
	struct srcu_struct *domains = new_domains();
	static struct srcu_head head;
	double count;

	call_srcu_expedited(&bench_fenced, &head, hold_worker);
	while (!__atomic_load_n(&worker_held, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	queue_all(domains, call_srcu_expedited);
	__atomic_store_n(&worker_released, true, __ATOMIC_RELEASE);
	wait_for_all();
	count = all_membarriers(domains);
	free_domains(domains);
	srcu_barrier(&bench_fenced);
	return count;
}

void bench_membarriers(struct report *report)
{
	struct helper *helper;
	double value;

	value = membarriers_per_gp(100, false);
	row(report, "membarriers per grace period", "count", "%.2f", value);
	report_goal(report, "1", value <= 1);

	helper = helper_start(step_sleep, &own_fast);
	value = membarriers_per_gp(100, true);
	helper_stop(helper);
	row(report, "the same, waiting for a sleeping reader", "count", "%.2f",
	    value);
	report_goal(report, "<= 2", value <= 2);

	value = shared_membarriers();
	row(report, "the same, 1000 domains due together", "count", "%.0f",
	    value);
	report_goal(report, "1", value <= 1);
}

void bench_domains(struct report *report)
{
	struct srcu_struct *domains = new_domains();
	struct helper *helper = helper_start(step_read, &own_fast);
	struct samples samples = {NULL, 0, 0};
	double value;

	for (int i = 0; i < 9; i++)
		samples_add(&samples, call_all(domains) / NR_DOMAINS);
	value = samples_median(&samples);
	helper_stop(helper);
	free_domains(domains);
	samples_free(&samples);
	row(report, "1000 fast domains, a grace period each, per domain", "us",
	    "%.2f", value);
	report_goal(report, "<= 1", value <= 1);
}

/*
 * Domains in flood: each has more than BF_SRCU_FLOOD callbacks, which queue
 * themselves again.
 */
#define FLOODED_DOMAINS 4
#define FLOOD_HEADS	(BF_SRCU_FLOOD + 1)

struct flooded {
	struct srcu_head head;
	struct srcu_struct *ssp;
};

static bool flood_ends;

static void flood_called(struct srcu_head *head)
{
	struct flooded *flooded = (struct flooded *)head;

	if (!__atomic_load_n(&flood_ends, __ATOMIC_RELAXED))
		call_srcu_expedited(flooded->ssp, head, flood_called);
}

static struct flooded *flood_start(struct srcu_struct *domains)
{
	struct flooded *heads = xcheck(
		calloc((size_t)FLOODED_DOMAINS * FLOOD_HEADS, sizeof(*heads)));

	for (int i = 0; i < FLOODED_DOMAINS * FLOOD_HEADS; i++) {
		heads[i].ssp = &domains[i % FLOODED_DOMAINS];
		call_srcu_expedited(heads[i].ssp, &heads[i].head, flood_called);
	}
	return heads;
}

static void flood_end(struct srcu_struct *domains, struct flooded *heads)
{
	__atomic_store_n(&flood_ends, true, __ATOMIC_RELAXED);
	for (int i = 0; i < FLOODED_DOMAINS; i++) {
		srcu_barrier(&domains[i]);
		cleanup_srcu_struct(&domains[i]);
	}
	free(heads);
}

void bench_flood(struct report *report)
{
	struct srcu_struct domains[FLOODED_DOMAINS];
	struct samples samples = {NULL, 0, 0};
	struct flooded *heads;
	double value;

	for (int i = 0; i < FLOODED_DOMAINS; i++) {
		if (init_srcu_struct(&domains[i]))
			xcheck(NULL);
	}
	heads = flood_start(domains);
	for (int i = 0; i < 2000; i++)
		samples_add(&samples, measure_call(&own_expedited) / 1000.0);
	flood_end(domains, heads);
	value = samples_percentile(&samples, 99);
	row(report, "expedited callback beside 4 flooded domains, p99", "ms",
	    "%.3f", value);
	report_number(report, "median", "%.3f", samples_median(&samples));
	report_goal(report, "<= 1 ms", value <= 1);
	samples_free(&samples);
}

void bench_memory(struct report *report)
{
	row(report, "memory of a domain, without CPUs", "bytes", "%.0f",
	    (double)sizeof(struct srcu_struct));
	report_goal(report, "<= 512", sizeof(struct srcu_struct) <= 512);
	row(report, "memory of a domain, per CPU", "bytes", "%.0f",
	    (double)sizeof(struct __bf_srcu_slot));
	report_goal(report, "<= 64", sizeof(struct __bf_srcu_slot) <= 64);
}
