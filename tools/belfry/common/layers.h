/* SPDX-License-Identifier: MIT */
/* A command that finds a layer of the library and hands over. */
#ifndef BF_CLI_LAYERS_H
#define BF_CLI_LAYERS_H

#include <stddef.h>

#include "cli.h"

struct layer {
	const char *name;
	const char *summary;
	cli_command_fn run;
};

struct layered {
	const char *command;
	const char *about; /* of the help, before the layers */
	const char *what;  /* of one layer it does: "a torture" */
	const struct layer *layers;
	size_t nr_layers;
};

/* argv[1] is the layer, the rest are its options. */
int layered_main(int argc, char **argv, const struct layered *layered);

#endif
