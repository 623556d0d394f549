// SPDX-License-Identifier: MIT
/* belfry torture: finds the layer and hands over. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "torture.h"

#define COMMAND "torture"

static const struct layer {
	const char *name;
	const char *summary;
	cli_command_fn run;
} layers[] = {
	{"io_bus", "accesses to a bus that is changed all the time",
	 torture_io_bus},
	{"memslots", "devices that copy while memory comes and goes",
	 torture_memslots},
	{"srcu", "readers, updaters and callbacks of several domains",
	 torture_srcu},
	{"vcpus", "who looks up, adds, removes and locks vCPUs", torture_vcpus},
};

#define NR_LAYERS (sizeof(layers) / sizeof(layers[0]))

static int print_help(void)
{
	puts("usage: belfry torture LAYER [OPTIONS]\n"
	     "\n"
	     "Uses one layer of the library from many threads at once, and ends\n"
	     "with status 1 and one line when it did what it must not.\n"
	     "\n"
	     "layers:");
	for (size_t i = 0; i < NR_LAYERS; i++)
		printf("  %-10s %s\n", layers[i].name, layers[i].summary);
	puts("\n"
	     "belfry torture LAYER --help tells what a torture takes.");
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

int cmd_torture(int argc, char **argv)
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
