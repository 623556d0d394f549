/* SPDX-License-Identifier: MIT */
/* A map for each test, and memory to put into it. */
#ifndef BF_TESTS_MEMSLOTS_FIXTURE_H
#define BF_TESTS_MEMSLOTS_FIXTURE_H

#include "belfry/memslots.h"

#define PAGE 4096ULL

extern struct bf_memslots *map;
extern char *memory; /* 16 pages of zeroes */

int map_setup(void **state);
int map_teardown(void **state);

#define MAP_TEST(name) \
	cmocka_unit_test_setup_teardown(name, map_setup, map_teardown)

/* A slot of so many pages, which begin at a page of memory. */
struct kvm_userspace_memory_region region(uint32_t slot, uint64_t gpa,
					  uint64_t pages, uint64_t at);
/* Puts it into the map; the answer. */
int set(uint32_t slot, uint64_t gpa, uint64_t pages, uint64_t at);

/* Where len bytes of space 0 are; NULL: not all there. */
void *find(uint64_t gpa, uint64_t len, bool write);

#endif
