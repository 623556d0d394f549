// SPDX-License-Identifier: MIT
/* belfry torture srcu: set-up, run, summary. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/report.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/thread_group.h"
#include "tools/torture/common/main.h"
#include "torture_srcu.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "torture srcu"

static struct srcu_struct fenced, fenced_slow, fenced_polled;
static struct srcu_struct fast, fast_eager, fast_polled;
DEFINE_STATIC_SRCU(fenced_static);
DEFINE_STATIC_SRCU_FAST(fast_static);

static struct domain domains[] = {
	{&fenced, "fenced", false, DOMAIN_BRISK, NULL},
	{&fenced_slow, "fenced, 50 ms pace", false, DOMAIN_COMMON, NULL},
	{&fenced_static, "fenced, static", false, DOMAIN_COMMON, NULL},
	{&fenced_polled, "fenced, polled only", false, DOMAIN_POLLED, NULL},
	{&fast, "fast", true, DOMAIN_BRISK, NULL},
	{&fast_eager, "fast, no pace", true, DOMAIN_COMMON, NULL},
	{&fast_static, "fast, static", true, DOMAIN_COMMON, NULL},
	{&fast_polled, "fast, polled only", true, DOMAIN_POLLED, NULL},
};

struct srcu_torture srcu_torture;

#define NR_DOMAINS (sizeof(domains) / sizeof(domains[0]))

static const char *const tally_names[NR_TALLIES] = {
	[TALLY_SECTIONS] = "sections",
	[TALLY_NESTED] = "sections inside others",
	[TALLY_SLEPT] = "sleeps in sections",
	[TALLY_HANDED_OVER] = "sections ended by another thread",
	[TALLY_THREADS] = "threads that came and went",
	[TALLY_SYNC] = "synchronize_srcu",
	[TALLY_SYNC_EXPEDITED] = "synchronize_srcu_expedited",
	[TALLY_CALLBACKS] = "callbacks",
	[TALLY_POLLED] = "polled cookies",
	[TALLY_BARRIERS] = "srcu_barrier",
	[TALLY_SELF_POLLED] = "cookies of the poller alone",
	[TALLY_WAITED_IN_CALLBACK] = "waits in callbacks",
	[TALLY_TRANSIENTS] = "domains that came and went",
	[TALLY_BUSY] = "cleanups of busy domains",
	[TALLY_FORKS] = "children that used every domain",
};

static const char *const thread_kind_names[NR_THREAD_KINDS] = {
	[THREAD_READER] = "reader",   [THREAD_PASSER_BY] = "passer-by",
	[THREAD_SPAWNER] = "spawner", [THREAD_WRITER] = "writer",
	[THREAD_POLLER] = "poller",   [THREAD_TRANSIENT] = "maker of domains",
	[THREAD_FORKER] = "forker",   [THREAD_CALLBACK] = "callback",
	[THREAD_MAIN] = "main",
};

struct domain *thread_domain(struct torture_thread *self, unsigned int kinds)
{
	struct domain *domain;

	do {
		domain = &domains[thread_random(self, NR_DOMAINS)];
	} while (!(domain->kind & kinds));
	return domain;
}

static int init_domains(void)
{
	int ret;

	if ((ret = init_srcu_struct(&fenced)) ||
	    (ret = init_srcu_struct(&fenced_slow)) ||
	    (ret = init_srcu_struct(&fenced_polled)) ||
	    (ret = init_srcu_struct_fast(&fast)) ||
	    (ret = init_srcu_struct_fast(&fast_eager)) ||
	    (ret = init_srcu_struct_fast(&fast_polled)))
		return ret;
	bf_srcu_set_pace(&fenced_slow, 50000000);
	bf_srcu_set_pace(&fast_eager, 0);
	srcu_torture.domains = domains;
	srcu_torture.nr_domains = NR_DOMAINS;
	return 0;
}

static void init_accounts(void)
{
	struct domain *domain;

	for (domain = domains; domain < domains + NR_DOMAINS; domain++) {
		domain->accounts = xgrow(NULL, 0, srcu_torture.nr_writers,
					 sizeof(*domain->accounts));
		for (unsigned long i = 0; i < srcu_torture.nr_writers; i++)
			account_init(&domain->accounts[i], domain);
	}
}

/* Every queued callback must have been called. */
static void check_account(const struct account *account)
{
	unsigned long lost = account->queued - account->run +
			     account->requeued - account->rerun;

	if (lost)
		torture_fail("%s: lost %lu of %lu callbacks",
			     account->domain->name, lost,
			     account->queued + account->requeued);
}

/*
 * The first barrier waits for callbacks of writers, the second for callbacks
 * that callbacks queued.
 */
static void end_domain(struct torture_thread *self, struct domain *domain)
{
	thread_does(self, "srcu_barrier", domain->name);
	srcu_barrier(domain->srcu);
	srcu_barrier(domain->srcu);
	for (unsigned long i = 0; i < srcu_torture.nr_writers; i++)
		check_account(&domain->accounts[i]);
	if (torture.failing)
		return;
	for (unsigned long i = 0; i < srcu_torture.nr_writers; i++)
		account_free(&domain->accounts[i]);
	free(domain->accounts);
}

