// SPDX-License-Identifier: MIT
/* What an access costs that nothing is remembered for. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_io_bus.h"
#include "tools/belfry/common/xalloc.h"

#define ROUNDS 31

/* One more, for a moment: nobody remembers what he found before. */
static void change_bus(const struct bus_peer *peer, void *bus, size_t count)
{
	const struct bf_io_range_desc desc = place_desc(2 * count);

	peer->remove(bus, xcheck(peer->add(bus, &desc)));
}

static uint64_t *shuffled_addrs(size_t count)
{
	uint64_t *addrs = xgrow(NULL, 0, count, sizeof(*addrs));
	size_t *order = shuffled(count);

	for (size_t i = 0; i < count; i++)
		addrs[i] = place_addr(2 * order[i]);
	free(order);
	return addrs;
}

void bus_first(struct report *report, const struct bus_peer *peer, size_t count,
	       const char *what)
{
	uint64_t *addrs = shuffled_addrs(count), start;
	void *bus = filled_bus(peer, count);
	struct samples samples = {0};
	char name[80];

	for (int round = 0; round < ROUNDS; round++) {
		change_bus(peer, bus, count);
		start = cpu_ns();
		peer->write_all(bus, addrs, count);
		samples_add(&samples,
			    (double)(cpu_ns() - start) / (double)count);
	}
	snprintf(name, sizeof(name), "%s, after a change", what);
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", samples_median(&samples));
	report_text(report, "what", "each is searched for, none remembered");
	peer->destroy(bus);
	samples_free(&samples);
	free(addrs);
}
