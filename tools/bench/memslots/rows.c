// SPDX-License-Identifier: MIT
/* The rows of `belfry bench memslots`. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belfry/memslots.h"
#include "tools/bench/common/bench.h"
#include "bench_memslots.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/samples.h"
#include "tools/belfry/common/xalloc.h"

#define LOOKUPS	   4096 /* in a sample */
#define ROUNDS	   101
#define ADDS	   200
#define ADD_GAP_US 20
#define ADD_ROUNDS 11
#define COPIES	   64 /* in a sample */
#define MAX_COPY   65536
#define MAX_TAKEN  (1 << 17) /* lookups of a round */

/* The library and its peer. */
static const struct slot_map *const maps[] = {&belfry_map, &peer_map};

/* Random addresses of 8 bytes that lie in one slot. */
static void random_gpas(uint64_t *gpas, size_t count, uint32_t slots)
{
	size_t i;

	for (i = 0; i < count; i++)
		gpas[i] = random_below(slots) * SLOT_STEP +
			  random_below(SLOT_SIZE / 8) * 8;
}

/* Adds the slots in a scattered order, which favours neither map. */
static void *new_map(const struct slot_map *type, uint32_t slots)
{
	void *map = type->create();
	uint32_t i;

	for (i = 0; i < slots; i++)
		type->add(map, (uint32_t)(i * 7919ULL % slots));
	return map;
}

static double find_ns(const struct slot_map *type, void *map,
		      const uint64_t *gpas, uint64_t *sum)
{
	uint64_t start = clock_ns();

	*sum = type->find(map, gpas, LOOKUPS);
	return (double)(clock_ns() - start) / LOOKUPS;
}

static void find_round(void *const *made, uint32_t slots,
		       struct samples *samples)
{
	uint64_t gpas[LOOKUPS], sums[2];
	int i;

	random_gpas(gpas, LOOKUPS, slots);
	for (i = 0; i < 2; i++)
		samples_add(&samples[i],
			    find_ns(maps[i], made[i], gpas, &sums[i]));
	if (sums[0] != sums[1]) {
		fputs("belfry bench memslots: the maps disagree\n", stderr);
		abort();
	}
}

static void report_beside_peer(struct report *report, double value, double peer)
{
	report_number(report, "value", "%.2f", value);
	report_peer(report, peer_map.name, "%.2f", peer);
}

void bench_slot_find(struct report *report, uint32_t slots)
{
	struct samples samples[2] = {{NULL, 0, 0}};
	double value, peer;
	void *made[2];
	char name[80];
	int i;

	for (i = 0; i < 2; i++)
		made[i] = new_map(maps[i], slots);
	for (i = 0; i < ROUNDS; i++)
		find_round(made, slots, samples);
	value = samples_median(&samples[0]);
	peer = samples_median(&samples[1]);
	snprintf(name, sizeof(name), "gpa to hva, random, %u slots", slots);
	report_row(report, name, "ns");
	report_beside_peer(report, value, peer);
	/* With one slot the peer does not search. */
	if (slots > 1)
		report_goal(report, "<= 0.5 x binary search, rwlock",
			    value <= 0.5 * peer);
	else
		report_goal(report, "<= 1 x binary search, rwlock",
			    value <= peer);
	for (i = 0; i < 2; i++) {
		maps[i]->destroy(made[i]);
		samples_free(&samples[i]);
	}
}

/*
 * A thread that looks up without pause while another thread adds slots.  It
 * takes samples only during the additions: a removal waits for readers, and is
 * not measured.  It stores them in memory that it has written before: a list
 * that grows takes page faults, and the kernel's copies empty the caches of the
 * lookups.
 */
struct reader {
	const struct slot_map *type;
	void *map;
	uint32_t slots;
	bool started, stop, sampling;
	uint32_t *taken; /* ns */
	size_t nr_taken;
	struct samples beside, alone; /* ns */
};

