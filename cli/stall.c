// SPDX-License-Identifier: MIT
/*
 * belfry stall: what changing a VM costs when doorbells were registered just
 * before, made plainly and through belfry in turn, each time on a new VM.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"
#include "report.h"
#include "samples.h"
#include "stall.h"

#define COMMAND	      "stall"
#define DOORBELL_BASE 0xd0000000ULL
#define STALL_US      1000.0

/*
 * A sequence of calls.  What is measured is the caller's time for the part
 * between begin and end; with_doorbells false leaves out the doorbells: that
 * is what the other calls cost alone.
 */
struct sequence {
	const char *name;
	int (*prepare)(struct stall_vm *vm, bool with_doorbells);
	int (*measured)(struct stall_vm *vm, bool with_doorbells);
	const char *goal;
	bool doorbells_only; /* there is nothing left alone */
};

static int assign(struct stall_vm *vm, unsigned int first, unsigned int count)
{
	unsigned int i;
	int ret = 0;

	for (i = first; i < first + count && !ret; i++)
		ret = vm->way->doorbell(vm, DOORBELL_BASE + 8 * i, false);
	return ret;
}

static int nothing(struct stall_vm *vm, bool with_doorbells)
{
	return 0;
}

static int assign_one(struct stall_vm *vm, bool with_doorbells)
{
	return with_doorbells ? assign(vm, 0, 1) : 0;
}

static int one_then_memory(struct stall_vm *vm, bool with_doorbells)
{
	int ret = assign_one(vm, with_doorbells);

	return ret ? ret : vm->way->memory(vm, 0);
}

static int sixteen_then_memory(struct stall_vm *vm, bool with_doorbells)
{
	int ret = with_doorbells ? assign(vm, 0, 16) : 0;

	return ret ? ret : vm->way->memory(vm, 0);
}

static int interleaved(struct stall_vm *vm, bool with_doorbells)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 16 && !ret; i++) {
		if (with_doorbells)
			ret = assign(vm, 4 * i, 4);
		if (!ret)
			ret = vm->way->memory(vm, i);
	}
	return ret;
}

static int deassign_one(struct stall_vm *vm, bool with_doorbells)
{
	return vm->way->doorbell(vm, DOORBELL_BASE, true);
}

static int close_vm(struct stall_vm *vm, bool with_doorbells)
{
	vm->way->close(vm);
	vm->way = NULL;
	return 0;
}

static int first_vcpu(struct stall_vm *vm, bool with_doorbells)
{
	return vm->way->vcpu(vm);
}

static const struct sequence sequences[] = {
	{"1 ioeventfd, memslot", nothing, one_then_memory,
	 "<= 2 x alone, <= plain / 20 where the kernel stalls", false},
	{"16 ioeventfds, memslot", nothing, sixteen_then_memory, NULL, false},
	{"16 x (4 ioeventfds, memslot)", nothing, interleaved,
	 "<= 2 x alone, <= plain / 20 where the kernel stalls", false},
	{"deassign after assign", assign_one, deassign_one, NULL, true},
	{"close after assign", assign_one, close_vm, NULL, false},
	{"first vCPU after assign", assign_one, first_vcpu, NULL, false},
};

#define NR_SEQUENCES (sizeof(sequences) / sizeof(sequences[0]))

struct measured {
	struct samples plain;
	struct samples belfry;
	struct samples alone; /* plain, without doorbells */
};

/* One sequence on a new VM; its time in microseconds goes to samples. */
static int measure(const struct sequence *sequence, const struct stall_way *way,
		   bool with_doorbells, int eventfd, struct samples *samples)
{
	struct stall_vm vm = {
		.way = way,
		.fd = -1,
		.vcpu_fd = -1,
		.eventfd = eventfd,
	};
	uint64_t begin;
	int ret = way->create(&vm);

	if (ret)
		return ret;
	ret = sequence->prepare(&vm, with_doorbells);
	begin = clock_ns();
	if (!ret)
		ret = sequence->measured(&vm, with_doorbells);
	samples_add(samples, (double)(clock_ns() - begin) / 1e3);
	if (vm.way)
		way->close(&vm);
	return ret;
}

