// SPDX-License-Identifier: MIT
/* belfry bench: finds the layer and hands over. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "bench.h"

#define COMMAND "bench"

static const struct layer {
	const char *name;
	const char *summary;
	cli_command_fn run;
} layers[] = {
	{"srcu", "readers, grace periods and callbacks beside other RCUs",
	 bench_srcu},
	{"vcpus", "lookups and creations beside other vCPU tables",
	 bench_vcpus},
};

#define NR_LAYERS (sizeof(layers) / sizeof(layers[0]))

static int print_help(void)
{
	puts("usage: belfry bench LAYER [OPTIONS]\n"
	     "\n"
	     "Measures one layer of the library, beside others of its kind\n"
	     "where they were there when belfry was built.\n"
	     "\n"
	     "layers:");
	for (size_t i = 0; i < NR_LAYERS; i++)
		printf("  %-10s %s\n", layers[i].name, layers[i].summary);
	puts("\n"
	     "belfry bench LAYER --help tells what a benchmark takes.");
	return CLI_OK;
}

static int unknown_layer(const char *name)
{
	char known[80] = "";

	for (size_t i = 0; i < NR_LAYERS; i++) {
		strcat(known, i ? ", " : "");
		strcat(known, layers[i].name);
	}
	if (!name)
		return cli_usage(COMMAND, "no layer given: %s", known);
	return cli_usage(COMMAND, "'%s': no such layer: %s", name, known);
}

int bench_main(const char *command, const char *help, int (*run)(bool json),
	       int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hV", options, NULL)) != -1) {
		if (c == '?' || c == ':')
			return cli_bad_option(command, c, argv);
		if (c == 'h')
			return cli_print_help(help);
		if (c == 'V')
			return cli_print_version();
		json = true;
	}
	if (optind < argc)
		return cli_usage(command, "'%s': takes no argument",
				 argv[optind]);
	return run(json);
}

int cmd_bench(int argc, char **argv)
{
	if (argc < 2)
		return unknown_layer(NULL);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return print_help();
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cli_print_version();
	for (size_t i = 0; i < NR_LAYERS; i++) {
		if (!strcmp(argv[1], layers[i].name))
			return layers[i].run(argc - 1, argv + 1);
	}
	return unknown_layer(argv[1]);
}
