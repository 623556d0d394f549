// SPDX-License-Identifier: MIT
/* The frame of a torture. */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"
#include "progress.h"
#include "torture_frame.h"

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
	char what[80];

	snprintf(what, sizeof(what), "%s, seconds", command);
	for (unsigned long i = 0; i < ticks && !torture_stopped(); i++) {
		progress_show(what, i / 10, torture.seconds);
		nanosleep(&tick, NULL);
	}
	progress_clear();
}

static const struct option options[] = {
	{"seconds", required_argument, NULL, 's'},
	{"readers", required_argument, NULL, 'r'},
	{"writers", required_argument, NULL, 'w'},
	{"seed", required_argument, NULL, 'S'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static const struct number {
	int option;
	const char *name;
	unsigned long min, max;
	unsigned long *value;
} numbers[] = {
	{'s', "--seconds", 1, 1000000, &torture.seconds},
	{'r', "--readers", 1, MAX_THREADS, &torture.nr_readers},
	{'w', "--writers", 1, MAX_THREADS, &torture.nr_writers},
	{'S', "--seed", 0, 1000000000, &torture.seed},
};

/* CLI_OK also where the option takes no number. */
static int take_number(const char *command, int option)
{
	const struct number *number = numbers;

	for (; number < numbers + sizeof(numbers) / sizeof(*numbers);
	     number++) {
		if (number->option != option)
			continue;
		if (!cli_parse_count(optarg, number->min, number->max,
				     number->value))
			break;
		return cli_usage(command,
				 "'%s': %s takes a number from %lu to %lu",
				 optarg, number->name, number->min,
				 number->max);
	}
	return CLI_OK;
}

int torture_options(const char *command, int (*print_help)(void), int argc,
		    char **argv, bool *json)
{
	int c;

	*json = false;
	torture.seconds = 5;
	torture.nr_readers = 4;
	torture.nr_writers = 2;
	torture.seed = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hVs:r:w:", options, NULL)) !=
	       -1) {
		if (c == '?' || c == ':')
			return cli_bad_option(command, c, argv);
		if (c == 'h')
			return print_help();
		if (c == 'V')
			return cli_print_version();
		if (c == 'j')
			*json = true;
		if (take_number(command, c))
			return CLI_USAGE;
	}
	if (optind < argc)
		return cli_usage(command, "'%s': takes no argument",
				 argv[optind]);
	return -1;
}
