/* SPDX-License-Identifier: MIT */
/* belfry report: print a trace of belfry run as text. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "tools/belfry/report/report_trace.h"
#include "base/text.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/confine.h"
#include "tools/belfry/report/read.h"
#include "tools/belfry/report/text.h"

#define COMMAND	    "report"
#define MOST_OUTPUT ((size_t)2 << 30)

static int print_help(void)
{
	puts("usage: belfry report FILE\n"
	     "\n"
	     "Prints FILE, a trace of belfry run --trace: stalls, calls with"
	     " percentiles,\n"
	     "doorbells, and stalls that belfry avoided or did not avoid.");
	return CLI_OK;
}

struct reading {
	const char *name;
	int fd;
};

static int print_trace(void *arg, FILE *out)
{
	const struct reading *reading = arg;
	struct json_object *trace = trace_read(reading->fd, reading->name);

	if (!trace)
		return CLI_FAILURE;
	trace_print(trace, out);
	return CLI_OK;
}

/* A file that has taken over the reader may have any output. */
static void print_part(void *arg, char *text, size_t size)
{
	text_clean(text, size, '\n');
	cli_write(text, size, stdout);
}

static int report_file(const char *name)
{
	struct reading reading = {
		.name = name,
		.fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY),
	};
	const struct confined_task task = {
		.command = COMMAND,
		.subject = name,
		.input = reading.fd,
		.most = MOST_OUTPUT,
		.run = print_trace,
		.take = print_part,
		.arg = &reading,
	};
	int status;

	if (reading.fd < 0)
		return cli_fail(COMMAND, "cannot read %s: %s", name,
				strerror(errno));
	status = confine(&task);
	close(reading.fd);
	return status;
}

int cmd_report(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int c;

	while ((c = cli_next_option(argc, argv, ":hV", options)) != -1) {
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
