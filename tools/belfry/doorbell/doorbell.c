/* SPDX-License-Identifier: MIT */
/* belfry doorbell: what a ring costs, by who answers it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bell.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"
#include "base/util.h"

#define COMMAND "doorbell"

/* Runs of each row: enough for a median, few enough for ten seconds. */
#define NR_RUNS 5

#define DEFAULT_COUNT "20000"
#define MAX_COUNT     100000000

struct options {
	enum bf_engine engine;
	bool engine_given;
	unsigned long count;
	bool json;
};

struct row {
	const char *name;
	struct bell_desc desc;
	struct bell *bell;
	struct samples us; /* for a ring, of each run */
	uint64_t events;
};

/* A belfry row is compared with the two before it of its space. */
static struct row rows[] = {
	{.name = "user-space device, mmio", .desc = {BELL_DEVICE, false, 4}},
	{.name = "user-space device, pio", .desc = {BELL_DEVICE, true, 4}},
	{.name = "kernel ioeventfd, mmio", .desc = {BELL_KERNEL, false, 4}},
	{.name = "kernel ioeventfd, pio", .desc = {BELL_KERNEL, true, 4}},
	{.name = "kernel ioeventfd, mmio, length 0",
	 .desc = {BELL_KERNEL, false, 0}},
	{.name = "belfry doorbell, mmio", .desc = {BELL_BELFRY, false, 4}},
	{.name = "belfry doorbell, pio", .desc = {BELL_BELFRY, true, 4}},
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
	     "A guest writes to a doorbell, a thread waits on its eventfd and\n"
	     "counts.  Shows what a ring takes the guest, by who answers it: a\n"
	     "device of the VMM that signals, the kernel, a doorbell of belfry\n"
	     "in user space.  Every ring must be seen exactly once.\n"
	     "\n"
	     "  --engine ENGINE  who runs the guest:\n"
	     "                     kvm   /dev/kvm (default, where it works)\n"
	     "                     trap  a thread whose accesses fault; it has\n"
	     "                           no kernel doorbells\n"
	     "  --count N        rings of a run (default " DEFAULT_COUNT ")\n"
	     "  --json           the result as one JSON array\n"
	     "\n"
	     "value, min and max are of five runs, all rows in turns.");
	return CLI_OK;
}

static int set_engine(struct options *options, const char *name)
{
	if (!strcmp(name, "kvm"))
		options->engine = BF_ENGINE_KVM;
	else if (!strcmp(name, "trap"))
		options->engine = BF_ENGINE_TRAP;
	else
		return cli_usage(COMMAND, "unknown engine '%s'", name);
	options->engine_given = true;
	return CLI_OK;
}

static int set_count(struct options *options, const char *text)
{
	if (cli_parse_count(text, 1, MAX_COUNT, &options->count))
		return cli_usage(COMMAND, "'%s' is no count from 1 to %d", text,
				 MAX_COUNT);
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

/* A status, or the negative letter of a question. */
static int parse(struct options *options, int argc, char **argv)
{
	int c, status;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hV", long_options, NULL)) != -1) {
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

/* Is the engine there?  Without a choice, the other one will do. */
static int choose_engine(struct options *options)
{
	const char *problem;

	if (options->engine == BF_ENGINE_KVM) {
		problem = cli_kvm_problem();
		if (problem && options->engine_given)
			return cli_fail(COMMAND, "%s", problem);
		if (problem) {
			cli_fail(COMMAND, "on the trap engine: %s", problem);
			options->engine = BF_ENGINE_TRAP;
		}
	}
	if (options->engine == BF_ENGINE_TRAP)
		cli_fail(COMMAND, "no kernel doorbells on the trap engine:"
				  " those rows are left out");
	return CLI_OK;
}

static bool is_shown(const struct row *row, const struct options *options)
{
	return options->engine == BF_ENGINE_KVM ||
	       row->desc.kind != BELL_KERNEL;
}

static int create_bells(const struct options *options)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!is_shown(&rows[i], options))
			continue;
		ret = bell_create(&rows[i].bell, &rows[i].desc,
				  options->engine);
		if (ret)
			return cli_fail(COMMAND, "%s: cannot set up: %s",
					rows[i].name, strerror(-ret));
	}
	return CLI_OK;
}

static void destroy_bells(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].bell)
			bell_destroy(rows[i].bell);
		samples_free(&rows[i].us);
	}
}

static const char *reason(int err)
{
	return err == EPROTO ? "a ring was answered by another than asked for" :
			       strerror(err);
}

static int ring(struct row *row, unsigned long count)
{
	uint64_t ns, events;
	int ret;

	ret = bell_ring(row->bell, count, &ns, &events);
	if (ret) {
		progress_clear();
		return cli_fail(COMMAND, "%s: %s", row->name, reason(-ret));
	}
	if (events != count) {
		progress_clear();
		return cli_fail(COMMAND, "%s: %lu rings, %llu seen", row->name,
				count, (unsigned long long)events);
	}
	samples_add(&row->us, (double)ns / 1000 / (double)count);
	row->events += events;
	return CLI_OK;
}

/* All rows in turns, so that what else the machine does meets all alike. */
static int measure(const struct options *options)
{
	const unsigned long total = NR_RUNS * ARRAY_SIZE(rows);
	unsigned long done;
	int status;

	for (done = 0; done < total; done++) {
		struct row *row = &rows[done % ARRAY_SIZE(rows)];

		if (!row->bell)
			continue;
		progress_show(row->name, done + 1, total);
		status = ring(row, options->count);
		if (status)
			return status;
	}
	progress_clear();
	return CLI_OK;
}

/* The row of this kind at the same place. */
static struct row *find_peer(const struct row *row, enum bell_kind kind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].bell && rows[i].desc.kind == kind &&
		    rows[i].desc.pio == row->desc.pio &&
		    rows[i].desc.len == row->desc.len)
			return &rows[i];
	return NULL;
}

static void report_peers(struct report *report, const struct row *row)
{
	struct row *peer = find_peer(row, BELL_KERNEL);

	if (peer)
		report_number(report, "peers.kernel_ioeventfd", "%.2f",
			      samples_median(&peer->us));
	peer = find_peer(row, BELL_DEVICE);
	report_number(report, "peers.user_space_device", "%.2f",
		      samples_median(&peer->us));
}

static void report_bell(struct report *report, struct row *row)
{
	double us = samples_median(&row->us);

	report_row(report, row->name, "us/ring");
	report_number(report, "value", "%.2f", us);
	report_number(report, "min", "%.2f", samples_min(&row->us));
	report_number(report, "max", "%.2f", samples_max(&row->us));
	report_number(report, "rings_per_second", "%.0f", 1e6 / us);
	report_count(report, "events", row->events);
	if (row->desc.kind == BELL_BELFRY)
		report_peers(report, row);
}

static void print_report(bool json)
{
	struct report *report = report_new(json);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].bell)
			report_bell(report, &rows[i]);
	report_print(report, stdout);
	report_free(report);
}

static int answer(int question)
{
	return question == 'V' ? cli_print_version() : print_help();
}

int cmd_doorbell(int argc, char **argv)
{
	struct options options = {.engine = BF_ENGINE_KVM};
	int status;

	cli_parse_count(DEFAULT_COUNT, 1, MAX_COUNT, &options.count);
	status = parse(&options, argc, argv);
	if (status)
		return status < 0 ? answer(-status) : status;
	status = choose_engine(&options);
	if (status)
		return status;
	status = create_bells(&options);
	if (!status)
		status = measure(&options);
	if (!status)
		print_report(options.json);
	destroy_bells();
	return status;
}
