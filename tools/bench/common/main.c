// SPDX-License-Identifier: MIT
/* Options and report of a benchmark. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench/common/bench.h"
#include "tools/belfry/common/cli.h"

static int run_bench(const struct bench *bench, bool json)
{
	struct report *report = report_new(json);
	int ret = bench->measure(report);

	if (!ret)
		report_print(report, stdout);
	report_free(report);
	return ret ? cli_fail(bench->command, "%s", strerror(-ret)) : CLI_OK;
}

int bench_main(int argc, char **argv, const struct bench *bench)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	bool json = false;
	int c;

	while ((c = cli_next_option(argc, argv, ":hV", options)) != -1) {
		if (c == '?' || c == ':')
			return cli_bad_option(bench->command, c, argv);
		if (c == 'h') {
			puts(bench->help);
			return CLI_OK;
		}
		if (c == 'V')
			return cli_print_version();
		json = true;
	}
	if (optind < argc)
		return cli_usage(bench->command, "'%s': takes no argument",
				 argv[optind]);
	return run_bench(bench, json);
}
