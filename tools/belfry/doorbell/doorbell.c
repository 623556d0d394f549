/* SPDX-License-Identifier: MIT */
/* belfry doorbell: the cost of a signal, by the part that takes the write. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "guests/guests.h"
#include "testing/trap/optional.h"
#include "tools/belfry/doorbell/doorbell.h"
#include "tools/belfry/doorbell/doorbell_vm.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"

#define COMMAND "doorbell"

/* Runs of each row: enough for a median, in ten seconds for all rows. */
#define NR_RUNS 5

#define DEFAULT_COUNT "20000"
#define MAX_COUNT     100000000

struct options {
	const struct bf_engine_ops *engine;
	bool engine_given;
	unsigned long count;
	bool json;
};

struct row {
	const char *name;
	struct doorbell_desc desc;
	struct doorbell_vm *vm;
	struct samples us; /* a signal, in each run */
	uint64_t events;
};

/* A belfry row has the rows of its space and length as peers. */
static struct row rows[] = {
	{.name = "user-space device, mmio",
	 .desc = {DOORBELL_DEVICE, false, 4}},
	{.name = "user-space device, pio", .desc = {DOORBELL_DEVICE, true, 4}},
	{.name = "kernel ioeventfd, mmio", .desc = {DOORBELL_KERNEL, false, 4}},
	{.name = "kernel ioeventfd, pio", .desc = {DOORBELL_KERNEL, true, 4}},
	{.name = "kernel ioeventfd, mmio, length 0",
	 .desc = {DOORBELL_KERNEL, false, 0}},
	{.name = "belfry doorbell, mmio", .desc = {DOORBELL_BELFRY, false, 4}},
	{.name = "belfry doorbell, pio", .desc = {DOORBELL_BELFRY, true, 4}},
};

static const struct option long_options[] = {
	{"count", required_argument, NULL, 'n'},
	{"engine", required_argument, NULL, 'e'},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, 'j'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int print_help(void)
{
	puts("usage: belfry doorbell [OPTIONS]\n"
	     "\n"
	     "A guest writes to a doorbell, and a thread waits for its eventfd\n"
	     "and counts.  Shows how long a signal takes the guest where a device\n"
	     "of the VMM, the kernel, or a belfry doorbell in user space takes\n"
	     "the write.  Each signal must arrive exactly once.\n"
	     "\n"
	     "  --engine ENGINE  runs the guest:\n"
	     "                     kvm   /dev/kvm (default, where it works)\n"
	     "                     trap  a thread whose accesses fault; it has\n"
	     "                           no kernel doorbells; x86-64 alone\n"
	     "  --count N        signals of a run (default " DEFAULT_COUNT ")\n"
	     "  --json           the result as one JSON array\n"
	     "\n"
	     "value, min and max are of five runs; the rows take turns.");
	return CLI_OK;
}

static int set_engine(struct options *options, const char *name)
{
	if (!strcmp(name, "kvm"))
		options->engine = NULL;
	else if (!strcmp(name, "trap") && !trap_engine)
		return cli_usage(COMMAND, "the trap engine runs on x86-64"
					  " alone: use --engine kvm");
	else if (!strcmp(name, "trap"))
		options->engine = trap_engine;
	else
		return cli_usage(COMMAND, "unknown engine '%s'", name);
	options->engine_given = true;
	return CLI_OK;
}

static int set_count(struct options *options, const char *text)
{
	if (cli_parse_count(text, 1, MAX_COUNT, &options->count))
		return cli_usage(COMMAND,
				 "'%s': --count takes a number from 1 to %d",
				 text, MAX_COUNT);
	return CLI_OK;
}

static int set_option(struct options *options, int c, char **argv)
{
	switch (c) {
	case 'e':
		return set_engine(options, optarg);
	case 'j':
		options->json = true;
		return CLI_OK;
	case 'n':
		return set_count(options, optarg);
	}
	return cli_bad_option(COMMAND, c, argv);
}

/* Return a status, or the negated letter of --help or --version. */
static int parse_options(struct options *options, int argc, char **argv)
{
	int c, status;

	while ((c = cli_next_option(argc, argv, ":hV", long_options)) != -1) {
		if (c == 'h' || c == 'V')
			return -c;
		status = set_option(options, c, argv);
		if (status)
			return status;
	}
	if (optind < argc)
		return cli_usage(COMMAND, "unknown argument '%s'",
				 argv[optind]);
	return CLI_OK;
}

/* Without --engine the trap engine takes the place of a missing KVM. */
static int choose_engine(struct options *options)
{
	const char *problem;

	if (!options->engine) {
		problem = cli_kvm_problem();
		if (problem && (options->engine_given || !trap_engine)) {
			cli_fail(COMMAND, "%s", problem);
			return CLI_SKIPPED;
		}
		if (problem) {
			cli_fail(COMMAND, "%s; using the trap engine", problem);
			options->engine = trap_engine;
		}
	}
	if (options->engine)
		cli_fail(COMMAND, "the trap engine has no kernel doorbells:"
				  " their rows are left out");
	return CLI_OK;
}

static bool is_shown(const struct row *row, const struct options *options)
{
	if (row->desc.pio && !guest_write_pio4.size)
		return false;
	return !options->engine || row->desc.kind != DOORBELL_KERNEL;
}

static int create_vms(const struct options *options)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!is_shown(&rows[i], options))
			continue;
		ret = doorbell_vm_create(&rows[i].vm, &rows[i].desc,
					 options->engine);
		if (ret)
			return cli_fail(COMMAND, "%s: cannot set up: %s",
					rows[i].name, strerror(-ret));
	}
	return CLI_OK;
}

