/* SPDX-License-Identifier: MIT */
/*
 * Allocations of the library and of the test that are counted and fail on
 * demand.  The program must be linked with alloc_fault_args of
 * tests/meson.build.  Allocations inside libc are not affected.
 */
#ifndef BF_TESTS_ALLOC_FAULT_H
#define BF_TESTS_ALLOC_FAULT_H

#include <stdbool.h>

/* The nth allocation from now on, of all threads, fails; 0: none. */
void alloc_fail_at(int n);

/* The nth allocation and all later ones fail; 0: none. */
void alloc_fail_from(int n);

/* All allocations fail, or none. */
void alloc_fail_all(bool fail);

/* The number of allocations since the last call of these functions. */
int alloc_tried(void);

/* The number of blocks and mappings that exist. */
long alloc_live(void);

#endif
