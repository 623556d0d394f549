// SPDX-License-Identifier: MIT
/* Creation and destruction of a bus. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "io_bus/bus.h"
#include "io_bus/doorbell.h"
#include "io_bus/region.h"
#include "io_bus/thread.h"

static int init_domains(struct bf_io_bus *bus)
{
	int ret = init_srcu_struct(&bus->srcu);

	if (ret)
		return ret;
	ret = init_srcu_struct(&bus->consumer_srcu);
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

int bf_io_bus_create(const char *name, struct bf_io_bus **busp)
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
	snprintf(bus->name, sizeof(bus->name), "%s", name ? name : "");
	*busp = bus;
	return 0;
}

static void roots_free(const struct bf_io_roots *roots)
{
	bf_doorbells_free(&roots->doorbells);
	bf_regions_free(&roots->zones);
	bf_regions_free(&roots->ranges);
}

/*
 * The done function of a removal may begin another one: wait again.  A handler
 * that never returns holds up the grace period, which SRCU reports.
 */
void bf_io_bus_destroy(struct bf_io_bus *bus)
{
	unsigned int space;

	if (!bus)
		return;
	do {
		synchronize_srcu_expedited(&bus->srcu);
		srcu_barrier(&bus->srcu);
	} while (cleanup_srcu_struct(&bus->srcu));
	bf_deferred_end(&bus->deferred);
	/* Each of its sections is inside one of bus->srcu, or abandoned. */
	while (cleanup_srcu_struct(&bus->consumer_srcu))
		synchronize_srcu_expedited(&bus->consumer_srcu);
	bf_eventfd_pool_close(&bus->eventfds);
	for (space = 0; space < bus->state->spaces; space++)
		roots_free(&bus->state->space[space]);
	bf_eventfd_pool_destroy(&bus->eventfds);
	pthread_mutex_destroy(&bus->lock);
	bus_free(bus);
}

int bf_io_synchronize(struct bf_io_bus *bus)
{
	if (bf_io_in_handler(bus))
		return -EDEADLK;
	synchronize_srcu_expedited(&bus->srcu);
	return 0;
}
