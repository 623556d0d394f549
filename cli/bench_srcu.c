// SPDX-License-Identifier: MIT
/*
 * belfry bench srcu: each figure of the library beside its peers, as medians
 * of samples that are taken in turn.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "bench_srcu.h"
#include "cli.h"
#include "progress.h"

#define COMMAND	  "bench srcu"
#define MAX_PEERS 6

/* One row: a figure of the library and of its peers. */
static const struct comparison {
	const char *name, *unit;
	const char *what; /* is measured */
	const struct peer *own;
	double (*measure)(const struct peer *peer);
	unsigned int rounds, peer_rounds;
	double percentile; /* of the samples; peers: the median */
	const char *goal;
	double factor;
	const char *than; /* a peer, a flavour, or NULL: an absolute limit */
} comparisons[] = {
	{"lock+unlock, fast", "ns", "200,000 inline pairs, one thread",
	 &own_fast, measure_pair, 31, 31, 50, "<= 1.15 x liburcu memb", 1.15,
	 "liburcu memb"},
	{"lock+unlock, fenced", "ns", "the same", &own_fenced, measure_pair, 31,
	 31, 50, "<= 0.35 x liburcu mb", 0.35, "liburcu mb"},
	{"lock+unlock, fenced and fast", "ns", "the same", &own_fenced,
	 measure_pair, 31, 0, 50, "<= 2.5 x fast", 2.5, "fast"},
	{"synchronize, nobody reads", "us", "expedited, fenced", &own_fenced,
	 measure_sync, 21, 21, 50, "<= 0.5 x liburcu memb", 0.5,
	 "liburcu memb"},
	{"synchronize, a spinning reader", "us",
	 "expedited, fenced; another thread in short sections", &own_fenced,
	 measure_sync_beside_reader, 21, 21, 50, "<= 0.1 x liburcu memb", 0.1,
	 "liburcu memb"},
	{"expedited callback, idle worker", "us", "from call to callback",
	 &own_expedited, measure_call, 101, 21, 50, "<= 0.01 x liburcu memb",
	 0.01, "liburcu memb"},
	{"barrier, nothing pending", "us", "", &own_fenced, measure_barrier,
	 101, 21, 50, "< 1 us", 1, NULL},
	{"synchronize, a 50 ms sleeper elsewhere", "us",
	 "a reader asleep in another domain, if there are domains", &own_fenced,
	 measure_sync_beside_sleeper, 9, 5, 50, "<= 0.01 x liburcu memb", 0.01,
	 "liburcu memb"},
	{"transfer: callback after synchronize, p99", "us",
	 "call, synchronize; from its return to the callback", &own_fenced,
	 measure_transfer, 500, 21, 99, "<= 60 us", 60, NULL},
	{"reader leaves, sleeping waiter returns", "us", "fenced, expedited",
	 &own_fenced, measure_wake, 51, 51, 50, "<= liburcu memb", 1,
	 "liburcu memb"},
};

#define NR_COMPARISONS (sizeof(comparisons) / sizeof(comparisons[0]))

struct series {
	const struct peer *peer;
	struct samples samples;
};

/* The library first, then whoever can be compared. */
static unsigned int init_series(const struct comparison *c,
				struct series *series)
{
	unsigned int i, nr = 0;

	series[nr++].peer = c->own;
	if (c->than == own_fast.name)
		series[nr++].peer = &own_fast;
	for (i = 0; peers[i] && c->peer_rounds; i++) {
		if (peers[i]->call || (c->measure != measure_call &&
				       c->measure != measure_barrier &&
				       c->measure != measure_transfer))
			series[nr++].peer = peers[i];
	}
	return nr;
}

static void take_samples(const struct comparison *c, struct series *series,
			 unsigned int nr)
{
	unsigned int round, i;

	for (round = 0; round < c->rounds; round++) {
		samples_add(&series[0].samples, c->measure(c->own));
		for (i = 1; i < nr && round < c->peer_rounds; i++)
			samples_add(&series[i].samples,
				    c->measure(series[i].peer));
	}
	/* A flavour of the library is measured as often as the library. */
	for (i = 1; i < nr && !c->peer_rounds; i++) {
		for (round = 0; round < c->rounds; round++)
			samples_add(&series[i].samples,
				    c->measure(series[i].peer));
	}
}

static void report_peer(struct report *report, struct series *series)
{
	char key[40];

	snprintf(key, sizeof(key), "peers.%s", series->peer->name);
	report_number(report, key, "%.2f", samples_median(&series->samples));
}

/* No goal where there is nobody to compare with. */
static void report_met(struct report *report, const struct comparison *c,
		       double value, struct series *series, unsigned int nr)
{
	if (!c->than) {
		report_goal(report, c->goal, value <= c->factor);
		return;
	}
	for (unsigned int i = 1; i < nr; i++) {
		if (strcmp(series[i].peer->name, c->than) != 0)
			continue;
		report_goal(report, c->goal,
			    value <= c->factor * samples_median(
							 &series[i].samples));
		return;
	}
	report_text(report, "note", "the peer of the goal is absent");
}

static void compare(struct report *report, const struct comparison *c)
{
	struct series series[MAX_PEERS + 1] = {{NULL, {NULL, 0, 0}}};
	unsigned int i, nr = init_series(c, series);
	double value;

	take_samples(c, series, nr);
	value = samples_percentile(&series[0].samples, c->percentile);
	report_row(report, c->name, c->unit);
	report_number(report, "value", "%.2f", value);
	for (i = 1; i < nr; i++)
		report_peer(report, &series[i]);
	report_met(report, c, value, series, nr);
	report_text(report, "what", c->what);
	for (i = 0; i < nr; i++)
		samples_free(&series[i].samples);
}

static void (*const own_rows[])(struct report *report) = {
	bench_two_threads, bench_paces,	  bench_idle,
	bench_membarriers, bench_domains, bench_memory,
};

#define NR_OWN_ROWS (sizeof(own_rows) / sizeof(own_rows[0]))

/*
 * Threads that the implementations start for callbacks are started here,
 * before the measuring thread is pinned: they inherit where they may run.
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

static int run(bool json)
{
	struct report *report;
	int ret = own_init();

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	report = report_new(json);
	measure_all(report);
	report_print(report, stdout);
	report_free(report);
	ret = own_cleanup();
	if (ret)
		return cli_fail(COMMAND, "the end: %s", strerror(-ret));
	return CLI_OK;
}

static const char help[] =
	"usage: belfry bench srcu [OPTIONS]\n"
	"\n"
	"The figures of the SRCU layer beside those of liburcu and ck_epoch\n"
	"(where belfry was built with them), in about half a minute.\n"
	"\n"
	"  --json        as JSON";

int bench_srcu(int argc, char **argv)
{
	return bench_main(COMMAND, help, run, argc, argv);
}
