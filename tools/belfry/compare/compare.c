/* SPDX-License-Identifier: MIT */
/*
 * belfry compare: run a command plain and with belfry.  The two take turns, so
 * that other load on the machine affects both alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/compare/compare.h"
#include "tools/belfry/compare/internal.h"
#include "preload/record/rows.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/run/run.h"

#define COMMAND "compare"
#define MS	1e6

struct options {
	unsigned long count;
	struct run_settings settings;
	double goal;
	bool json;
	bool show_output;
	char **command;
};

static const struct option long_options[] = {
	{"count", required_argument, NULL, 'n'},
	{"goal", required_argument, NULL, 'g'},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, 'j'},
	{"show-output", no_argument, NULL, 's'},
	{"version", no_argument, NULL, 'V'},
	RUN_SETTINGS_OPTIONS,
	{NULL, 0, NULL, 0},
};

static int print_help(void)
{
	puts("usage: belfry compare [OPTIONS] [--] COMMAND [ARGUMENTS]\n"
	     "\n"
	     "Runs COMMAND, a dynamically linked VMM, plain and with belfry"
	     " in turn, and\n"
	     "compares the time from the start to the first KVM_RUN, in"
	     " stalls (calls of more\n"
	     "than 1 ms), and from exec to exit.  COMMAND's standard input"
	     " and output are\n"
	     "/dev/null.\n"
	     "\n"
	     "  -n, --count N    run it N times with each policy (default 5)");
	fputs(run_settings_help, stdout);
	puts("  --goal RATIO     goal: the first KVM_RUN within RATIO x the time of"
	     " plain\n"
	     "  --show-output    COMMAND's standard output goes to stderr\n"
	     "  --json           print one JSON array instead of a table");
	return CLI_OK;
}

static int set_goal(struct options *options, const char *text)
{
	char *end;

	options->goal = strtod(text, &end);
	if (end == text || *end || !(options->goal > 0))
		return cli_usage(COMMAND, "'%s': --goal takes a number above 0",
				 text);
	return CLI_OK;
}

static int set_option(struct options *options, int c, char **argv)
{
	switch (c) {
	case 'g':
		return set_goal(options, optarg);
	case 'j':
		options->json = true;
		return CLI_OK;
	case 'n':
		if (!cli_parse_count(optarg, 1, 10000, &options->count))
			return CLI_OK;
		return cli_usage(COMMAND,
				 "'%s': -n takes a number from 1 to 10000",
				 optarg);
	case 's':
		options->show_output = true;
		return CLI_OK;
	}
	return run_set(&options->settings, COMMAND, c, argv);
}

/* Return a status, or the negated letter of --help or --version. */
static int parse_options(struct options *options, int argc, char **argv)
{
	int c, status;

	while ((c = cli_next_option(argc, argv, "+:hn:V", long_options)) !=
	       -1) {
		if (c == 'h' || c == 'V')
			return -c;
		status = set_option(options, c, argv);
		if (status)
			return status;
	}
	if (optind == argc)
		return cli_usage(COMMAND, "no command given");
	options->command = argv + optind;
	return CLI_OK;
}

/* Copies of this process's standard files while the command has others. */
struct saved_files {
	int in;
	int out;
};

static void replace_files(struct saved_files *saved, bool show_output)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	saved->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	saved->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(null, STDIN_FILENO);
	dup2(show_output ? STDERR_FILENO : null, STDOUT_FILENO);
	close(null);
}

static void put_back(int copy, int number)
{
	if (copy < 0) {
		close(number);
		return;
	}
	dup2(copy, number);
	close(copy);
}

static void restore_files(const struct saved_files *saved)
{
	put_back(saved->in, STDIN_FILENO);
	put_back(saved->out, STDOUT_FILENO);
}

static struct compare_files command_files;

/* Memory shared with one run. */
struct shared {
	struct run_counters counters;
	struct run_recording events;
};

static void add_first_run(struct compare_runs *runs, const struct stats *stats,
			  const struct stats_sums *sums)
{
	const uint64_t ns = sums->to_first_run_ns;

	if (!ns)
		return;
	samples_add(&runs->loading, (double)sums->loading_ns / MS);
	samples_add(&runs->first_run, (double)ns / MS);
	samples_add(&runs->unstalled,
		    (double)(ns - stats->stalled_before_run_ns) / MS);
}

