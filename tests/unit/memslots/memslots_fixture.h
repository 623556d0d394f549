/* SPDX-License-Identifier: MIT */
/* A map for each test, and host memory for its slots. */
#ifndef BF_TESTS_MEMSLOTS_FIXTURE_H
#define BF_TESTS_MEMSLOTS_FIXTURE_H

#include <unistd.h>

#include "belfry/memslots.h"

#define PAGE	 ((uint64_t)sysconf(_SC_PAGESIZE))
#define MAX_PAGE 65536

extern struct bf_memslots *map;
extern char *memory; /* 16 pages of zeroes */

int map_setup(void **state);
int map_teardown(void **state);

#define MAP_TEST(name) \
	cmocka_unit_test_setup_teardown(name, map_setup, map_teardown)

/* A slot of @pages pages, at page @at of memory. */
struct kvm_userspace_memory_region region(uint32_t slot, uint64_t gpa,
					  uint64_t pages, uint64_t at);

/* Sets this slot in the map and returns the map's answer. */
int set(uint32_t slot, uint64_t gpa, uint64_t pages, uint64_t at);

/* The host address of @len bytes in space 0, NULL if not all are mapped. */
void *find(uint64_t gpa, uint64_t len, bool write);

#endif
