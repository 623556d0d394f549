// SPDX-License-Identifier: MIT
/*
 * belfry bench srcu: each figure of the library beside its peers.  The figures
 * are medians of samples that are taken in turn.
 */
#include <stdio.h>
#include <string.h>

#include "tools/bench/common/bench.h"
#include "base/util.h"
#include "bench_srcu.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"

#define COMMAND	   "bench srcu"
#define MAX_SERIES 10 /* of a row: the library, its references, the peers */

/* One row: a figure of the library and of its peers. */
static const struct comparison {
	const char *name, *unit;
	const char *what; /* a description of the figure */
	const struct peer *own;
	double (*measure)(const struct peer *peer);
	/* The same without the disturbance of the row: the series "alone". */
	double (*measure_alone)(const struct peer *peer);
	const struct peer *references[3]; /* loops to compare with, or NULL */
	unsigned int rounds, peer_rounds;
	double percentile; /* of the library; the others have the median */
	const char *goal;
	double factor, slack; /* met: <= factor x the other, or + slack */
	const char *than;     /* a series; NULL: the limit is factor itself */
} comparisons[] = {
	{
		.name = "lock+unlock, fast",
		.unit = "ns",
		.what = "200,000 inline pairs, one thread",
		.own = &own_fast,
		.measure = measure_pair,
		.references = {&two_cpu_increments, &two_sequences,
			       &two_increments},
		.rounds = 31,
		.peer_rounds = 31,
		.percentile = 50,
		.goal = "<= 1.2 x two increments",
		.factor = 1.2,
		.than = "two increments",
	},
	{
		.name = "lock+unlock, fenced",
		.unit = "ns",
		.what = "the same",
		.own = &own_fenced,
		.measure = measure_pair,
		.references = {&two_increments_fence},
		.rounds = 31,
		.peer_rounds = 31,
		.percentile = 50,
		.goal = "<= 1.2 x two increments and a fence",
		.factor = 1.2,
		.than = "two increments and a fence",
	},
	{
		.name = "synchronize, no reader",
		.unit = "us",
		.what = "expedited, fenced",
		.own = &own_fenced,
		.measure = measure_sync,
		.rounds = 21,
		.peer_rounds = 21,
		.percentile = 50,
		.goal = "<= 0.5 x liburcu memb",
		.factor = 0.5,
		.than = "liburcu memb",
	},
	{
		.name = "synchronize, a spinning reader",
		.unit = "us",
		.what = "expedited, fenced; another thread in short sections",
		.own = &own_fenced,
		.measure = measure_sync_beside_reader,
		.rounds = 21,
		.peer_rounds = 21,
		.percentile = 50,
		.goal = "<= 0.1 x liburcu memb",
		.factor = 0.1,
		.than = "liburcu memb",
	},
	{
		.name = "expedited callback, idle worker",
		.unit = "us",
		.what = "from call to callback; peers: their only call",
		.own = &own_expedited,
		.measure = measure_call,
		.rounds = 101,
		.peer_rounds = 21,
		.percentile = 50,
		.goal = "<= 0.01 x liburcu memb",
		.factor = 0.01,
		.than = "liburcu memb",
	},
	{
		.name = "barrier, nothing pending",
		.unit = "us",
		.what = "one call, fenced",
		.own = &own_fenced,
		.measure = measure_barrier,
		.rounds = 101,
		.peer_rounds = 21,
		.percentile = 50,
		.goal = "< 1 us",
		.factor = 1,
	},
	{
		.name = "synchronize, a 50 ms sleeper elsewhere",
		.unit = "us",
		.what = "a reader asleep in another domain, if there are "
			"domains; alone: the thread asleep in no section",
		.own = &own_fenced,
		.measure = measure_sync_beside_sleeper,
		.measure_alone = measure_sync_beside_no_reader,
		.rounds = 15,
		.peer_rounds = 5,
		.percentile = 50,
		.goal = "<= 1.25 x alone, or 1 us more",
		.factor = 1.25,
		.slack = 1,
		.than = "alone",
	},
	{
		.name = "transfer: callback after synchronize, p99",
		.unit = "us",
		.what = "call, synchronize; from its return to the callback; "
			"peers: median",
		.own = &own_fenced,
		.measure = measure_transfer,
		.rounds = 500,
		.peer_rounds = 21,
		.percentile = 99,
		.goal = "<= 60 us",
		.factor = 60,
	},
	{
		.name = "reader leaves, sleeping waiter returns",
		.unit = "us",
		.what = "fenced, expedited",
		.own = &own_fenced,
		.measure = measure_wake,
		.rounds = 151,
		.peer_rounds = 151,
		.percentile = 50,
		.goal = "<= liburcu memb",
		.factor = 1,
		.than = "liburcu memb",
	},
};

#define NR_COMPARISONS (sizeof(comparisons) / sizeof(comparisons[0]))

