/* SPDX-License-Identifier: MIT */
/* A bus for each test, and helpers that change and access it. */
#ifndef BF_TESTS_BUS_FIXTURE_H
#define BF_TESTS_BUS_FIXTURE_H

#include "belfry/io_bus.h"

extern struct bf_io_bus *bus;
extern int efd;

int bus_setup(void **state);
int bus_teardown(void **state);

#define BUS_TEST(name) \
	cmocka_unit_test_setup_teardown(name, bus_setup, bus_teardown)

/* Reads an eventfd: the number of signals since the last call. */
uint64_t taken(int fd);

/* Dispatch one access and return the bus's answer. */
int write_len(uint16_t space, uint64_t addr, uint64_t value, uint32_t len);
int read_len(uint16_t space, uint64_t addr, void *value, uint32_t len);

/* Runs fn in a new thread and joins it. */
void run_thread(void *(*fn)(void *unused));

/* MMIO doorbells on efd: for any data, and for one value. */
struct bf_io_doorbell_desc doorbell_at(uint64_t addr, uint32_t len);
struct bf_io_doorbell_desc match_at(uint64_t addr, uint32_t len,
				    uint64_t datamatch);
int add_doorbell(struct bf_io_doorbell_desc desc,
		 struct bf_io_doorbell **handle);

/* A device that records its last access. */
struct device {
	uint64_t offset;
	uint64_t value;
	uint32_t len;
	unsigned int calls;
	int answer;
};

extern const struct bf_io_ops device_ops; /* opaque is a struct device */

int add_range(uint64_t addr, uint64_t size, const struct bf_io_ops *ops,
	      void *opaque, struct bf_io_range **handle);

#endif
