/* SPDX-License-Identifier: MIT */
/* belfry run: run a program with the preload library. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/run/internal.h"

#define EVENTS	    16384
#define MOST_EVENTS 4194304

static const struct option long_options[] = {
	{"all", no_argument, NULL, 'a'},
	{"exec", no_argument, NULL, 'x'},
	{"help", no_argument, NULL, 'h'},
	{"events", required_argument, NULL, 'e'},
	{"json", no_argument, NULL, 'j'},
	{"output", required_argument, NULL, 'o'},
	{"plain", no_argument, NULL, 'p'},
	{"quiet", no_argument, NULL, 'Q'},
	{"report", required_argument, NULL, 'R'},
	{"trace", required_argument, NULL, 'T'},
	{"version", no_argument, NULL, 'V'},
	RUN_SETTINGS_OPTIONS,
	{NULL, 0, NULL, 0},
};

static int print_help(void)
{
	puts("usage: belfry run [OPTIONS] [--] COMMAND [ARGUMENTS]\n"
	     "\n"
	     "Runs COMMAND, a dynamically linked VMM, with belfry between it\n"
	     "and KVM.  At its end prints what stalled, which is a call of more\n"
	     "than 1 ms, what was saved, and a row for each ioctl that stalled.\n"
	     "\n"
	     "  --all            a row for each ioctl, and sums\n"
	     "  --quiet          print nothing\n"
	     "  --exec           become COMMAND, which keeps the process ID;\n"
	     "                   COMMAND itself prints the result at its end\n"
	     "  --plain          measure only, change nothing");
	fputs(run_settings_help, stdout);
	puts("  --json           the result as one JSON array\n"
	     "  --output FILE    write the result there, not to stderr\n"
	     "  --report FILE    write an HTML page: timeline, latencies,\n"
	     "                   doorbells, stalls avoided and not avoided\n"
	     "  --trace FILE     write a trace for belfry report and for\n"
	     "                   ui.perfetto.dev\n"
	     "  --events N       room for N ordinary calls in these two\n"
	     "                   (default 16384); stalls have room of their own\n"
	     "\n"
	     "The exit status is that of COMMAND, 128 + N if signal N ended it,\n"
	     "127 if it was not found, or 126 if it cannot be executed.");
	return CLI_OK;
}

static int set_events(struct run_options *options, const char *text)
{
	if (cli_parse_count(text, RECORDING_CHUNK, MOST_EVENTS,
			    &options->events))
		return cli_usage("run",
				 "'%s': --events takes a number from %d to %d",
				 text, RECORDING_CHUNK, MOST_EVENTS);
	return CLI_OK;
}

static int set_option(struct run_options *options, int c, char **argv)
{
	switch (c) {
	case 'a':
		options->all = true;
		return CLI_OK;
	case 'Q':
		options->quiet = true;
		return CLI_OK;
	case 'x':
		options->exec = true;
		return CLI_OK;
	case 'e':
		return set_events(options, optarg);
	case 'j':
		options->json = true;
		return CLI_OK;
	case 'o':
		options->output = optarg;
		return CLI_OK;
	case 'p':
		options->settings.policy = "plain";
		return CLI_OK;
	case 'R':
		options->report = optarg;
		return CLI_OK;
	case 'T':
		options->trace = optarg;
		return CLI_OK;
	}
	return run_set(&options->settings, "run", c, argv);
}

/*
 * Return a status, or the negated letter of --help or --version.  The first
 * word that is no option begins the command; its options are not parsed here.
 */
static int parse_options(struct run_options *options, int argc, char **argv)
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
	if (options->exec && (options->json || options->output ||
			      options->trace || options->report))
		return cli_usage("run", "with --exec no process is left to"
					" write a file or JSON");
	options->command = argv + optind;
	return CLI_OK;
}

/* The library prints at the end of the command, as BELFRY_PRINT says. */
static int become_command(const struct run_options *options)
{
	const char *print = options->all   ? "all" :
			    options->quiet ? "quiet" :
					     "summary";
	char library[PATH_MAX];

	if (run_find_library(library))
		return CLI_FAILURE;
	unsetenv("BELFRY_STATS");
	unsetenv("BELFRY_RECORDING");
	if (setenv("BELFRY_PRINT", print, 1) ||
	    run_set_environment(&options->settings, library, NULL))
		return CLI_FAILURE;
	return run_exec(options->command);
}

/* --output, or a file for the daemon. */
static void daemon_file(const struct run_options *options, pid_t pid,
			char name[PATH_MAX])
{
	const char *folder = getenv("TMPDIR");

	if (options->output)
		snprintf(name, PATH_MAX, "%s", options->output);
	else
		snprintf(name, PATH_MAX, "%s/belfry-run-%d.txt",
			 folder ? folder : "/tmp", (int)pid);
}

/* Of a VMM that went on as a daemon: whether to --output or a file of its own. */
static void print_of_daemon(const struct stats *stats,
			    const struct run_options *options, const char *name)
{
	FILE *out = fopen(name, "we");

	if (out) {
		run_print(stats, options, out);
		fclose(out);
	}
	_exit(0);
}

/* stats receives a copy of the counters. */
static void print_result(const struct run_counters *counters,
			 struct stats *stats, const struct run_options *options,
			 FILE *out)
{
	char name[PATH_MAX];
	pid_t pid;

	run_copy_stats(counters, stats);
	if (run_wait_for_daemon(stats, &pid)) {
		daemon_file(options, pid, name);
		run_copy_stats(counters, stats);
		print_of_daemon(stats, options, name);
	}
	if (!pid) {
		run_print(stats, options, out);
	} else if (!options->quiet) {
		daemon_file(options, pid, name);
		fprintf(stderr,
			"belfry run: process %d goes on; when it ends, its"
			" result is in %s\n",
			(int)pid, name);
	}
}

static int run_command(const struct run_options *options, FILE *out)
{
	char library[PATH_MAX];
	struct run_record record;
	struct run_counters counters;
	struct stats stats;
	bool started;
	int status;

	if (run_find_library(library))
		return CLI_FAILURE;
	if (run_record_begin(&record, options))
		return CLI_FAILURE;
	if (run_share_stats(&counters) ||
	    run_set_environment(&options->settings, library, counters.path))
		return CLI_FAILURE;
	status = run_child(options->command, &counters, &started);
	if (started)
		print_result(&counters, &stats, options, out);
	if (run_record_end(&record, started ? &stats : NULL, status))
		return CLI_FAILURE;
	return status;
}

static int answer_question(int question)
{
	return question == 'V' ? cli_print_version() : print_help();
}

int cmd_run(int argc, char **argv)
{
	struct run_options options = {
		.settings = RUN_SETTINGS_DEFAULT,
		.events = EVENTS,
	};
	int status = parse_options(&options, argc, argv);
	FILE *out = stderr;

	if (status)
		return status < 0 ? answer_question(-status) : status;
	if (options.exec)
		return become_command(&options);
	if (options.output)
		out = fopen(options.output, "we");
	if (!out)
		return cli_fail("run", "cannot write %s: %s", options.output,
				strerror(errno));
	status = run_command(&options, out);
	if (options.output && cli_close_output("run", out, options.output))
		return CLI_FAILURE;
	return status;
}
