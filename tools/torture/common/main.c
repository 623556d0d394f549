// SPDX-License-Identifier: MIT
/* The options of a torture: those of its layer, and the common ones. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "thread.h"
#include "main.h"
#include "watch.h"
#include "base/util.h"

#define FIRST_NUMBER 256 /* the value of the first one */
#define HELP_COLUMN  19

static const struct torture_number common[] = {
	{"seconds", "N", "how long", 1, 1000000, 5, &torture.seconds},
	{"seed", "S", "of every thread's random choices", 0, 1000000000, 1,
	 &torture.seed},
	{"watchdog", "N", "seconds without progress until it ends", 1, 1000000,
	 60, &torture.watchdog},
};

static size_t count_numbers(const struct torture_layer *layer)
{
	return layer->nr_numbers + ARRAY_SIZE(common);
}

static const struct torture_number *number_at(const struct torture_layer *layer,
					      size_t i)
{
	return i < layer->nr_numbers ? &layer->numbers[i] :
				       &common[i - layer->nr_numbers];
}

static int print_help(const struct torture_layer *layer)
{
	int column;

	printf("usage: belfry %s [OPTIONS]\n\n%s\n\n", layer->command,
	       layer->about);
	for (size_t i = 0; i < count_numbers(layer); i++) {
		const struct torture_number *number = number_at(layer, i);

		column = printf("  --%s %s", number->name, number->argument);
		printf("%*s%s, %lu to %lu (%lu)\n", HELP_COLUMN - column, "",
		       number->what, number->min, number->max, number->initial);
	}
	printf("%-*s%s\n", HELP_COLUMN, "  --json", "the summary as JSON");
	return CLI_OK;
}

static int take_number(const struct torture_layer *layer,
		       const struct torture_number *number)
{
	if (!cli_parse_count(optarg, number->min, number->max, number->value))
		return CLI_OK;
	return cli_usage(layer->command,
			 "'%s': --%s takes a number from %lu to %lu", optarg,
			 number->name, number->min, number->max);
}

/* Lists the options, and sets each number to its default. */
static void list_options(const struct torture_layer *layer,
			 struct option *options)
{
	static const struct option plain[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	size_t i;

	for (i = 0; i < count_numbers(layer); i++) {
		const struct torture_number *number = number_at(layer, i);

		*number->value = number->initial;
		options[i] = (struct option){
			.name = number->name,
			.has_arg = required_argument,
			.val = FIRST_NUMBER + (int)i,
		};
	}
	memcpy(options + i, plain, sizeof(plain));
}

static int run(const struct torture_layer *layer, bool json)
{
	int ret = watchdog_start(layer);

	if (ret)
		return cli_fail(layer->command, "a thread: %s", strerror(ret));
	ret = layer->run(json);
	watchdog_stop();
	return ret;
}

int torture_main(int argc, char **argv, const struct torture_layer *layer)
{
	struct option options[MAX_NUMBERS + 4];
	bool json = false;
	int c;

	list_options(layer, options);
	while ((c = cli_next_option(argc, argv, ":hV", options)) != -1) {
		if (c == '?' || c == ':')
			return cli_bad_option(layer->command, c, argv);
		if (c == 'h')
			return print_help(layer);
		if (c == 'V')
			return cli_print_version();
		if (c == 'j')
			json = true;
		else if (take_number(layer,
				     number_at(layer,
					       (size_t)c - FIRST_NUMBER)))
			return CLI_USAGE;
	}
	if (optind < argc)
		return cli_usage(layer->command, "'%s': takes no argument",
				 argv[optind]);
	return run(layer, json);
}
