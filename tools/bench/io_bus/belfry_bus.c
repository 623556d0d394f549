// SPDX-License-Identifier: MIT
/* The library's bus with the interface of its peers. */
#include "tools/bench/io_bus/bench_io_bus.h"
#include "tools/belfry/common/sleep.h"
#include "tools/belfry/common/xalloc.h"

static void *create(void)
{
	struct bf_io_bus *bus;

	return bf_io_bus_create("bench", &bus) ? NULL : bus;
}

static void destroy(void *bus)
{
	bf_io_bus_destroy(bus);
}

static void *add_range(void *bus, const struct bf_io_range_desc *desc)
{
	struct bf_io_range *range;

	return bf_io_add_range(bus, desc, &range, NULL) ? NULL : range;
}

static void remove_range(void *bus, void *range)
{
	must(bf_io_remove_range(bus, range), "remove a range");
}

static void remove_range_async(void *bus, void *range)
{
	bf_io_remove_range_async(bus, range, NULL, NULL);
}

static void *add_doorbell(void *bus, const struct bf_io_range_desc *desc)
{
	struct bf_io_doorbell_desc doorbell_desc = {
		.addr = desc->addr,
		.space = desc->space,
		.len = sizeof(uint32_t),
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = sum_signal,
		.opaque = desc->opaque,
	};
	struct bf_io_doorbell *doorbell;

	return bf_io_add_doorbell(bus, &doorbell_desc, &doorbell, NULL) ?
		       NULL :
		       doorbell;
}

static void remove_doorbell(void *bus, void *doorbell)
{
	must(bf_io_remove_doorbell(bus, doorbell), "remove a doorbell");
}

static void remove_doorbell_async(void *bus, void *doorbell)
{
	bf_io_remove_doorbell_async(bus, doorbell, NULL, NULL);
}

static void write_all(void *opaque, const uint64_t *addrs, size_t count)
{
	struct bf_io_bus *bus = opaque;
	uint32_t value = 1;
	struct bf_io_access access = {
		.data = &value,
		.len = sizeof(value),
		.space = BF_IO_MMIO,
		.write = true,
	};

	for (size_t i = 0; i < count; i++) {
		access.addr = addrs[i];
		bf_io_dispatch(bus, &access);
	}
}

const struct bus_peer belfry_bus = {
	.name = "remove",
	.create = create,
	.destroy = destroy,
	.add = add_range,
	.remove = remove_range,
	.write_all = write_all,
};

const struct bus_peer belfry_bus_async = {
	.name = "remove_async",
	.create = create,
	.destroy = destroy,
	.add = add_range,
	.remove = remove_range_async,
	.write_all = write_all,
};

const struct bus_peer belfry_doorbells = {
	.name = "remove_doorbell",
	.create = create,
	.destroy = destroy,
	.add = add_doorbell,
	.remove = remove_doorbell,
	.write_all = write_all,
};

const struct bus_peer belfry_doorbells_async = {
	.name = "remove_doorbell_async",
	.create = create,
	.destroy = destroy,
	.add = add_doorbell,
	.remove = remove_doorbell_async,
	.write_all = write_all,
};

static void removed(void *opaque)
{
	__atomic_store_n((bool *)opaque, true, __ATOMIC_RELEASE);
}

static void wait_for(const bool *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		sleep_us(100);
}

/*
 * SRCU runs callbacks in the order of their calls.  So once the callbacks of
 * two more removals have run, all earlier ones have run too.
 */
void belfry_bus_drain(struct bf_io_bus *bus)
{
	/* The last place but one, which no row uses. */
	const struct bf_io_range_desc desc = place_desc(SIZE_MAX / PLACE_SIZE);
	bool range_gone = false, doorbell_gone = false;

	bf_io_remove_range_async(bus, xcheck(add_range(bus, &desc)), removed,
				 &range_gone);
	wait_for(&range_gone);
	bf_io_remove_doorbell_async(bus, xcheck(add_doorbell(bus, &desc)),
				    removed, &doorbell_gone);
	wait_for(&doorbell_gone);
}