static int add_run(struct compare_runs *runs, const struct shared *shared,
		   const struct stats *stats, uint64_t end)
{
	struct stats_sums sums;

	stats_sum(stats, &sums);
	add_first_run(runs, stats, &sums);
	samples_add(&runs->stalled, (double)sums.stalled_ns / MS);
	samples_add(&runs->stalls, (double)sums.stalls);
	samples_add(&runs->total, (double)(end - stats->started_ns) / MS);
	return compare_add_causes(runs, &shared->events, end);
}

/* Run the command once.  Returns its exit status, or -1 after a message. */
static int run_with(const struct options *options, struct compare_runs *runs,
		    struct shared *shared)
{
	struct saved_files saved;
	struct stats stats;
	bool started;
	int status;

	replace_files(&saved, options->show_output);
	compare_files_begin(&command_files, shared->counters.stats);
	status = run_child(options->command, &shared->counters, &started);
	compare_files_end(&command_files);
	restore_files(&saved);
	if (!started)
		return -1;
	run_copy_stats(&shared->counters, &stats);
	if (!stats.loaded) {
		cli_fail(
			COMMAND,
			"%s did not load the library: is it statically linked?",
			options->command[0]);
		return -1;
	}
	return add_run(runs, shared, &stats, bf_now_ns()) ? -1 : status;
}

static int run_once(const struct options *options, struct compare_runs *runs,
		    const char *library)
{
	struct run_settings settings = options->settings;
	struct shared shared = {0};
	int status = -1;

	settings.policy = runs->policy;
	if (run_share_stats(&shared.counters))
		return -1;
	if (!run_share_recording(&shared.events, 0) &&
	    !run_set_environment(&settings, library, shared.counters.path))
		status = run_with(options, runs, &shared);
	run_unshare_recording(&shared.events);
	run_unshare_stats(&shared.counters);
	return status;
}

/* Ctrl-C ends the command, and so the comparison. */
static bool is_interrupted(int status)
{
	return status == 128 + SIGINT || status == 128 + SIGTERM;
}

/* All runs must end with the same status.  Returns an enum cli_status. */
static int check_status(const struct compare_runs *runs,
			const struct compare_runs *first, int status)
{
	if (status < 0)
		return CLI_FAILURE;
	if (is_interrupted(status))
		return cli_fail(COMMAND, "interrupted");
	if (status != first->status)
		return cli_fail(COMMAND,
				"exit statuses differ: %s ended with %d, %s"
				" with %d",
				first->policy, first->status, runs->policy,
				status);
	return CLI_OK;
}

/*
 * The first run of a round warms caches for the second, so the policies take
 * turns in going first.
 */
static int run_all(const struct options *options, struct compare_runs both[2],
		   const char *library)
{
	const unsigned long total = 2 * options->count;
	int status, failed = CLI_OK;

	for (unsigned long n = 0; n < total && !failed; n++) {
		struct compare_runs *runs = &both[(n + n / 2) % 2];

		progress_show(COMMAND, n, total);
		status = run_once(options, runs, library);
		if (!n)
			both[0].status = status;
		progress_clear();
		failed = check_status(runs, &both[0], status);
	}
	return failed;
}

static int run_comparison(const struct options *options)
{
	struct compare_runs runs[] = {
		{.policy = "plain"},
		{.policy = options->settings.policy},
	};
	char library[PATH_MAX];
	int status;

	if (run_find_library(library))
		return CLI_FAILURE;
	status = run_all(options, runs, library);
	if (!status)
		compare_print(&runs[0], &runs[1], options->goal, options->json,
			      stdout);
	compare_runs_free(&runs[0]);
	compare_runs_free(&runs[1]);
	compare_files_free(&command_files);
	return status;
}

int cmd_compare(int argc, char **argv)
{
	struct options options = {
		.count = 5,
		.settings = RUN_SETTINGS_DEFAULT,
	};
	int status = parse_options(&options, argc, argv);

	if (status == -'V')
		return cli_print_version();
	if (status < 0)
		return print_help();
	return status ? status : run_comparison(&options);
}
