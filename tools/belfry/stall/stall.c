// SPDX-License-Identifier: MIT
/*
 * belfry stall: the cost of changes of a VM right after doorbells were
 * registered, with plain ioctls and through belfry in turn, on new VMs.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/kernel_module.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/doorbell/doorbell_vm.h"
#include "tools/belfry/stall/rows.h"
#include "tools/belfry/stall/stall.h"

#define COMMAND	 "stall"
#define MAX_ROWS 32

/* All rows with their samples. */
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
	int ret;

	if (row->at_most && round >= row->at_most)
		return CLI_OK;
	ret = row->measure(row, &stall->samples[n]);
	if (!ret)
		return CLI_OK;
	progress_clear();
	return cli_fail(COMMAND, "cannot measure '%s': %s", row->name,
			doorbell_vm_reason(-ret));
}

/* The rows take turns, so that other load on the machine affects all alike. */
static int measure_all(struct stall *stall, unsigned long count)
{
	const unsigned long total = count * stall->count;
	int status = CLI_OK;

	for (unsigned long n = 0; n < total && !status; n++) {
		progress_show(COMMAND, n, total);
		status = measure_row(stall, n % stall->count, n / stall->count);
	}
	progress_clear();
	return status;
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

static void print_legend(unsigned long count)
{
	char module[160];

	printf("plain   ioctls on /dev/kvm\n"
	       "belfry  the same calls of belfry/vm.h, policy %s\n"
	       "alone   plain, without the doorbells\n"
	       "ratio   how many times better belfry is than plain\n"
	       "\n"
	       "Medians of %lu runs on new VMs, in turn (the last five rows: at "
	       "most 3 runs).\n"
	       "p90 is the 90th percentile.\n"
	       "Kernel module belfry.ko: %s.\n\n",
	       stall_policy == BF_POLICY_LAZY ? "lazy" : "first-run", count,
	       kernel_module_describe(module, sizeof(module)));
}

static void free_samples(struct stall_samples *samples)
{
	samples_free(&samples->plain);
	samples_free(&samples->belfry);
	samples_free(&samples->alone);
}

static int measure_and_print(unsigned long count, bool json)
{
	static struct stall stall;
	struct report *report;
	size_t i;
	int status;

	add_rows(&stall, stall_sequences);
	add_rows(&stall, stall_overheads);
	add_rows(&stall, stall_whole_vm);
	add_rows(&stall, stall_many_vms);
	status = measure_all(&stall, count);
	if (status)
		return status;
	report = report_new(json);
	for (i = 0; i < stall.count; i++) {
		report_measured(report, stall.rows[i], &stall.samples[i]);
		free_samples(&stall.samples[i]);
	}
	if (!json)
		print_legend(count);
	report_print(report, stdout);
	report_free(report);
	return CLI_OK;
}

static int print_help(void)
{
	puts("usage: belfry stall [--count N] [--policy POLICY] [--json]\n"
	     "\n"
	     "Measures changes of a VM right after doorbells were registered, "
	     "with plain\n"
	     "ioctls and through belfry.  Needs /dev/kvm: exit status 77 "
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
	return measure_and_print(count, json);
}
