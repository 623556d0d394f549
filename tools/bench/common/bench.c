// SPDX-License-Identifier: MIT
/* belfry bench: which layers there are to measure. */
#include "bench.h"
#include "tools/belfry/common/layers.h"
#include "base/util.h"

static const struct layer layers[] = {
	{"io_bus", "dispatch and changes of the bus beside others of its kind",
	 bench_io_bus},
	{"memslots", "from guest address to memory", bench_memslots},
	{"srcu", "readers, grace periods and callbacks beside other RCUs",
	 bench_srcu},
	{"vcpus", "lookups and creations beside other vCPU tables",
	 bench_vcpus},
};

static const struct layered bench = {
	.command = "bench",
	.about =
		"Measures one layer of the library, beside others of its kind\n"
		"where they were there when belfry was built.",
	.what = "a benchmark",
	.layers = layers,
	.nr_layers = ARRAY_SIZE(layers),
};

int cmd_bench(int argc, char **argv)
{
	return layered_main(argc, argv, &bench);
}
