// SPDX-License-Identifier: MIT
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"
#include "progress.h"
#include "torture_frame.h"

struct torture torture = {
	.seconds = 5,
	.nr_readers = 4,
	.nr_writers = 2,
	.seed = 1,
};

bool torture_stopped(void)
{
	return __atomic_load_n(&torture.stop, __ATOMIC_RELAXED);
}

void torture_stop(void)
{
	__atomic_store_n(&torture.stop, true, __ATOMIC_RELAXED);
}

void torture_fail(const char *format, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&torture.failing, true, __ATOMIC_RELAXED)) {
		va_start(args, format);
		vsnprintf(torture.failure, sizeof(torture.failure), format,
			  args);
		va_end(args);
	}
	torture_stop();
}

/* splitmix64: Steele, Lea, Flood, OOPSLA 2014. */
uint64_t torture_random_bits(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

unsigned int torture_random(uint64_t *state, unsigned int n)
{
	return (unsigned int)(((torture_random_bits(state) >> 32) * n) >> 32);
}

uint64_t torture_random_init(unsigned int kind, unsigned int number)
{
	uint64_t state = torture.seed;

	state = torture_random_bits(&state) + kind;
	return torture_random_bits(&state) + number;
}

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

int torture_main(const char *command, const char *help, int (*run)(bool json),
		 int argc, char **argv)
{
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hVs:r:w:", options, NULL)) !=
	       -1) {
		if (c == '?' || c == ':')
			return cli_bad_option(command, c, argv);
		if (c == 'h')
			return cli_print_help(help);
		if (c == 'V')
			return cli_print_version();
		if (c == 'j')
			json = true;
		if (take_number(command, c))
			return CLI_USAGE;
	}
	if (optind < argc)
		return cli_usage(command, "'%s': takes no argument",
				 argv[optind]);
	return run(json);
}

int torture_verdict(const char *command)
{
	if (torture.failing)
		return cli_fail(command, "%s; seed %lu", torture.failure,
				torture.seed);
	return CLI_OK;
}
