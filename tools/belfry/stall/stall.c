// SPDX-License-Identifier: MIT
/*
 * belfry stall: the cost of changes of a VM right after doorbells were
 * registered, with plain ioctls and through belfry in turn, on new VMs.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/kernel_module.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/doorbell/doorbell_vm.h"
#include "tools/belfry/stall/rows.h"
#include "tools/belfry/stall/stall.h"

#define COMMAND	 "stall"
#define MAX_ROWS 32

struct stall_kinds stall_kinds = {.belfry = true};

/* All rows with their samples. */
struct stall {
	const struct stall_row *rows[MAX_ROWS];
	struct stall_samples samples[MAX_ROWS];
	size_t count;
};

/* Only rows whose name contains this text. */
static const char *wanted_rows = "";

static void add_rows(struct stall *stall, const struct stall_row *rows)
{
	for (; rows->name && stall->count < MAX_ROWS; rows++)
		if (strstr(rows->name, wanted_rows))
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

static void report_kind(struct report *report, const char *name,
			struct samples *samples)
{
	char key[32];

	if (!samples->count)
		return;
	report_number(report, name, "%.1f", samples_median(samples));
	snprintf(key, sizeof(key), "%s_p90", name);
	report_number(report, key, "%.1f", samples_percentile(samples, 90));
}

/* The remedy whose column stands beside plain. */
static struct samples *remedy_of(struct stall_samples *samples)
{
	return samples->belfry.count ? &samples->belfry : &samples->module;
}

static void report_ratio(struct report *report, const struct stall_row *row,
			 struct stall_samples *samples)
{
	double plain = samples_median(&samples->plain);
	double remedy = samples_median(remedy_of(samples));

	if (!remedy_of(samples)->count)
		return;
	report_number(report, "ratio", "%.2f",
		      row->more_is_better ? remedy / plain : plain / remedy);
}

static void report_belfry_goal(struct report *report,
			       const struct stall_row *row,
			       struct stall_samples *samples)
{
	if (row->goal)
		report_goal(report, row->goal,
			    row->met(samples_median(&samples->plain),
				     samples_median(&samples->belfry),
				     samples_median(&samples->alone)));
}

static void report_module_goal(struct report *report,
			       const struct stall_row *row,
			       struct stall_samples *samples)
{
	char goal[32];

	if (row->module_most <= 0)
		return;
	snprintf(goal, sizeof(goal), "<= %g x alone", row->module_most);
	report_goal(report, goal,
		    samples_median(&samples->module) <=
			    row->module_most * samples_median(&samples->alone));
}

static void report_measured(struct report *report, const struct stall_row *row,
			    struct stall_samples *samples)
{
	report_row(report, row->name, row->unit);
	report_kind(report, "plain", &samples->plain);
	report_kind(report, "module", &samples->module);
	report_kind(report, "belfry", &samples->belfry);
	if (samples->alone.count)
		report_number(report, "alone", "%.1f",
			      samples_median(&samples->alone));
	report_ratio(report, row, samples);
	if (samples->belfry.count)
		report_belfry_goal(report, row, samples);
	if (samples->module.count)
		report_module_goal(report, row, samples);
}

/* The part of the module's counters that this run added. */
static uint64_t counted(const struct kernel_module *begin,
			const struct kernel_module *end,
			enum kernel_module_counter counter)
{
	return end->counters[counter] - begin->counters[counter];
}

/* In JSON, a row for the kernel module: its state and its work in this run. */
static void report_module(struct report *report,
			  const struct kernel_module *begin)
{
	struct kernel_module end;

	kernel_module_read(&end);
	report_row(report, "kernel module", "registrations");
	report_text(report, "state", end.loaded ? end.state : "not loaded");
	report_count(report, "value",
		     counted(begin, &end, MODULE_REGISTRATIONS));
	if (!end.loaded)
		return;
	report_text(report, "method", end.method);
	report_count(report, "peers.promoted",
		     counted(begin, &end, MODULE_PROMOTED));
	report_count(report, "peers.marked",
		     counted(begin, &end, MODULE_MARKED));
	report_count(report, "peers.timers_cut",
		     counted(begin, &end, MODULE_TIMERS_CUT));
}

static void print_kinds(void)
{
	puts("plain   ioctls on /dev/kvm");
	if (stall_kinds.module)
		puts("module  the same with the kernel module switched on; off"
		     " for all others");
	if (stall_kinds.belfry)
		printf("belfry  the same calls of belfry/vm.h, policy %s\n",
		       stall_policy == BF_POLICY_LAZY ? "lazy" : "first-run");
	puts("alone   plain, without the doorbells");
	if (stall_kinds.belfry)
		puts("ratio   how many times better belfry is than plain");
	else if (stall_kinds.module)
		puts("ratio   how many times better module is than plain");
}

static void print_legend(unsigned long count)
{
	char module[160];

	print_kinds();
	printf("\n"
	       "Medians of %lu runs on new VMs, in turn (the last five rows: at "
	       "most 3 runs).\n"
	       "p90 is the 90th percentile.\n"
	       "Kernel module belfry.ko: %s.\n\n",
	       count, kernel_module_describe(module, sizeof(module)));
}

static void free_samples(struct stall_samples *samples)
{
	samples_free(&samples->plain);
	samples_free(&samples->module);
	samples_free(&samples->belfry);
	samples_free(&samples->alone);
}

static void add_all_rows(struct stall *stall)
{
	add_rows(stall, stall_sequences);
	if (stall_kinds.belfry)
		add_rows(stall, stall_overheads);
	add_rows(stall, stall_whole_vm);
	add_rows(stall, stall_many_vms);
}

static void print_all(struct stall *stall, const struct kernel_module *module,
		      unsigned long count, bool json)
{
	struct report *report = report_new(json);

	for (size_t i = 0; i < stall->count; i++) {
		report_measured(report, stall->rows[i], &stall->samples[i]);
		free_samples(&stall->samples[i]);
	}
	if (json)
		report_module(report, module);
	else
		print_legend(count);
	report_print(report, stdout);
	report_free(report);
}

static int measure_and_print(unsigned long count, bool json)
{
	static struct stall stall;
	struct kernel_module module;
	int status;

	add_all_rows(&stall);
	if (!stall.count)
		return cli_usage(COMMAND, "no row has '%s' in its name",
				 wanted_rows);
	kernel_module_read(&module);
	stall_kinds.module = !stall_kinds.belfry && stall_module_take();
	status = measure_all(&stall, count);
	if (stall_kinds.module)
		stall_module_restore();
	if (!status)
		print_all(&stall, &module, count, json);
	return status;
}

static int print_help(void)
{
	puts("usage: belfry stall [--count N] [--policy POLICY] [--plain-only] "
	     "[--row TEXT] [--json]\n"
	     "\n"
	     "Measures changes of a VM right after doorbells were registered, "
	     "with plain\n"
	     "ioctls and through belfry.  Needs /dev/kvm: exit status 77 "
	     "without.\n"
	     "\n"
	     "  -n, --count N    measure each sequence N times (default 15)\n"
	     "  --policy POLICY  lazy (default) or first-run: when a doorbell "
	     "reaches the kernel\n"
	     "  --plain-only     measure the machine without belfry; with the"
	     " kernel module\n"
	     "                   loaded, switched off and on\n"
	     "  --row TEXT       only the rows whose name contains TEXT\n"
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

/* Eight VMs at a time take more than 1,024, the usual soft limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int cmd_stall(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", required_argument, NULL, 'n'},
		{"policy", required_argument, NULL, 'P'},
		{"plain-only", no_argument, NULL, 'p'},
		{"row", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	unsigned long count = 15;
	bool json = false;
	const char *problem;
	int c;

	while ((c = cli_next_option(argc, argv, ":hVn:", options)) != -1) {
		if (c == 'n' && cli_parse_count(optarg, 1, 100000, &count))
			return cli_usage(COMMAND,
					 "'%s': --count takes a number from 1 "
					 "to 100000",
					 optarg);
		if (c == 'P' && set_policy(optarg))
			return CLI_USAGE;
		if (c == 'r')
			wanted_rows = optarg;
		if (c == 'p')
			stall_kinds.belfry = false;
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
	raise_descriptor_limit();
	return measure_and_print(count, json);
}
