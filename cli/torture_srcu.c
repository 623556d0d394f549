// SPDX-License-Identifier: MIT
/* belfry torture srcu: sets it up, lets it run, and says how it went. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "progress.h"
#include "report.h"
#include "torture.h"
#include "torture_srcu.h"
#include "xalloc.h"

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
	[TALLY_SELF_POLLED] = "polled cookies that nobody helped",
	[TALLY_WAITED_IN_CALLBACK] = "waits in callbacks",
	[TALLY_TRANSIENTS] = "domains that came and went",
	[TALLY_BUSY] = "cleanups of busy domains",
	[TALLY_FORKS] = "children that used every domain",
};

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
static void end_domain(struct actor *actor, struct domain *domain)
{
	actor_does(actor, "srcu_barrier", domain->name);
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
	struct actor actor;

	actor_init(&actor, ACTOR_MAIN, 0);
	for (size_t i = 0; i < NR_DOMAINS; i++)
		end_domain(&actor, &domains[i]);
	actor_done(&actor);
}

struct crew {
	pthread_t threads[MAX_THREADS + NR_TRANSIENTS + NR_OTHERS];
	unsigned int count;
};

static int crew_add(struct crew *crew, void *(*main)(void *),
		    unsigned long count)
{
	int ret = 0;

	for (uintptr_t i = 0; i < count && !ret; i++) {
		ret = pthread_create(&crew->threads[crew->count], NULL, main,
				     (void *)i);
		crew->count += !ret;
	}
	return ret;
}

static void crew_join(struct crew *crew)
{
	for (unsigned int i = 0; i < crew->count; i++)
		pthread_join(crew->threads[i], NULL);
}

static void wait_until_end(void)
{
	struct timespec tick = {.tv_nsec = 100000000};
	unsigned long ticks = 10 * torture.seconds;

	for (unsigned long i = 0; i < ticks && !torture_stopped(); i++) {
		progress_show(COMMAND ", seconds", i / 10, torture.seconds);
		nanosleep(&tick, NULL);
	}
	progress_clear();
}

static int run_crews(void)
{
	struct crew readers = {.count = 0}, writers = {.count = 0};
	int ret;

	if ((ret = crew_add(&readers, reader_main, torture.nr_readers)) ||
	    (ret = crew_add(&readers, spawner_main, 1)) ||
	    (ret = crew_add(&readers, forker_main, !forker_problem())) ||
	    (ret = crew_add(&writers, writer_main, torture.nr_writers)) ||
	    (ret = crew_add(&writers, poller_main, 1)) ||
	    (ret = crew_add(&writers, transient_main, NR_TRANSIENTS)))
		torture_stop();
	wait_until_end();
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

static int run_watched(void)
{
	int ret = watchdog_start();

	if (ret)
		return ret;
	callbacks_begin();
	ret = run_crews();
	if (!ret)
		end_all();
	callbacks_end();
	watchdog_stop();
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
	ret = run_watched();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
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
	     "misplaced callback, and a wait that does not end, give status 1\n"
	     "and say what it was.\n"
	     "\n"
	     "  --seconds N   how long (5)\n"
	     "  --readers R   threads that read, 1 to 64 (4)\n"
	     "  --writers W   threads that update, 1 to 64 (2)\n"
	     "  --seed S      of every thread's random choices (1)\n"
	     "  --watchdog N  seconds without progress until it gives up (60)\n"
	     "  --json        the summary as JSON");
	return CLI_OK;
}

static const struct option options[] = {
	{"seconds", required_argument, NULL, 's'},
	{"readers", required_argument, NULL, 'r'},
	{"writers", required_argument, NULL, 'w'},
	{"seed", required_argument, NULL, 'S'},
	{"watchdog", required_argument, NULL, 'd'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static const struct number {
	int option;
	const char *name;
	unsigned long min, max;
	unsigned long *value;
} numbers[] = {
	{'s', "--seconds", 1, 1000000, &torture.seconds},
	{'r', "--readers", 1, MAX_THREADS, &torture.nr_readers},
	{'w', "--writers", 1, MAX_THREADS, &torture.nr_writers},
	{'S', "--seed", 0, 1000000000, &torture.seed},
	{'d', "--watchdog", 1, 1000000, &torture.watchdog},
};

/* CLI_OK also where the option takes no number. */
static int take_number(int option)
{
	const struct number *number = numbers;

	for (; number < numbers + sizeof(numbers) / sizeof(*numbers);
	     number++) {
		if (number->option != option)
			continue;
		if (!cli_parse_count(optarg, number->min, number->max,
				     number->value))
			break;
		return cli_usage(COMMAND,
				 "'%s': %s takes a number from %lu to %lu",
				 optarg, number->name, number->min,
				 number->max);
	}
	return CLI_OK;
}

int torture_srcu(int argc, char **argv)
{
	bool json = false;
	int c;

	torture.seconds = 5;
	torture.nr_readers = 4;
	torture.nr_writers = 2;
	torture.seed = 1;
	torture.watchdog = 60;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hVs:r:w:", options, NULL)) !=
	       -1) {
		if (c == '?' || c == ':')
			return cli_bad_option(COMMAND, c, argv);
		if (c == 'h')
			return print_help();
		if (c == 'V')
			return cli_print_version();
		if (c == 'j')
			json = true;
		if (take_number(c))
			return CLI_USAGE;
	}
	if (optind < argc)
		return cli_usage(COMMAND, "'%s': takes no argument",
				 argv[optind]);
	return run(json);
}
