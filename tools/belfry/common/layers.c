// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/layers.h"

static int print_help(const struct layered *layered)
{
	const struct layer *layer = layered->layers;

	printf("usage: belfry %s LAYER [OPTIONS]\n\n%s\n\nlayers:\n",
	       layered->command, layered->about);
	for (; layer < layered->layers + layered->nr_layers; layer++)
		printf("  %-10s %s\n", layer->name, layer->summary);
	printf("\nbelfry %s LAYER --help lists the options of %s.\n",
	       layered->command, layered->what);
	return CLI_OK;
}

static int unknown_layer(const struct layered *layered, const char *name)
{
	char known[80] = "";

	for (size_t i = 0; i < layered->nr_layers; i++) {
		strcat(known, i ? ", " : "");
		strcat(known, layered->layers[i].name);
	}
	if (!name)
		return cli_usage(layered->command, "no layer given: %s", known);
	return cli_usage(layered->command, "'%s': no such layer: %s", name,
			 known);
}

int layered_main(int argc, char **argv, const struct layered *layered)
{
	if (argc < 2)
		return unknown_layer(layered, NULL);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return print_help(layered);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cli_print_version();
	for (size_t i = 0; i < layered->nr_layers; i++) {
		if (!strcmp(argv[1], layered->layers[i].name))
			return layered->layers[i].run(argc - 1, argv + 1);
	}
	return unknown_layer(layered, argv[1]);
}
