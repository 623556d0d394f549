// SPDX-License-Identifier: MIT
/*
 * belfry stall: what changing a VM costs when doorbells were registered just
 * before, made plainly and through belfry in turn, each time on a new VM.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/report.h"
#include "stall.h"

#define COMMAND	 "stall"
#define MAX_ROWS 32

/* The rows of every kind, and what was measured of each. */
struct stall {
	const struct stall_row *rows[MAX_ROWS];
	struct stall_samples samples[MAX_ROWS];
	size_t count;
};

static void add_rows(struct stall *stall, const struct stall_row *rows)
{
	for (; rows->name && stall->count < MAX_ROWS; rows++)
		stall->rows[stall->count++] = rows;
}

static int measure_row(struct stall *stall, size_t n, unsigned long round)
{
	const struct stall_row *row = stall->rows[n];

	if (row->at_most && round >= row->at_most)
		return 0;
	return row->measure(row, &stall->samples[n]);
}

/* All rows in turns, so that a busy moment of the machine hits them all. */
static int measure_all(struct stall *stall, unsigned long count)
{
	const unsigned long total = count * stall->count;
	unsigned long n;
	int ret = 0;

	for (n = 0; n < total && !ret; n++) {
		progress_show(COMMAND, n, total);
		ret = measure_row(stall, n % stall->count, n / stall->count);
	}
	progress_clear();
	return ret;
}

static void report_measured(struct report *report, const struct stall_row *row,
			    struct stall_samples *samples)
{
	double plain = samples_median(&samples->plain);
	double belfry = samples_median(&samples->belfry);
	double alone = samples_median(&samples->alone);

	report_row(report, row->name, row->unit);
	report_number(report, "plain", "%.1f", plain);
	report_number(report, "plain_p90", "%.1f",
		      samples_percentile(&samples->plain, 90));
	report_number(report, "belfry", "%.1f", belfry);
	report_number(report, "belfry_p90", "%.1f",
		      samples_percentile(&samples->belfry, 90));
	if (samples->alone.count)
		report_number(report, "alone", "%.1f", alone);
	report_number(report, "ratio", "%.2f",
		      row->more_is_better ? belfry / plain : plain / belfry);
	if (row->goal)
		report_goal(report, row->goal, row->met(plain, belfry, alone));
}

static void explain(unsigned long count)
{
	printf("On new VMs, %lu times each in turn (the last five rows at most 3 "
	       "times).\n"
	       "plain: ioctls on /dev/kvm; belfry: the same calls of "
	       "belfry/vm.h, policy %s;\n"
	       "alone: plain without the doorbells.  Medians; p90: nine of ten "
	       "were not higher.\n"
	       "ratio: how much better belfry is.\n\n",
	       count, stall_policy == BF_POLICY_LAZY ? "lazy" : "first-run");
}

static void free_samples(struct stall_samples *samples)
{
	samples_free(&samples->plain);
	samples_free(&samples->belfry);
	samples_free(&samples->alone);
}

static int run(unsigned long count, bool json)
{
	static struct stall stall;
	struct report *report;
	size_t i;
	int ret;

	add_rows(&stall, stall_sequences);
	add_rows(&stall, stall_overheads);
	add_rows(&stall, stall_wholes);
	add_rows(&stall, stall_fleets);
	ret = measure_all(&stall, count);
	if (ret)
		return cli_fail(COMMAND,
				"a call on /dev/kvm failed: %s; is another "
				"program using all of it?",
				strerror(-ret));
	report = report_new(json);
	for (i = 0; i < stall.count; i++) {
		report_measured(report, stall.rows[i], &stall.samples[i]);
		free_samples(&stall.samples[i]);
	}
	if (!json)
		explain(count);
	report_print(report, stdout);
	report_free(report);
	return CLI_OK;
}

static int print_help(void)
{
	puts("usage: belfry stall [--count N] [--policy POLICY] [--json]\n"
	     "\n"
	     "Measures how long changes of a VM take right after doorbells "
	     "were registered,\n"
	     "plainly and through belfry.  Needs /dev/kvm: exit status 77 "
	     "without.\n"
	     "\n"
	     "  --count N        measure each sequence N times (default 15)\n"
	     "  --policy POLICY  lazy (default) or first-run: when a doorbell "
	     "reaches the kernel\n"
	     "  --json           print one JSON array instead of a table");
	return CLI_OK;
}

static int set_policy(const char *name)
{
	if (!strcmp(name, "lazy"))
		stall_policy = BF_POLICY_LAZY;
	else if (!strcmp(name, "first-run"))
		stall_policy = BF_POLICY_FIRST_RUN;
	else
		return cli_usage(COMMAND,
				 "unknown policy '%s': lazy or first-run",
				 name);
	return CLI_OK;
}

int cmd_stall(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", required_argument, NULL, 'n'},
		{"policy", required_argument, NULL, 'P'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	unsigned long count = 15;
	bool json = false;
	const char *problem;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hVn:", options, NULL)) != -1) {
		if (c == 'n' && cli_parse_count(optarg, 1, 100000, &count))
			return cli_usage(COMMAND,
					 "'%s': --count takes a number from 1 "
					 "to 100000",
					 optarg);
		if (c == 'P' && set_policy(optarg))
			return CLI_USAGE;
		if (c == 'j')
			json = true;
		if (c == 'h')
			return print_help();
		if (c == 'V')
			return cli_print_version();
		if (c == '?' || c == ':')
			return cli_bad_option(COMMAND, c, argv);
	}
	if (optind < argc)
		return cli_usage(COMMAND, "'%s': takes no argument",
				 argv[optind]);
	problem = cli_kvm_problem();
	if (problem) {
		cli_fail(COMMAND, "%s", problem);
		return CLI_SKIPPED;
	}
	return run(count, json);
}
