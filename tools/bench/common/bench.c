// SPDX-License-Identifier: MIT
/* belfry bench: the list of layers. */
#include "tools/bench/common/bench.h"
#include "tools/belfry/common/layers.h"
#include "base/util.h"

static const struct layer layers[] = {
	{"io_bus", "dispatch and changes of the bus, beside other buses",
	 bench_io_bus},
	{"memslots", "translation of guest addresses, beside a sorted array",
	 bench_memslots},
	{"srcu", "readers, grace periods and callbacks, beside other RCUs",
	 bench_srcu},
	{"vcpus", "lookups and creations, beside other vCPU tables",
	 bench_vcpus},
};

static const struct layered bench = {
	.command = "bench",
	.about =
		"Measures one layer of the library beside other implementations,\n"
		"as far as they were installed when belfry was built.",
	.what = "a benchmark",
	.layers = layers,
	.nr_layers = ARRAY_SIZE(layers),
};

int cmd_bench(int argc, char **argv)
{
	return layered_main(argc, argv, &bench);
}
