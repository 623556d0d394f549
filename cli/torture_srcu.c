// SPDX-License-Identifier: MIT
/* belfry torture srcu: sets it up, lets it run, and says how it went. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "report.h"
#include "torture.h"
#include "torture_frame.h"
#include "torture_srcu.h"
#include "xalloc.h"

#define COMMAND "torture srcu"

static struct srcu_struct fenced, fenced_slow, fast, fast_eager;
DEFINE_STATIC_SRCU(fenced_static);
DEFINE_STATIC_SRCU_FAST(fast_static);

static struct domain domains[] = {
	{&fenced, "fenced", false, true, NULL},
	{&fenced_slow, "fenced, 50 ms pace", false, false, NULL},
	{&fenced_static, "fenced, static", false, false, NULL},
	{&fast, "fast", true, true, NULL},
	{&fast_eager, "fast, no pace", true, false, NULL},
	{&fast_static, "fast, static", true, false, NULL},
};

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
};

static int init_domains(void)
{
	int ret;

	if ((ret = init_srcu_struct(&fenced)) ||
	    (ret = init_srcu_struct(&fenced_slow)) ||
	    (ret = init_srcu_struct_fast(&fast)) ||
	    (ret = init_srcu_struct_fast(&fast_eager)))
		return ret;
	srcu_set_pace(&fenced_slow, 50000000);
	srcu_set_pace(&fast_eager, 0);
	torture.domains = domains;
	torture.nr_domains = NR_DOMAINS;
	return 0;
}

static void init_accounts(void)
{
	struct domain *domain;

	for (domain = domains; domain < domains + NR_DOMAINS; domain++) {
		domain->accounts = xgrow(NULL, 0, torture.nr_writers,
					 sizeof(*domain->accounts));
		for (unsigned long i = 0; i < torture.nr_writers; i++)
			account_init(&domain->accounts[i], domain);
	}
}

/* Nothing that was queued may be missing. */
static void check_account(const struct account *account)
{
	unsigned long lost = account->queued - account->run +
			     account->requeued - account->rerun;

	if (lost)
		torture_fail("%s: lost %lu of %lu callbacks",
			     account->domain->name, lost,
			     account->queued + account->requeued);
}

/* One barrier for the callbacks of writers, one for those of callbacks. */
static void end_domain(struct domain *domain)
{
	srcu_barrier(domain->srcu);
	srcu_barrier(domain->srcu);
	for (unsigned long i = 0; i < torture.nr_writers; i++)
		check_account(&domain->accounts[i]);
	if (torture.failing)
		return;
	for (unsigned long i = 0; i < torture.nr_writers; i++)
		account_free(&domain->accounts[i]);
	free(domain->accounts);
}

/* An open section keeps a domain; afterwards nothing does. */
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
	for (size_t i = 0; i < NR_DOMAINS; i++)
		end_domain(&domains[i]);
}

static int run_crews(void)
{
	struct crew readers = {.count = 0}, writers = {.count = 0};
	int ret;

	if ((ret = crew_add(&readers, reader_main, torture.nr_readers)) ||
	    (ret = crew_add(&readers, spawner_main, 1)) ||
	    (ret = crew_add(&writers, writer_main, torture.nr_writers)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	crew_join(&readers);
	/* Writers wait for the sections that still lie in a mailbox. */
	reader_drain();
	crew_join(&writers);
	return ret;
}

static void report_domain(struct report *report, struct domain *domain)
{
	struct srcu_stats stats;

	srcu_get_stats(domain->srcu, &stats);
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

	for (int i = 0; i < NR_TALLIES; i++) {
		report_row(report, tally_names[i], "count");
		report_count(report, "value", torture.tallies[i]);
	}
	for (size_t i = 0; i < NR_DOMAINS; i++)
		report_domain(report, &domains[i]);
	report_print(report, stdout);
	report_free(report);
}

static int run(bool json)
{
	int ret = init_domains();

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	init_accounts();
	ret = run_crews();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
	end_all();
	print_summary(json);
	for (size_t i = 0; i < NR_DOMAINS && !torture.failing; i++)
		end_srcu(&domains[i]);
	if (torture.failing)
		return cli_fail(COMMAND, "%s; seed %lu", torture.failure,
				torture.seed);
	return CLI_OK;
}

static int print_help(void)
{
	puts("usage: belfry torture srcu [OPTIONS]\n"
	     "\n"
	     "Readers, updaters and callbacks of all kinds, on fenced and fast\n"
	     "domains, for some seconds.  Use after free, an early, lost or\n"
	     "misplaced callback end it with status 1 and one line.\n"
	     "\n"
	     "  --seconds N   how long (5)\n"
	     "  --readers R   threads that read, 1 to 64 (4)\n"
	     "  --writers W   threads that update, 1 to 64 (2)\n"
	     "  --seed S      of every thread's random choices (1)\n"
	     "  --json        the summary as JSON");
	return CLI_OK;
}

int torture_srcu(int argc, char **argv)
{
	bool json;
	int status = torture_options(COMMAND, print_help, argc, argv, &json);

	return status < 0 ? run(json) : status;
}
