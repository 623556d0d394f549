/* SPDX-License-Identifier: MIT */
/*
 * A bus with many entries, for tests without memory.  The tear-down asserts
 * that nothing has leaked.
 */
#ifndef BF_TESTS_BUS_OOM_FIXTURE_H
#define BF_TESTS_BUS_OOM_FIXTURE_H

#include "belfry/io_ring.h"

#define MANY 300	/* ranges, and as many zones and doorbells */
#define STEP 0x100	/* least distance of their addresses */
#define FREE 0x10000000 /* an address without entries */

extern struct bf_io_bus *bus;
extern struct bf_io_ring *ring; /* ring of the zones */
extern struct bf_io_range *ranges[MANY];
extern struct bf_io_zone *zones[MANY];
extern struct bf_io_doorbell *doorbells[MANY];
extern int efd;				    /* eventfd of the doorbells */
extern unsigned int written;		    /* writes to the ranges */
extern unsigned int completed;		    /* calls of complete() */
extern const struct bf_io_ops counting_ops; /* counts in written */

int oom_setup(void **state);
int oom_teardown(void **state);

#define OOM_TEST(name) \
	cmocka_unit_test_setup_teardown(name, oom_setup, oom_teardown)

/* The address of the ith entries: not in order, at unequal distances. */
uint64_t place(unsigned int i);

/* Add a range in BF_IO_MMIO, a zone in BF_IO_PIO, a doorbell in BF_IO_CCW. */
int add_range(uint64_t addr, struct bf_io_range **range);
int add_zone(uint64_t addr, struct bf_io_zone **zone);
struct bf_io_doorbell_desc doorbell_at(uint64_t addr, int fd);
int add_doorbell(uint64_t addr, struct bf_io_doorbell **doorbell);

/* Dispatches a write of 4 bytes and returns the bus's answer. */
int write_at(uint16_t space, uint64_t addr);

/* The callback of removals; counts in completed. */
void complete(void *opaque);

/* Waits until the memory of all removed entries is freed. */
void settle(void);

#endif
