/* SPDX-License-Identifier: MIT */
/* belfry report: print a trace of belfry run as text. */
#include <getopt.h>

#include "tools/belfry/report/report_trace.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/report/read.h"
#include "tools/belfry/report/text.h"

#define COMMAND "report"

static int print_help(void)
{
	puts("usage: belfry report FILE\n"
	     "\n"
	     "Prints FILE, a trace of belfry run --trace: stalls, calls with"
	     " percentiles,\n"
	     "doorbells, and stalls that belfry avoided or did not avoid.");
	return CLI_OK;
}

static int report_file(const char *name)
{
	struct json_object *trace = trace_read(name);

	if (!trace)
		return CLI_FAILURE;
	trace_print(trace, stdout);
	json_object_put(trace);
	return CLI_OK;
}

int cmd_report(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hV", options, NULL)) != -1) {
		if (c == 'h')
			return print_help();
		if (c == 'V')
			return cli_print_version();
		return cli_bad_option(COMMAND, c, argv);
	}
	if (optind == argc)
		return cli_usage(COMMAND, "no file given");
	if (optind + 1 < argc)
		return cli_usage(COMMAND, "'%s': takes one file",
				 argv[optind + 1]);
	return report_file(argv[optind]);
}
