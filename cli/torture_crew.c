// SPDX-License-Identifier: MIT
/* Options, threads, progress and summary of a torture. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"
#include "progress.h"
#include "report.h"
#include "torture_crew.h"

int crew_add(struct crew *crew, void *(*main)(void *), unsigned long count)
{
	int ret = 0;

	for (uintptr_t i = 0; i < count && !ret; i++) {
		ret = pthread_create(&crew->threads[crew->count], NULL, main,
				     (void *)i);
		crew->count += !ret;
	}
	return ret;
}

void crew_join(struct crew *crew)
{
	for (unsigned int i = 0; i < crew->count; i++)
		pthread_join(crew->threads[i], NULL);
}

void torture_wait(const char *command)
{
	struct timespec tick = {.tv_nsec = 100000000};
	unsigned long ticks = 10 * torture.seconds;
	char what[40];

	snprintf(what, sizeof(what), "%s, seconds", command);
	for (unsigned long i = 0; i < ticks && !torture_stopped(); i++) {
		progress_show(what, i / 10, torture.seconds);
		nanosleep(&tick, NULL);
	}
	progress_clear();
}

/* CLI_OK also where the option takes no number. */
static int take_number(const struct torture_usage *usage, int option)
{
	const struct torture_number *number = usage->numbers;

	for (; number < usage->numbers + usage->nr_numbers; number++) {
		if (number->option != option)
			continue;
		if (!cli_parse_count(optarg, number->min, number->max,
				     number->value))
			break;
		return cli_usage(usage->command,
				 "'%s': %s takes a number from %lu to %lu",
				 optarg, number->name, number->min,
				 number->max);
	}
	return CLI_OK;
}

static int take_option(const struct torture_usage *usage, int c, char **argv,
		       bool *json)
{
	switch (c) {
	case '?':
	case ':':
		return cli_bad_option(usage->command, c, argv);
	case 'h':
		puts(usage->help);
		return CLI_OK;
	case 'V':
		return cli_print_version();
	case 'j':
		*json = true;
		return -1;
	default:
		return take_number(usage, c) ? CLI_USAGE : -1;
	}
}

int torture_parse(const struct torture_usage *usage, int argc, char **argv,
		  bool *json)
{
	int c, ret = -1;

	opterr = 0;
	while (ret < 0 &&
	       (c = getopt_long(argc, argv, ":hV", usage->options, NULL)) != -1)
		ret = take_option(usage, c, argv, json);
	if (ret < 0 && optind < argc)
		return cli_usage(usage->command, "'%s': takes no argument",
				 argv[optind]);
	return ret;
}

void torture_report(struct report *report, const char *const *names,
		    unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		report_row(report, names[i], "count");
		report_count(report, "value", torture.tallies[i]);
	}
}

int torture_verdict(const char *command)
{
	if (!torture.failing)
		return CLI_OK;
	return cli_fail(command, "%s; seed %lu", torture.failure, torture.seed);
}
