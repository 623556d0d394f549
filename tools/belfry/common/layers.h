/* SPDX-License-Identifier: MIT */
/* Commands that take a layer of the library as their first argument. */
#ifndef BF_CLI_LAYERS_H
#define BF_CLI_LAYERS_H

#include <stddef.h>

#include "tools/belfry/common/cli.h"

struct layer {
	const char *name;
	const char *summary;
	cli_command_fn run;
};

struct layered {
	const char *command;
	const char *about; /* help text above the list of layers */
	const char *what;  /* the command does this to a layer: "a torture" */
	const struct layer *layers;
	size_t nr_layers;
};

/* Run the layer that argv[1] names with the options after it. */
int layered_main(int argc, char **argv, const struct layered *layered);

#endif
