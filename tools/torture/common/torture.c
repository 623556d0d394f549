// SPDX-License-Identifier: MIT
/* belfry torture: which layers there are to torture. */
#include "tools/belfry/common/layers.h"
#include "torture.h"
#include "base/util.h"

static const struct layer layers[] = {
	{"io_bus", "accesses to a bus that is changed all the time",
	 torture_io_bus},
	{"memslots", "devices that copy while memory comes and goes",
	 torture_memslots},
	{"srcu", "readers, updaters and callbacks of several domains",
	 torture_srcu},
	{"vcpus", "who looks up, adds, removes and locks vCPUs", torture_vcpus},
};

static const struct layered torture_command = {
	.command = "torture",
	.about =
		"Uses one layer of the library from many threads at once, and ends\n"
		"with status 1 and one line when it did what it must not.",
	.what = "a torture",
	.layers = layers,
	.nr_layers = ARRAY_SIZE(layers),
};

int cmd_torture(int argc, char **argv)
{
	return layered_main(argc, argv, &torture_command);
}
