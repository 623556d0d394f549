// SPDX-License-Identifier: MIT
/* Lookups in tables of different sizes. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_vcpus.h"
#include "tools/belfry/common/xalloc.h"

#define ROUNDS	 41
#define NR_KEYS	 1024
#define LOOKUPS	 16384 /* in a sample, unless the peer scans */
#define NR_SIZES 3

static const uint32_t sizes[NR_SIZES] = {1, 255, VCPUS_MAX};

typedef void (*lookup_loop_fn)(void *table, const uint32_t *keys,
			       unsigned int count);

/* Tables of one size, one for each implementation, and the keys. */
struct subject {
	uint32_t size;
	uint32_t keys[NR_KEYS];
	void *tables[NR_VCPUS_PEERS];
	struct samples samples[NR_VCPUS_PEERS];
	struct samples empty;
};

/* Knuth's MMIX generator; uses its high bits. */
static uint32_t next_index(uint64_t *state, uint32_t size)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((*state >> 32) * size >> 32);
}

static void init_subject(struct subject *subject, uint32_t size,
			 struct bf_vcpu_entry *entries[], bool by_id)
{
	uint64_t state = size;

	subject->size = size;
	for (int i = 0; i < NR_KEYS; i++) {
		uint32_t index = next_index(&state, size);

		subject->keys[i] = by_id ? bench_id(index) : index;
	}
	for (int i = 0; i < NR_VCPUS_PEERS; i++)
		subject->tables[i] =
			bench_table(vcpus_peers[i], entries[i], size);
}

static void free_subject(struct subject *subject)
{
	for (int i = 0; i < NR_VCPUS_PEERS; i++) {
		vcpus_peers[i]->destroy(subject->tables[i]);
		samples_free(&subject->samples[i]);
	}
	samples_free(&subject->empty);
}

/* Returns nanoseconds per lookup, including its section. */
static double measure(lookup_loop_fn loop, void *table, const uint32_t *keys,
		      unsigned int count)
{
	uint64_t start;
	unsigned int done;

	loop(table, keys, NR_KEYS);
	start = clock_ns();
	for (done = 0; done < count; done += NR_KEYS)
		loop(table, keys, NR_KEYS);
	return (double)(clock_ns() - start) / count;
}

static void take_samples(struct subject *subject, bool by_id)
{
	samples_add(&subject->empty,
		    measure(vcpus_belfry_empty_loop, subject->tables[0],
			    subject->keys, LOOKUPS));
	for (int i = 0; i < NR_VCPUS_PEERS; i++) {
		const struct vcpus_peer *peer = vcpus_peers[i];
		bool scans = by_id && i > 0;

		samples_add(&subject->samples[i],
			    measure(by_id ? peer->by_id_loop :
					    peer->by_index_loop,
				    subject->tables[i], subject->keys,
				    scans ? NR_KEYS : LOOKUPS));
	}
}

static double value_of(struct subject *subject)
{
	return samples_median(&subject->samples[0]);
}

static void report_subject(struct report *report, struct subject *subject,
			   bool by_id)
{
	const char *what = by_id ? "id" : "index";
	double over = value_of(subject) - samples_median(&subject->empty);
	char name[60];

	snprintf(name, sizeof(name), "lookup by %s, %u vCPU%s", what,
		 subject->size, subject->size == 1 ? "" : "s");
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", value_of(subject));
	report_number(report, "empty section", "%.2f",
		      samples_median(&subject->empty));
	report_number(report, "over that", "%.2f", over);
	bench_report_peers(report, subject->samples);
	report_goal(report, "<= 5 ns over an empty section", over <= 5);
	report_text(report, "what",
		    by_id ? "as by index; the peers scan their arrays" :
			    "a section with one random lookup, one thread");
}

static void report_flatness(struct report *report, struct subject *subjects,
			    const char *what)
{
	double slowest = value_of(&subjects[0]), fastest = slowest;
	char name[60];

	for (int i = 1; i < NR_SIZES; i++) {
		double value = value_of(&subjects[i]);

		slowest = value > slowest ? value : slowest;
		fastest = value < fastest ? value : fastest;
	}
	snprintf(name, sizeof(name), "lookup by %s, slowest of these sizes",
		 what);
	report_row(report, name, "ratio");
	report_number(report, "value", "%.2f", slowest / fastest);
	report_goal(report, "<= 1.5 x the fastest", slowest <= 1.5 * fastest);
}

static void bench_lookups_by(struct report *report,
			     struct bf_vcpu_entry *entries[][NR_VCPUS_PEERS],
			     bool by_id)
{
	struct subject *subjects = xgrow(NULL, 0, NR_SIZES, sizeof(*subjects));

	for (int i = 0; i < NR_SIZES; i++)
		init_subject(&subjects[i], sizes[i], entries[i], by_id);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < NR_SIZES; i++)
			take_samples(&subjects[i], by_id);
	}
	for (int i = 0; i < NR_SIZES; i++)
		report_subject(report, &subjects[i], by_id);
	report_flatness(report, subjects, by_id ? "id" : "index");
	for (int i = 0; i < NR_SIZES; i++)
		free_subject(&subjects[i]);
	free(subjects);
}

/* An entry belongs to one table, so each table has entries of its own. */
void bench_lookups(struct report *report)
{
	struct bf_vcpu_entry *entries[NR_SIZES][NR_VCPUS_PEERS];

	for (int i = 0; i < NR_SIZES * NR_VCPUS_PEERS; i++)
		entries[i / NR_VCPUS_PEERS][i % NR_VCPUS_PEERS] =
			bench_entries();
	bench_lookups_by(report, entries, false);
	bench_lookups_by(report, entries, true);
	for (int i = 0; i < NR_SIZES * NR_VCPUS_PEERS; i++)
		free(entries[i / NR_VCPUS_PEERS][i % NR_VCPUS_PEERS]);
}
