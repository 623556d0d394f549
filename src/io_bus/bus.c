// SPDX-License-Identifier: MIT
/* The bus: its life. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/bus.h"
#include "io_bus/doorbell.h"
#include "io_bus/range.h"
#include "io_bus/zone.h"
#include "srcu/wait.h"
#include "base/util.h"

__thread struct bf_io_frame *bf_io_innermost
	__attribute__((tls_model("initial-exec")));

void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head))
{
#ifndef BF_BREAK_GRACE_PERIOD
	if (!bf_srcu_gp_try(&bus->srcu)) {
		call_srcu(&bus->srcu, head, fn);
		return;
	}
#endif
	fn(head);
}

void bf_io_copy_name(char name[32], const char *from)
{
	snprintf(name, 32, "%s", from ? from : "");
}

static int init_domains(struct bf_io_bus *bus)
{
	int ret = init_srcu_struct(&bus->srcu);

	if (ret)
		return ret;
	ret = init_srcu_struct(&bus->signals);
	if (ret)
		cleanup_srcu_struct(&bus->srcu);
	return ret;
}

static struct bf_io_bus *bus_alloc(void)
{
	struct bf_io_bus *bus = NULL;

	if (posix_memalign((void **)&bus, __alignof__(*bus), sizeof(*bus)))
		return NULL;
	memset(bus, 0, sizeof(*bus));
	bus->state = calloc(1, sizeof(*bus->state));
	if (bus->state)
		return bus;
	free(bus);
	return NULL;
}

static void bus_free(struct bf_io_bus *bus)
{
	free(bus->state);
	free(bus);
}

int bf_io_bus_create(struct bf_io_bus **busp, const char *name)
{
	struct bf_io_bus *bus = bus_alloc();
	int ret;

	if (!bus)
		return -ENOMEM;
	ret = init_domains(bus);
	if (ret) {
		bus_free(bus);
		return ret;
	}
	pthread_mutex_init(&bus->lock, NULL);
	bf_eventfd_pool_init(&bus->eventfds);
	bf_slab_init(&bus->bells, sizeof(struct bf_io_doorbell));
	bf_io_copy_name(bus->name, name);
	*busp = bus;
	return 0;
}

int bf_io_synchronize(struct bf_io_bus *bus)
{
	if (bf_io_in_handler(bus))
		return -EDEADLK;
	synchronize_srcu_expedited(&bus->srcu);
	return 0;
}

static int free_range(void *opaque, struct bf_span span,
		      struct bf_span_entry *entry)
{
	bf_range_free(
		container_of(bf_region_of(entry), struct bf_io_range, region));
	return 0;
}

static int free_zone(void *opaque, struct bf_span span,
		     struct bf_span_entry *entry)
{
	bf_zone_free(
		container_of(bf_region_of(entry), struct bf_io_zone, region));
	return 0;
}

/* Most doorbells have nothing of their own, and go with their slab. */
static void free_entries(const struct bf_io_bus *bus,
			 const struct bf_io_roots *roots)
{
	if (bus->counted)
		bf_doorbells_uncount(roots->doorbells);
	bf_bells_free(roots->doorbells);
	bf_span_each(roots->zones, free_zone, NULL);
	bf_span_free(roots->zones);
	bf_span_each(roots->ranges, free_range, NULL);
	bf_span_free(roots->ranges);
}

/* A function that is told of a removal may make another. */
void bf_io_bus_destroy(struct bf_io_bus *bus)
{
	unsigned int space;

	if (!bus)
		return;
	do
		srcu_barrier(&bus->srcu);
	while (cleanup_srcu_struct(&bus->srcu));
	cleanup_srcu_struct(&bus->signals);
	bf_eventfd_pool_close(&bus->eventfds);
	for (space = 0; space < BF_IO_SPACES; space++)
		free_entries(bus, &bus->state->space[space]);
	bf_eventfd_pool_destroy(&bus->eventfds);
	bf_slab_destroy(&bus->bells);
	pthread_mutex_destroy(&bus->lock);
	bus_free(bus);
}
