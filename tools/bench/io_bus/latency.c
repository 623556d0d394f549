// SPDX-License-Identifier: MIT
/* Latency of single dispatches while another thread changes the bus. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/common/ticks.h"
#include "tools/bench/io_bus/bench_io_bus.h"

#define RANGES		1000
#define ROUNDS		15
#define DISPATCHES	20000 /* in a round: 20 of them are above p99.9 */
#define PEER_ROUNDS	3
#define PEER_DISPATCHES 5000 /* one may take milliseconds */
#define SPARE		8    /* ranges that the changer adds and removes */

/* Return the ticks between two successive time stamps. */
static uint64_t ticks_cost(void)
{
	struct samples samples = {NULL, 0, 0};
	uint64_t start, cost;

	for (int i = 0; i < 10001; i++) {
		start = ticks();
		samples_add(&samples, (double)(ticks() - start));
	}
	cost = (uint64_t)samples_median(&samples);
	samples_free(&samples);
	return cost;
}

struct changer {
	pthread_t thread;
	const struct bus_peer *peer;
	void *bus;
	unsigned long changes;
	bool started, stop;
};

static void change(struct changer *changer)
{
	void *ranges[SPARE];
	size_t i;

	for (i = 0; i < SPARE; i++) {
		const struct bf_io_range_desc desc = place_desc(200 * i + 1);

		ranges[i] = changer->peer->add(changer->bus, &desc);
		must(ranges[i] ? 0 : -ENOMEM, "register beside accesses");
	}
	for (i = 0; i < SPARE; i++)
		changer->peer->remove(changer->bus, ranges[i]);
	changer->changes += 2 * SPARE;
}

static void *changer_main(void *arg)
{
	struct changer *changer = arg;

	pin_thread(1);
	do {
		change(changer);
		__atomic_store_n(&changer->started, true, __ATOMIC_RELEASE);
	} while (!__atomic_load_n(&changer->stop, __ATOMIC_RELAXED));
	return NULL;
}

static void changer_start(struct changer *changer, const struct bus_peer *peer,
			  void *bus)
{
	*changer = (struct changer){.peer = peer, .bus = bus};
	must(-pthread_create(&changer->thread, NULL, changer_main, changer),
	     "start a thread");
	while (!__atomic_load_n(&changer->started, __ATOMIC_ACQUIRE))
		;
}

static void changer_stop(struct changer *changer)
{
	__atomic_store_n(&changer->stop, true, __ATOMIC_RELAXED);
	pthread_join(changer->thread, NULL);
}

/* A bus, and samples of the 99.9th percentile of each round in ns. */
struct subject {
	const struct bus_peer *peer;
	void *bus;
	size_t count; /* dispatches in a round */
	struct samples quiet, busy, changes_per_s;
	uint64_t preempted;
};

/* Store the ticks of each dispatch, and do nothing else, for warm caches. */
static void time_dispatches(const struct load *load,
			    const struct subject *subject, uint64_t *taken)
{
	uint64_t start;

	subject->peer->write_all(subject->bus, load->addrs, subject->count);
	for (size_t i = 0; i < subject->count; i++) {
		start = ticks();
		subject->peer->write_all(subject->bus, &load->addrs[i], 1);
		taken[i] = ticks() - start;
	}
}

/* Return the 99.9th percentile in ns, less the cost of the clock. */
static double measure_dispatches(const struct load *load,
				 const struct subject *subject, uint64_t cost)
{
	static uint64_t taken[DISPATCHES];
	struct samples samples = {NULL, 0, 0};
	uint64_t start_ns = clock_ns(), start_ticks = ticks();
	double ns_per_tick, p999;

	time_dispatches(load, subject, taken);
	ns_per_tick = (double)(clock_ns() - start_ns) /
		      (double)(ticks() - start_ticks);
	for (size_t i = 0; i < subject->count; i++)
		samples_add(&samples, (double)taken[i]);
	p999 = samples_percentile(&samples, 99.9);
	samples_free(&samples);
	return p999 > (double)cost ? (p999 - (double)cost) * ns_per_tick : 0;
}

