/* SPDX-License-Identifier: MIT */
/*
 * Stubs of functions that the bus's source calls.  The models have no eventfds,
 * zones, counters and names, and free no memory.
 */
#ifndef BF_MODELS_IO_BUS_STUBS_H
#define BF_MODELS_IO_BUS_STUBS_H

int bf_eventfd_check(int fd)
{
	machine_fail("an eventfd was checked");
	return 0;
}

bool bf_eventfd_same(int fd, int other)
{
	machine_fail("eventfds were compared");
	return false;
}

int bf_eventfd_get(struct bf_eventfd_pool *pool, int fd,
		   struct bf_shared_eventfd **sharedp)
{
	machine_fail("an eventfd was shared");
	return 0;
}

void bf_eventfd_put(struct bf_eventfd_pool *pool,
		    struct bf_shared_eventfd *shared)
{
	machine_fail("an eventfd was given back");
}

void bf_eventfd_signal(struct bf_eventfd *eventfd)
{
	machine_fail("an eventfd was signalled");
}

uint64_t bf_count_start(void)
{
	machine_fail("a ring was counted");
	return 0;
}

void bf_count(struct bf_counters **countersp, bool write, uint64_t start)
{
	machine_fail("a ring was counted");
}

void bf_counters_free(struct bf_counters *counters)
{
}

bool bf_zone_write(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		   const struct bf_io_access *access)
{
	machine_fail("a zone was written to");
	return false;
}

/* Only doorbells are in slabs. */
void *bf_slab_get(struct bf_slab *slab)
{
	return io_bus_memory(sizeof(struct bf_io_doorbell));
}

void bf_slab_put(void *object)
{
}

void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head))
{
}

void bf_removal_complete(struct bf_removal *removal)
{
	(removal->free)(removal); /* not the macro free() */
}

void bf_io_copy_name(char name[32], const char *from)
{
}

#endif