static bool flag_is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set_flag(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	uint64_t gpas[LOOKUPS], start;
	size_t i = 0;

	pin_thread(1);
	random_gpas(gpas, LOOKUPS, reader->slots);
	memset(reader->taken, 1, MAX_TAKEN * sizeof(*reader->taken));
	reader->nr_taken = 0;
	set_flag(&reader->started, true);
	while (!flag_is_set(&reader->stop)) {
		start = clock_ns();
		reader->type->find(reader->map, &gpas[i++ % LOOKUPS], 1);
		if (flag_is_set(&reader->sampling) &&
		    reader->nr_taken < MAX_TAKEN)
			reader->taken[reader->nr_taken++] =
				(uint32_t)(clock_ns() - start);
	}
	return NULL;
}

static void spin_us(uint64_t us)
{
	uint64_t end = clock_ns() + us * 1000;

	while (clock_ns() < end)
		;
}

/* Adds ADDS slots after the others in a scattered order, then removes them. */
static void add_some(struct reader *reader, struct samples *samples)
{
	uint64_t start;
	uint32_t i;

	set_flag(&reader->sampling, true);
	for (i = 0; i < ADDS; i++) {
		start = clock_ns();
		reader->type->add(reader->map, reader->slots + i * 37 % ADDS);
		samples_add(samples, (double)(clock_ns() - start) / 1000);
		spin_us(ADD_GAP_US);
	}
	set_flag(&reader->sampling, false);
	for (i = 0; i < ADDS; i++)
		reader->type->remove(reader->map, reader->slots + i);
}

/* The same time without a change. */
static void add_none(struct reader *reader)
{
	set_flag(&reader->sampling, true);
	spin_us(ADDS * ADD_GAP_US);
	set_flag(&reader->sampling, false);
}

/* adds: NULL: the reader runs alone. */
static void adder_round(struct reader *reader, struct samples *adds)
{
	struct samples *samples = adds ? &reader->beside : &reader->alone;
	pthread_t thread;
	size_t i;

	set_flag(&reader->started, false);
	set_flag(&reader->stop, false);
	if (pthread_create(&thread, NULL, reader_main, reader))
		xcheck(NULL);
	while (!flag_is_set(&reader->started))
		spin_us(10);
	if (adds)
		add_some(reader, adds);
	else
		add_none(reader);
	set_flag(&reader->stop, true);
	pthread_join(thread, NULL);
	for (i = 0; i < reader->nr_taken; i++)
		samples_add(samples, reader->taken[i]);
}

static void report_adder(struct report *report, uint32_t slots,
			 struct samples *adds)
{
	double value = samples_median(&adds[0]);
	char name[80];

	snprintf(name, sizeof(name), "slot added to %u beside a reader", slots);
	report_row(report, name, "us");
	report_beside_peer(report, value, samples_median(&adds[1]));
	report_number(report, "p99", "%.2f", samples_percentile(&adds[0], 99));
	report_goal(report, "<= 5 us", value <= 5);
}

static double p999_us(struct samples *samples)
{
	return samples_percentile(samples, 99.9) / 1000;
}

static void report_reader(struct report *report, uint32_t slots,
			  struct reader *readers)
{
	double value = p999_us(&readers[0].beside);
	char name[80];

	snprintf(name, sizeof(name), "lookup of that reader, p99.9, %u slots",
		 slots);
	report_row(report, name, "us");
	report_beside_peer(report, value, p999_us(&readers[1].beside));
	report_number(report, "alone", "%.2f", p999_us(&readers[0].alone));
	report_goal(report, "<= 1 us", value <= 1);
}

void bench_slot_add(struct report *report, uint32_t slots)
{
	struct samples adds[2] = {{NULL, 0, 0}};
	struct reader readers[2] = {{.type = NULL}};
	int i;

	for (i = 0; i < 2; i++) {
		readers[i].type = maps[i];
		readers[i].slots = slots;
		readers[i].map = new_map(maps[i], slots);
		readers[i].taken =
			xgrow(NULL, 0, MAX_TAKEN, sizeof(*readers[i].taken));
	}
	for (i = 0; i < 2 * ADD_ROUNDS; i++) {
		adder_round(&readers[i % 2], NULL);
		adder_round(&readers[i % 2], &adds[i % 2]);
	}
	report_adder(report, slots, adds);
	report_reader(report, slots, readers);
	for (i = 0; i < 2; i++) {
		maps[i]->destroy(readers[i].map);
		samples_free(&readers[i].beside);
		samples_free(&readers[i].alone);
		samples_free(&adds[i]);
		free(readers[i].taken);
	}
}