/* A cleanup fails while a section is open, and succeeds afterwards. */
static void end_srcu(struct domain *domain)
{
	int ret, idx = srcu_down_read(domain->srcu);

	ret = cleanup_srcu_struct(domain->srcu);
	if (ret != -EBUSY)
		torture_fail("%s: cleanup with a section open gave %d",
			     domain->name, ret);
	srcu_up_read(domain->srcu, idx);
	ret = cleanup_srcu_struct(domain->srcu);
	if (ret)
		torture_fail("%s: cleanup of an idle domain gave %d",
			     domain->name, ret);
}

static void end_all(void)
{
	struct torture_thread self;

	thread_init(&self, THREAD_MAIN, 0);
	for (size_t i = 0; i < NR_DOMAINS; i++)
		end_domain(&self, &domains[i]);
	thread_done(&self);
}

static int run_thread_groups(void)
{
	struct thread_group readers = {.count = 0}, writers = {.count = 0};
	int ret;

	if ((ret = thread_group_add(&readers, reader_main,
				    srcu_torture.nr_readers)) ||
	    (ret = thread_group_add(&readers, spawner_main, 1)) ||
	    (ret = thread_group_add(&readers, forker_main,
				    !forker_problem())) ||
	    (ret = thread_group_add(&writers, writer_main,
				    srcu_torture.nr_writers)) ||
	    (ret = thread_group_add(&writers, poller_main, 1)) ||
	    (ret = thread_group_add(&writers, transient_main, NR_TRANSIENTS)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	thread_group_join(&readers);
	/* Writers wait for sections that are still in a mailbox. */
	reader_drain();
	thread_group_join(&writers);
	return ret;
}

static void report_domain(struct report *report, struct domain *domain)
{
	struct bf_srcu_stats stats;

	bf_srcu_get_stats(domain->srcu, &stats);
	report_row(report, domain->name, "domain");
	report_count(report, "grace periods", stats.grace_periods);
	report_count(report, "expedited", stats.expedited);
	report_count(report, "promoted", stats.promoted);
	report_count(report, "callbacks", stats.callbacks);
	report_count(report, "membarriers", stats.membarriers);
	report_number(report, "longest wait, ms", "%.1f",
		      (double)stats.longest_wait_ns / 1e6);
}

static void print_summary(bool json)
{
	struct report *report = report_new(json);

	torture_report(report, tally_names, NR_TALLIES);
	for (size_t i = 0; i < NR_DOMAINS; i++)
		report_domain(report, &domains[i]);
	report_print(report, stdout);
	report_free(report);
}

static int run_threads(void)
{
	int ret;

	callbacks_begin();
	ret = run_thread_groups();
	if (!ret)
		end_all();
	callbacks_end();
	return ret;
}

static int run(bool json)
{
	int ret = init_domains();

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	if (forker_problem())
		fprintf(stderr, "belfry " COMMAND ": no forks: %s\n",
			forker_problem());
	init_accounts();
	ret = run_threads();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
	print_summary(json);
	for (size_t i = 0; i < NR_DOMAINS && !torture.failing; i++)
		end_srcu(&domains[i]);
	return torture_verdict(COMMAND);
}

static void print_domain(const struct domain *domain)
{
	struct bf_srcu_stats stats;

	bf_srcu_get_stats(domain->srcu, &stats);
	dprintf(STDERR_FILENO,
		"%s: %llu grace periods, %llu expedited, %llu promoted, "
		"%llu callbacks, %llu membarriers, longest wait %.1f ms\n",
		domain->name, (unsigned long long)stats.grace_periods,
		(unsigned long long)stats.expedited,
		(unsigned long long)stats.promoted,
		(unsigned long long)stats.callbacks,
		(unsigned long long)stats.membarriers,
		(double)stats.longest_wait_ns / 1e6);
}

/* For the watchdog, without a buffer. */
static void print_stats(void)
{
	for (size_t i = 0; i < NR_DOMAINS; i++)
		print_domain(&domains[i]);
}

static const struct torture_number numbers[] = {
	{"readers", "R", "threads that read", 1, MAX_THREADS, 4,
	 &srcu_torture.nr_readers},
	{"writers", "W", "threads that update", 1, MAX_THREADS, 2,
	 &srcu_torture.nr_writers},
};

static const struct torture_layer layer = {
	.command = COMMAND,
	.about =
		"Readers, updaters and callbacks of all kinds, on fenced and fast\n"
		"domains, for some seconds.  A use after free, an early, lost or\n"
		"misplaced callback, and a wait that does not end, are failures:\n"
		"the torture prints one line and ends with status 1.",
	.numbers = numbers,
	.nr_numbers = ARRAY_SIZE(numbers),
	.thread_kinds = thread_kind_names,
	.print_stats = print_stats,
	.run = run,
};

int torture_srcu(int argc, char **argv)
{
	return torture_main(argc, argv, &layer);
}
