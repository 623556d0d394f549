// SPDX-License-Identifier: MIT
/* Single registrations and removals on a bus with many entries. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/io_bus/bench_io_bus.h"

#define PRESENT 100000
#define ROUNDS	31
#define CHANGES 200 /* registrations, then as many removals, in a round */

/* A bus, and samples of one registration and one removal in us. */
struct subject {
	const struct bus_peer *peer;
	void *bus;
	struct samples add, remove;
};

static void subject_init(struct subject *subject, const struct bus_peer *peer)
{
	*subject = (struct subject){
		.peer = peer,
		.bus = filled_bus(peer, PRESENT),
	};
}

static void subject_free(struct subject *subject)
{
	subject->peer->destroy(subject->bus);
	samples_free(&subject->add);
	samples_free(&subject->remove);
}

static bool is_belfry(const struct subject *subject)
{
	return subject->peer->write_all == belfry_bus.write_all;
}

/* Finish pending frees before a measurement. */
static void drain(struct subject *subject)
{
	if (is_belfry(subject))
		belfry_bus_drain(subject->bus);
}

static double since(uint64_t start)
{
	return (double)(clock_ns() - start) / 1000.0;
}

static void *add_one(struct subject *subject, size_t place)
{
	const struct bf_io_range_desc desc = place_desc(place);
	uint64_t start = clock_ns();
	void *range = subject->peer->add(subject->bus, &desc);

	samples_add(&subject->add, since(start));
	return range;
}

static void remove_one(struct subject *subject, void *range)
{
	uint64_t start = clock_ns();

	subject->peer->remove(subject->bus, range);
	samples_add(&subject->remove, since(start));
}

/* Register and remove at free places all over the space. */
static void measure_round(struct subject *subject)
{
	void *ranges[CHANGES];
	size_t i, nr = 0;

	drain(subject);
	for (i = 0; i < CHANGES; i++) {
		/* NULL if this place was drawn before. */
		void *range = add_one(subject, 2 * random_below(PRESENT) + 1);

		if (range)
			ranges[nr++] = range;
	}
	drain(subject);
	for (i = 0; i < nr; i++)
		remove_one(subject, ranges[i]);
}

static void report_samples(struct report *report, const char *name,
			   struct samples *samples)
{
	report_row(report, name, "us");
	report_number(report, "value", "%.2f", samples_median(samples));
	report_number(report, "p999", "%.2f",
		      samples_percentile(samples, 99.9));
	report_number(report, "max", "%.2f", samples_max(samples));
	report_goal(report, "<= 2", samples_median(samples) <= 2);
}

/* Measure both changes for one kind of entry. */
static void measure_changes(struct report *report,
			    const struct bus_peer *belfry, const char *thing,
			    const struct bus_choice *choice)
{
	struct subject subjects[1 + MAX_BUS_PEERS];
	size_t i, nr = 1;
	char name[80];

	subject_init(&subjects[0], belfry);
	for (; choice && choice->peers[nr - 1]; nr++)
		subject_init(&subjects[nr], choice->peers[nr - 1]);
	for (int round = 0; round < ROUNDS; round++) {
		for (i = 0; i < nr; i++)
			measure_round(&subjects[i]);
	}
	snprintf(name, sizeof(name), "register a %s, 100000 present", thing);
	report_samples(report, name, &subjects[0].add);
	for (i = 1; i < nr; i++)
		report_peer(report, subjects[i].peer->name, "%.2f",
			    samples_median(&subjects[i].add));
	snprintf(name, sizeof(name), "remove a %s, 100000 present, idle",
		 thing);
	report_samples(report, name, &subjects[0].remove);
	for (i = 1; i < nr; i++)
		report_peer(report, subjects[i].peer->name, "%.2f",
			    samples_median(&subjects[i].remove));
	for (i = 0; i < nr; i++)
		subject_free(&subjects[i]);
}

void bench_bus_changes(struct report *report)
{
	const struct bus_choice choice = changeable_peers(false);

	measure_changes(report, &belfry_bus, "range", &choice);
	measure_changes(report, &belfry_doorbells, "doorbell", NULL);
}
