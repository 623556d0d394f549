/* SPDX-License-Identifier: MIT */
/*
 * A bus that much is on before memory runs out.  After each test everything is
 * gone, or the test fails.
 */
#ifndef BF_TESTS_BUS_OOM_FIXTURE_H
#define BF_TESTS_BUS_OOM_FIXTURE_H

#include "belfry/io_ring.h"

#define MANY 300	/* ranges, zones and doorbells that are there first */
#define STEP 0x100	/* from one to the next */
#define FREE 0x10000000 /* where nothing is */

extern struct bf_io_bus *bus;
extern struct bf_io_ring *ring; /* of the zones */
extern struct bf_io_range *ranges[MANY];
extern struct bf_io_zone *zones[MANY];
extern struct bf_io_doorbell *doorbells[MANY];
extern int efd;				    /* of the doorbells */
extern unsigned int written;		    /* to the ranges */
extern unsigned int completed;		    /* removals whose end was told */
extern const struct bf_io_ops counting_ops; /* counts in written */

int oom_setup(void **state);
int oom_teardown(void **state);

#define OOM_TEST(name) \
	cmocka_unit_test_setup_teardown(name, oom_setup, oom_teardown)

/* Where the ith are: neither in order nor at equal distances. */
uint64_t place(unsigned int i);

/* A range is in BF_IO_MMIO, a zone in BF_IO_PIO, a doorbell in BF_IO_CCW. */
int add_range(uint64_t addr, struct bf_io_range **range);
int add_zone(uint64_t addr, struct bf_io_zone **zone);
struct bf_io_doorbell_desc doorbell_at(uint64_t addr, int fd);
int add_doorbell(uint64_t addr, struct bf_io_doorbell **doorbell);

/* One access of 4 bytes; the answer. */
int write_at(uint16_t space, uint64_t addr);

/* Counts in completed: what a removal calls when it is over. */
void complete(void *opaque);

/* Frees of what nobody reads any more have happened. */
void settle(void);

#endif