static void destroy_vms(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].vm)
			doorbell_vm_destroy(rows[i].vm);
		samples_free(&rows[i].us);
	}
}

static int signal_row(struct row *row, unsigned long count)
{
	uint64_t ns, events;
	int ret;

	ret = doorbell_vm_signal(row->vm, count, &ns, &events);
	if (ret) {
		progress_clear();
		return cli_fail(COMMAND, "%s: %s", row->name,
				doorbell_vm_reason(-ret));
	}
	if (events != count) {
		progress_clear();
		return cli_fail(COMMAND, "%s: %lu signals, %llu arrived",
				row->name, count, (unsigned long long)events);
	}
	samples_add(&row->us, (double)ns / 1000 / (double)count);
	row->events += events;
	return CLI_OK;
}

/* The rows take turns, so that other load on the machine affects all alike. */
static int measure_rows(const struct options *options)
{
	const unsigned long total = NR_RUNS * ARRAY_SIZE(rows);
	unsigned long done;
	int status;

	for (done = 0; done < total; done++) {
		struct row *row = &rows[done % ARRAY_SIZE(rows)];

		if (!row->vm)
			continue;
		progress_show(row->name, done + 1, total);
		status = signal_row(row, options->count);
		if (status)
			return status;
	}
	progress_clear();
	return CLI_OK;
}

/* Return the row of this kind with the same space and length, or NULL. */
static struct row *find_peer(const struct row *row, enum doorbell_kind kind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].vm && rows[i].desc.kind == kind &&
		    rows[i].desc.pio == row->desc.pio &&
		    rows[i].desc.len == row->desc.len)
			return &rows[i];
	return NULL;
}

static void report_peers(struct report *report, const struct row *row)
{
	struct row *peer = find_peer(row, DOORBELL_KERNEL);

	if (peer)
		report_number(report, "peers.kernel_ioeventfd", "%.2f",
			      samples_median(&peer->us));
	peer = find_peer(row, DOORBELL_DEVICE);
	report_number(report, "peers.user_space_device", "%.2f",
		      samples_median(&peer->us));
}

static void report_row_of(struct report *report, struct row *row)
{
	double us = samples_median(&row->us);

	report_row(report, row->name, "us/signal");
	report_number(report, "value", "%.2f", us);
	report_number(report, "min", "%.2f", samples_min(&row->us));
	report_number(report, "max", "%.2f", samples_max(&row->us));
	report_number(report, "signals_per_second", "%.0f", 1e6 / us);
	report_count(report, "events", row->events);
	if (row->desc.kind == DOORBELL_BELFRY)
		report_peers(report, row);
}

static void print_report(bool json)
{
	struct report *report = report_new(json);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].vm)
			report_row_of(report, &rows[i]);
	report_print(report, stdout);
	report_free(report);
}

static int answer_question(int question)
{
	return question == 'V' ? cli_print_version() : print_help();
}

int cmd_doorbell(int argc, char **argv)
{
	struct options options = {0};
	int status;

	cli_parse_count(DEFAULT_COUNT, 1, MAX_COUNT, &options.count);
	status = parse_options(&options, argc, argv);
	if (status)
		return status < 0 ? answer_question(-status) : status;
	status = choose_engine(&options);
	if (status)
		return status;
	status = create_vms(&options);
	if (!status)
		status = measure_rows(&options);
	if (!status)
		print_report(options.json);
	destroy_vms();
	return status;
}