static int measure_once(const struct sequence *sequence, int eventfd,
			struct measured *out)
{
	int ret;

	ret = measure(sequence, &stall_plain, true, eventfd, &out->plain);
	if (!ret)
		ret = measure(sequence, &stall_belfry, true, eventfd,
			      &out->belfry);
	if (!ret && !sequence->doorbells_only)
		ret = measure(sequence, &stall_plain, false, eventfd,
			      &out->alone);
	return ret;
}

static int measure_all(unsigned long count, struct measured *out)
{
	const unsigned long total = count * NR_SEQUENCES;
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unsigned long n;
	int ret = 0;

	for (n = 0; n < total && !ret; n++) {
		progress_show("stall", n, total);
		ret = measure_once(&sequences[n % NR_SEQUENCES], efd,
				   &out[n % NR_SEQUENCES]);
	}
	progress_clear();
	close(efd);
	return ret;
}

static bool goal_met(double plain, double belfry, double alone)
{
	return belfry <= 2 * alone &&
	       (plain - alone < STALL_US || plain >= 20 * belfry);
}

static void report_sequence(struct report *report,
			    const struct sequence *sequence,
			    struct measured *measured)
{
	double plain = samples_median(&measured->plain);
	double belfry = samples_median(&measured->belfry);

	report_row(report, sequence->name, "us");
	report_number(report, "plain", "%.1f", plain);
	report_number(report, "plain_p90", "%.1f",
		      samples_percentile(&measured->plain, 90));
	report_number(report, "belfry", "%.1f", belfry);
	report_number(report, "belfry_p90", "%.1f",
		      samples_percentile(&measured->belfry, 90));
	if (!sequence->doorbells_only)
		report_number(report, "alone", "%.1f",
			      samples_median(&measured->alone));
	report_number(report, "ratio", "%.1f", plain / belfry);
	if (sequence->goal)
		report_goal(report, sequence->goal,
			    goal_met(plain, belfry,
				     samples_median(&measured->alone)));
}

static void explain(unsigned long count)
{
	printf("Time of the calling thread for each sequence, on a new VM, "
	       "%lu times each in turn:\n"
	       "plain: ioctls on /dev/kvm; belfry: the same calls of "
	       "belfry/vm.h, policy first-run;\n"
	       "alone: plain without the doorbells.  Medians; p90: nine of ten "
	       "were not longer.\n\n",
	       count);
}

static int run(unsigned long count, bool json)
{
	struct measured measured[NR_SEQUENCES] = {0};
	struct report *report;
	size_t i;
	int ret = measure_all(count, measured);

	if (ret)
		return cli_fail(COMMAND,
				"a call on /dev/kvm failed: %s; is another "
				"program using all of it?",
				strerror(-ret));
	report = report_new(json);
	for (i = 0; i < NR_SEQUENCES; i++) {
		report_sequence(report, &sequences[i], &measured[i]);
		samples_free(&measured[i].plain);
		samples_free(&measured[i].belfry);
		samples_free(&measured[i].alone);
	}
	if (!json)
		explain(count);
	report_print(report, stdout);
	report_free(report);
	return CLI_OK;
}

static int print_help(void)
{
	puts("usage: belfry stall [--count N] [--json]\n"
	     "\n"
	     "Measures how long changes of a VM take right after doorbells "
	     "were registered,\n"
	     "plainly and through belfry.  Needs /dev/kvm: exit status 77 "
	     "without.\n"
	     "\n"
	     "  --count N  measure each sequence N times (default 15)\n"
	     "  --json     print one JSON array instead of a table");
	return CLI_OK;
}

int cmd_stall(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", required_argument, NULL, 'n'},
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
