/* SPDX-License-Identifier: MIT */
/* belfry run: run a program with the preload library. */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/output.h"
#include "tools/belfry/common/xalloc.h"
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
	     "127 if it was not found, or 126 if it cannot be executed.  A\n"
	     "result that cannot be written is a line, and no failure.");
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

	while ((c = cli_next_option(argc, argv, "+:hV", long_options)) != -1) {
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

/* "all": the library also times calls that cannot wait. */
static int set_print(const struct run_options *options)
{
	const char *print = options->all || options->json ? "all" :
			    options->quiet		  ? "quiet" :
							    "summary";

	return setenv("BELFRY_PRINT", print, 1);
}

/* The library prints at the end of the command, as BELFRY_PRINT says. */
static int become_command(const struct run_options *options)
{
	char library[PATH_MAX];

	if (run_find_library(library))
		return CLI_FAILURE;
	unsetenv("BELFRY_STATS");
	unsetenv("BELFRY_RECORDING");
	if (set_print(options) ||
	    run_set_environment(&options->settings, library, NULL))
		return CLI_FAILURE;
	return run_exec(options->command);
}

/* The file of a daemon's result, if --output names none. */
static int begin_daemon_output(struct output *output, pid_t pid)
{
	const char *folder = secure_getenv("TMPDIR");
	char *name = xasprintf("%s/belfry-run-%d.txt", folder ? folder : "/tmp",
			       (int)pid);
	int status = output_begin(output, "run", name);

	free(name);
	return status;
}

/* A VMM goes on as a daemon: another process prints when that one ends. */
static void print_at_end_of(pid_t pid, int pidfd,
			    const struct run_counters *counters,
			    const struct run_options *options,
			    struct output *output)
{
	struct stats stats;

	if (!output->file && begin_daemon_output(output, pid))
		return;
	if (!options->quiet)
		cli_line(stderr,
			 "belfry run: process %d goes on; when it ends, its"
			 " result is in %s",
			 (int)pid, output->name);
	if (run_wait_for_daemon(pidfd)) {
		run_copy_stats(counters, &stats);
		run_print(&stats, options, output->file);
		_exit(output_end(output, "run"));
	}
	output_leave(output);
}

static void print_result(const struct run_counters *counters,
			 const struct stats *stats,
			 const struct run_options *options,
			 struct output *output)
{
	int pidfd;
	pid_t pid = run_find_daemon(stats, &pidfd);

	if (pid)
		print_at_end_of(pid, pidfd, counters, options, output);
	else
		run_print(stats, options, output->file ? output->file : stderr);
}

static int run_command(const struct run_options *options,
		       struct run_record *record, struct output *output)
{
	char library[PATH_MAX];
	struct run_counters counters;
	struct stats stats;
	bool started;
	int status;

	run_ignore_signals();
	if (run_find_library(library) || run_record_share(record))
		return CLI_FAILURE;
	if (run_share_stats(&counters) || set_print(options) ||
	    run_set_environment(&options->settings, library, counters.path))
		return CLI_FAILURE;
	status = run_child(options->command, &counters, &started);
	if (!started)
		return status;
	run_copy_stats(&counters, &stats);
	print_result(&counters, &stats, options, output);
	run_record_write(record, &stats, status);
	output_end(output, "run");
	return status;
}

static int check_outputs(const struct run_record *record,
			 const struct output *output)
{
	if (output_is_same(&record->trace, &record->report) ||
	    output_is_same(&record->trace, output) ||
	    output_is_same(&record->report, output))
		return cli_usage("run", "--output, --report and --trace need"
					" files of their own");
	return CLI_OK;
}

/* Outputs that were not ended leave the old files as they were. */
static int run_with_outputs(const struct run_options *options)
{
	struct run_record record = {.options = options};
	struct output output = {0};
	int status;

	status = output_begin(&output, "run", options->output);
	if (!status)
		status = run_record_open(&record);
	if (!status)
		status = check_outputs(&record, &output);
	if (!status)
		status = run_command(options, &record, &output);
	run_record_close(&record);
	output_cancel(&output);
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

	if (status)
		return status < 0 ? answer_question(-status) : status;
	return options.exec ? become_command(&options) :
			      run_with_outputs(&options);
}
