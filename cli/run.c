/* SPDX-License-Identifier: MIT */
/* belfry run: a program with belfry under it. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "cli.h"
#include "run.h"
#include "util.h"

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, 'j'},
	{"output", required_argument, NULL, 'o'},
	{"plain", no_argument, NULL, 'p'},
	{"policy", required_argument, NULL, 'P'},
	{"quiet-ms", required_argument, NULL, 'q'},
	{"rings", required_argument, NULL, 'r'},
	{"version", no_argument, NULL, 'V'},
	{"zones", required_argument, NULL, 'z'},
	{NULL, 0, NULL, 0},
};

static int print_help(void)
{
	puts("usage: belfry run [OPTIONS] [--] COMMAND [ARGUMENTS]\n"
	     "\n"
	     "Runs COMMAND, a dynamically linked VMM, with belfry between it\n"
	     "and KVM, and tells at its end what each ioctl took: calls,\n"
	     "total, longest, and the stalls, which are those over 1 ms.\n"
	     "\n"
	     "  --plain          measure only, change nothing\n"
	     "  --policy POLICY  when a doorbell reaches the kernel:\n"
	     "                     lazy       once it rang often, in a quiet"
	     " moment (default)\n"
	     "                     first-run  in a batch, at the first KVM_RUN"
	     "\n"
	     "                     never      not at all\n"
	     "                     eager      at once\n"
	     "  --rings N        lazy: what is often (default: as many as cost"
	     "\n"
	     "                   what an install does, measured once per boot)\n"
	     "  --quiet-ms N     lazy: no change of the VM for that long"
	     " (default 10)\n"
	     "  --zones WHEN     coalesced zones: deferred, as the policy says"
	     " (default),\n"
	     "                   or at-once\n"
	     "  --json           the result as one JSON array\n"
	     "  --output FILE    write the result there, not to stderr\n"
	     "\n"
	     "The exit status is COMMAND's; 128 + N when signal N ended it,\n"
	     "127 when it is not found, 126 when it cannot be executed.");
	return CLI_OK;
}

static int set_policy(struct run_options *options, const char *policy)
{
	static const char *const policies[] = {
		"lazy",
		"first-run",
		"never",
		"eager",
	};

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		if (!strcmp(policy, policies[i])) {
			options->policy = policy;
			return CLI_OK;
		}
	}
	return cli_usage("run", "unknown policy '%s'", policy);
}

static int set_number(const char **number, const char *option, const char *text)
{
	unsigned long value;

	if (cli_parse_count(text, 1, UINT32_MAX, &value))
		return cli_usage("run", "'%s': --%s takes a number from 1 up",
				 text, option);
	*number = text;
	return CLI_OK;
}

static int set_zones(struct run_options *options, const char *zones)
{
	if (strcmp(zones, "deferred") && strcmp(zones, "at-once"))
		return cli_usage("run",
				 "'%s': --zones takes deferred or at-once",
				 zones);
	options->zones = zones;
	return CLI_OK;
}

static int set_option(struct run_options *options, int c, char **argv)
{
	switch (c) {
	case 'j':
		options->json = true;
		return CLI_OK;
	case 'o':
		options->output = optarg;
		return CLI_OK;
	case 'p':
		options->policy = "plain";
		return CLI_OK;
	case 'P':
		return set_policy(options, optarg);
	case 'q':
		return set_number(&options->quiet_ms, "quiet-ms", optarg);
	case 'r':
		return set_number(&options->rings, "rings", optarg);
	case 'z':
		return set_zones(options, optarg);
	}
	return cli_bad_option("run", c, argv);
}

/*
 * A status, or the negative letter of a question.  The command's own options
 * are not ours: the first other word ends these.
 */
static int parse(struct run_options *options, int argc, char **argv)
{
	int c, status;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:hV", long_options, NULL)) !=
	       -1) {
		if (c == 'h' || c == 'V')
			return -c;
		status = set_option(options, c, argv);
		if (status)
			return status;
	}
	if (optind == argc)
		return cli_usage("run", "no command given");
	options->command = argv + optind;
	return CLI_OK;
}

static int run(const struct run_options *options, FILE *out)
{
	char library[PATH_MAX], stats_path[64];
	struct stats *stats;
	bool started;
	int status;

	if (run_find_library(library))
		return CLI_FAILURE;
	run_calibrate(options);
	stats = run_share_stats(stats_path, sizeof(stats_path));
	if (!stats || run_set_environment(options, library, stats_path))
		return CLI_FAILURE;
	run_check_command(options->command[0]);
	status = run_child(options->command, stats, &started);
	if (started)
		run_report(stats, options, out);
	return status;
}

static int answer(int question)
{
	return question == 'V' ? cli_print_version() : print_help();
}

/* Closing a file may be what finds its disk full. */
static int end_output(FILE *out, const char *name)
{
	int status = cli_end_output("run", out, name);

	if (fclose(out) && !status)
		status = cli_fail("run", "cannot write %s: %s", name,
				  strerror(errno));
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run_options options = {.policy = "lazy"};
	int status = parse(&options, argc, argv);
	FILE *out = stderr;

	if (status)
		return status < 0 ? answer(-status) : status;
	if (options.output)
		out = fopen(options.output, "we");
	if (!out)
		return cli_fail("run", "cannot write %s: %s", options.output,
				strerror(errno));
	status = run(&options, out);
	if (options.output && end_output(out, options.output))
		return CLI_FAILURE;
	return status;
}
