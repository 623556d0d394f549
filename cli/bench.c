// SPDX-License-Identifier: MIT
/* belfry bench: finds the layer and hands over. */
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
	{"io_bus", "dispatch and changes of the bus beside others of its kind",
	 bench_io_bus},
	{"memslots", "from guest address to memory", bench_memslots},
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