typedef void copy_fn(const struct bf_memslots_snapshot *snapshot, void *buf,
		     size_t len);

static void copy_plainly(const struct bf_memslots_snapshot *snapshot, void *buf,
			 size_t len)
{
	bf_memslots_snapshot_read(snapshot, 0, 0, buf, len);
}

static void copy_by_kernel(const struct bf_memslots_snapshot *snapshot,
			   void *buf, size_t len)
{
	size_t done;

	if (bf_memslots_try_read(snapshot, 0, 0, buf, len, &done))
		xcheck(NULL);
}

static double copy_ns(copy_fn *copy, struct bf_memslots *map, void *buf,
		      size_t len)
{
	struct bf_memslots_snapshot snapshot;
	uint64_t start = clock_ns();
	int i;

	for (i = 0; i < COPIES; i++) {
		bf_memslots_take(map, &snapshot);
		copy(&snapshot, buf, len);
		bf_memslots_drop(&snapshot);
	}
	return (double)(clock_ns() - start) / COPIES;
}

/* Has no goal: the kernel's call dominates. */
static void report_copy(struct report *report, struct bf_memslots *map,
			void *buf, size_t len)
{
	struct samples plain = {NULL, 0, 0}, kernel = {NULL, 0, 0};
	char name[80];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		samples_add(&plain, copy_ns(copy_plainly, map, buf, len));
		samples_add(&kernel, copy_ns(copy_by_kernel, map, buf, len));
	}
	snprintf(name, sizeof(name), "copy that may fault, %zu bytes", len);
	report_row(report, name, "ns");
	report_number(report, "value", "%.0f", samples_median(&kernel));
	report_peer(report, "plain copy", "%.0f", samples_median(&plain));
	samples_free(&plain);
	samples_free(&kernel);
}

void bench_copy(struct report *report)
{
	const struct bf_memslots_backing_desc desc = {.size = MAX_COPY};
	struct kvm_userspace_memory_region slot = {.memory_size = MAX_COPY};
	struct bf_memslots_backing backing;
	void *buf = xgrow(NULL, 0, MAX_COPY, 1);
	struct bf_memslots *map;
	size_t len;

	if (bf_memslots_backing_create(&desc, &backing))
		xcheck(NULL);
	if (bf_memslots_create(NULL, &map))
		xcheck(NULL);
	slot.userspace_addr = (uintptr_t)backing.hva;
	if (bf_memslots_set(map, &slot))
		xcheck(NULL);
	for (len = 64; len <= MAX_COPY; len *= 32)
		report_copy(report, map, buf, len);
	bf_memslots_destroy(map);
	bf_memslots_backing_destroy(&backing);
	free(buf);
}

static int show_prefault(void *opaque, uint64_t done, uint64_t total)
{
	progress_show("bench memslots, prefault, MiB", done >> 20, total >> 20);
	return 0;
}

/* Has no goal: the kernel's clearing of pages dominates. */
void bench_prefault(struct report *report)
{
	const struct bf_memslots_backing_desc desc = {
		.size = 256ULL << 20,
		.huge = true,
	};
	struct bf_memslots_backing backing;
	uint64_t start;

	if (bf_memslots_backing_create(&desc, &backing))
		xcheck(NULL);
	start = clock_ns();
	if (bf_memslots_backing_prefault(&backing, show_prefault, NULL))
		xcheck(NULL);
	report_row(report, "memory prefaulted, per GiB", "ms");
	report_number(report, "value", "%.0f",
		      4 * (double)(clock_ns() - start) / 1e6);
	bf_memslots_backing_destroy(&backing);
}
