// SPDX-License-Identifier: MIT
/* belfry torture: the list of layers. */
#include "tools/belfry/common/layers.h"
#include "torture.h"
#include "base/util.h"

static const struct layer layers[] = {
	{"io_bus", "accesses to a bus that threads keep changing",
	 torture_io_bus},
	{"memslots", "devices that copy while memory comes and goes",
	 torture_memslots},
	{"srcu", "readers, updaters and callbacks of several domains",
	 torture_srcu},
	{"vcpus", "lookups, additions, removals and locks of vCPUs",
	 torture_vcpus},
};

static const struct layered torture_command = {
	.command = "torture",
	.about =
		"Uses one layer of the library from many threads at once.  If the layer\n"
		"breaks a promise it prints one line and ends with status 1.",
	.what = "a torture",
	.layers = layers,
	.nr_layers = ARRAY_SIZE(layers),
};

int cmd_torture(int argc, char **argv)
{
	return layered_main(argc, argv, &torture_command);
}