static void measure_round(const struct load *load, struct subject *subject,
			  uint64_t cost)
{
	struct changer changer;
	uint64_t preempted, start;

	samples_add(&subject->quiet, measure_dispatches(load, subject, cost));
	changer_start(&changer, subject->peer, subject->bus);
	start = clock_ns();
	preempted = preemptions();
	samples_add(&subject->busy, measure_dispatches(load, subject, cost));
	subject->preempted += preemptions() - preempted;
	changer_stop(&changer);
	samples_add(&subject->changes_per_s,
		    (double)changer.changes * 1e9 /
			    (double)(clock_ns() - start));
}

#define NR_BELFRY 3

static const struct bus_peer *const belfry_kinds[NR_BELFRY] = {
	&belfry_bus,
	&belfry_bus_async,
	&belfry_doorbells,
};

struct scene {
	struct load ranges, doorbells;
	struct subject belfry[NR_BELFRY], peers[MAX_BUS_PEERS];
	size_t nr_peers;
};

static void subject_init(struct subject *subject, const struct bus_peer *peer,
			 size_t count)
{
	*subject = (struct subject){
		.peer = peer,
		.count = count,
		.bus = filled_bus(peer, RANGES),
	};
}

static void subject_free(struct subject *subject)
{
	subject->peer->destroy(subject->bus);
	samples_free(&subject->quiet);
	samples_free(&subject->busy);
	samples_free(&subject->changes_per_s);
}

static void scene_init(struct scene *scene)
{
	const struct bus_choice choice = changeable_peers(true);
	size_t i;

	load_init(&scene->ranges, RANGES, false);
	load_init(&scene->doorbells, RANGES, true);
	for (i = 0; i < NR_BELFRY; i++)
		subject_init(&scene->belfry[i], belfry_kinds[i], DISPATCHES);
	for (i = 0; choice.peers[i]; i++)
		subject_init(&scene->peers[i], choice.peers[i],
			     PEER_DISPATCHES);
	scene->nr_peers = i;
}

static void scene_free(struct scene *scene)
{
	size_t i;

	for (i = 0; i < NR_BELFRY; i++)
		subject_free(&scene->belfry[i]);
	for (i = 0; i < scene->nr_peers; i++)
		subject_free(&scene->peers[i]);
	load_free(&scene->ranges);
	load_free(&scene->doorbells);
}

static void measure_scene(struct scene *scene)
{
	uint64_t cost = ticks_cost();
	size_t i;

	for (int round = 0; round < ROUNDS; round++) {
		for (i = 0; i < NR_BELFRY; i++)
			measure_round(belfry_kinds[i] == &belfry_doorbells ?
					      &scene->doorbells :
					      &scene->ranges,
				      &scene->belfry[i], cost);
		for (i = 0; i < scene->nr_peers && round < PEER_ROUNDS; i++)
			measure_round(&scene->ranges, &scene->peers[i], cost);
	}
}

static void report_subject(struct report *report, struct subject *belfry)
{
	double busy = samples_median(&belfry->busy);
	double quiet = samples_median(&belfry->quiet);
	char what[120];

	report_number(report, "value", "%.0f", busy);
	report_number(report, "alone", "%.0f", quiet);
	report_number(report, "max", "%.0f", samples_max(&belfry->busy));
	report_count(report, "preempted", belfry->preempted);
	report_goal(report, "<= 1000", busy <= 1000);
	snprintf(what, sizeof(what),
		 "single accesses less the clock; %.0f changes a second",
		 samples_median(&belfry->changes_per_s));
	report_text(report, "what", what);
}

void bench_bus_beside_changes(struct report *report)
{
	struct scene scene;
	char name[80];
	size_t i, j;

	scene_init(&scene);
	measure_scene(&scene);
	for (i = 0; i < NR_BELFRY; i++) {
		snprintf(name, sizeof(name),
			 "dispatch p99.9 beside register and %s",
			 belfry_kinds[i]->name);
		report_row(report, name, "ns");
		report_subject(report, &scene.belfry[i]);
		for (j = 0; !i && j < scene.nr_peers; j++)
			report_peer(report, scene.peers[j].peer->name, "%.0f",
				    samples_median(&scene.peers[j].busy));
	}
	scene_free(&scene);
}
