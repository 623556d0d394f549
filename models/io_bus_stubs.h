/* SPDX-License-Identifier: MIT */
/*
 * Stubs for the models of the bus: there are no eventfds, no zones, no counters
 * and no names.
 */
#ifndef BF_MODELS_IO_BUS_STUBS_H
#define BF_MODELS_IO_BUS_STUBS_H

int bf_srcu_init(struct srcu_struct *ssp, const char *name)
{
	machine_fail("a domain was set up");
	return 0;
}

int bf_srcu_cleanup(struct srcu_struct *ssp)
{
	machine_fail("a domain was destroyed");
	return 0;
}

void bf_srcu_barrier(struct srcu_struct *ssp)
{
	machine_fail("a thread waited for callbacks");
}

int bf_eventfd_check(int fd)
{
	machine_fail("an eventfd was used");
	return 0;
}

bool bf_eventfd_same(int fd, int other)
{
	machine_fail("an eventfd was used");
	return false;
}

int bf_eventfd_get(struct bf_eventfd_pool *pool, int fd,
		   struct bf_shared_eventfd **sharedp)
{
	machine_fail("an eventfd was used");
	return 0;
}

void bf_eventfd_put(struct bf_eventfd_pool *pool,
		    struct bf_shared_eventfd *shared)
{
	machine_fail("an eventfd was used");
}

void bf_eventfd_signal(struct bf_eventfd *eventfd)
{
	machine_fail("an eventfd was used");
}

void bf_eventfd_pool_init(struct bf_eventfd_pool *pool)
{
}

void bf_eventfd_pool_close(struct bf_eventfd_pool *pool)
{
}

void bf_eventfd_pool_destroy(struct bf_eventfd_pool *pool)
{
}

void bf_count(struct bf_counters **countersp, bool write, uint64_t start)
{
	machine_fail("an access was counted");
}

void bf_counters_free(struct bf_counters *counters)
{
}

void bf_ring_hold(struct bf_io_ring *ring)
{
	machine_fail("a ring was used");
}

void bf_ring_release(struct bf_io_ring *ring)
{
	machine_fail("a ring was used");
}

bool bf_ring_put(struct bf_io_ring *ring, const struct bf_io_access *access)
{
	machine_fail("a ring was used");
	return false;
}

#endif
