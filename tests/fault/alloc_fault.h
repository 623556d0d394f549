/* SPDX-License-Identifier: MIT */
/*
 * Allocations of the library and the test that fail on demand, and that are
 * counted.  For programs linked with alloc_fault_args of tests/meson.build;
 * what libc allocates for itself is not touched.
 */
#ifndef BF_TESTS_ALLOC_FAULT_H
#define BF_TESTS_ALLOC_FAULT_H

#include <stdbool.h>

/* From now on the nth one fails, of all threads; 0: none. */
void alloc_fail_at(int n);
/* The nth one and all after it fail; 0: none. */
void alloc_fail_from(int n);
/* All of them do, or none. */
void alloc_fail_all(bool fail);
/* How many there have been since the last of these. */
int alloc_tried(void);
/* Blocks, mappings and memory files that are there. */
long alloc_live(void);

#endif