/* The library first, then the series to compare it with. */
struct series {
	const char *name;
	const struct peer *peer;
	double (*measure)(const struct peer *peer);
	bool is_peer; /* not the library */
	struct samples samples;
};

static bool can_compare(const struct comparison *c, const struct peer *peer)
{
	return peer->call ||
	       (c->measure != measure_call && c->measure != measure_barrier &&
		c->measure != measure_transfer);
}

static unsigned int init_series(const struct comparison *c,
				struct series *series)
{
	unsigned int i, nr = 0;

	series[nr++] = (struct series){.peer = c->own, .measure = c->measure};
	if (c->measure_alone)
		series[nr++] = (struct series){.name = "alone",
					       .peer = c->own,
					       .measure = c->measure_alone};
	for (i = 0; i < ARRAY_SIZE(c->references) && c->references[i]; i++)
		series[nr++] = (struct series){.name = c->references[i]->name,
					       .peer = c->references[i],
					       .measure = c->measure};
	for (i = 0; peers[i] && c->peer_rounds; i++) {
		if (can_compare(c, peers[i]))
			series[nr++] = (struct series){.name = peers[i]->name,
						       .peer = peers[i],
						       .measure = c->measure,
						       .is_peer = true};
	}
	return nr;
}

/* Peers that need fewer samples are spread over all rounds. */
static bool is_peer_round(const struct comparison *c, unsigned int round)
{
	return (round + 1) * c->peer_rounds / c->rounds !=
	       round * c->peer_rounds / c->rounds;
}

static void take_samples(const struct comparison *c, struct series *series,
			 unsigned int nr)
{
	unsigned int round, i;

	for (round = 0; round < c->rounds; round++) {
		for (i = 0; i < nr; i++) {
			if (!series[i].is_peer || is_peer_round(c, round))
				samples_add(&series[i].samples,
					    series[i].measure(series[i].peer));
		}
	}
}

static void report_series(struct report *report, struct series *series)
{
	double median = samples_median(&series->samples);

	if (series->is_peer)
		report_peer(report, series->name, "%.2f", median);
	else
		report_number(report, series->name, "%.2f", median);
}

static bool is_met(const struct comparison *c, double value, double other)
{
	return value <= c->factor * other || value < other + c->slack;
}

/* Without the series of the goal there is no goal. */
static void report_met(struct report *report, const struct comparison *c,
		       double value, struct series *series, unsigned int nr)
{
	if (!c->than) {
		report_goal(report, c->goal, value <= c->factor);
		return;
	}
	for (unsigned int i = 1; i < nr; i++) {
		if (strcmp(series[i].name, c->than) != 0)
			continue;
		report_goal(report, c->goal,
			    is_met(c, value,
				   samples_median(&series[i].samples)));
		return;
	}
	report_text(report, "note", "the peer of the goal is absent");
}

static void compare(struct report *report, const struct comparison *c)
{
	struct series series[MAX_SERIES];
	unsigned int i, nr = init_series(c, series);
	double value;

	take_samples(c, series, nr);
	value = samples_percentile(&series[0].samples, c->percentile);
	report_row(report, c->name, c->unit);
	report_number(report, "value", "%.2f", value);
	for (i = 1; i < nr; i++)
		report_series(report, &series[i]);
	report_met(report, c, value, series, nr);
	report_text(report, "what", c->what);
	for (i = 0; i < nr; i++)
		samples_free(&series[i].samples);
}

static void (*const own_rows[])(struct report *report) = {
	bench_two_threads, bench_never_updated, bench_paces, bench_idle,
	bench_membarriers, bench_domains,	bench_flood, bench_memory,
};

#define NR_OWN_ROWS (sizeof(own_rows) / sizeof(own_rows[0]))

/*
 * Makes the implementations start their threads before the measuring thread is
 * pinned, because these inherit its CPUs.
 */
static void start_workers(void)
{
	measure_call(&own_fenced);
	measure_call(&own_fast);
	for (unsigned int i = 0; peers[i]; i++) {
		if (peers[i]->call)
			measure_call(peers[i]);
	}
}

static void measure_all(struct report *report)
{
	const unsigned long total = NR_COMPARISONS + NR_OWN_ROWS;
	unsigned long i;

	start_workers();
	pin_thread(0);
	for (i = 0; i < total; i++) {
		progress_show(COMMAND, i, total);
		if (i < NR_COMPARISONS)
			compare(report, &comparisons[i]);
		else
			own_rows[i - NR_COMPARISONS](report);
	}
	progress_clear();
}

static int measure(struct report *report)
{
	int ret = own_init();

	if (ret)
		return ret;
	measure_all(report);
	return own_cleanup();
}

static const struct bench bench = {
	.command = COMMAND,
	.help = "usage: belfry bench srcu [OPTIONS]\n"
		"\n"
		"The figures of the SRCU layer beside those of liburcu and ck_epoch\n"
		"(where belfry was built with them), in about half a minute.\n"
		"\n"
		"  --json        as JSON",
	.measure = measure,
};

int bench_srcu(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
