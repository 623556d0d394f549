/* SPDX-License-Identifier: MIT */
/*
 * A vCPU table as the benchmark sees it.  The loops are in the file of each,
 * so that nothing stands between them and the lookup but what its user pays.
 */
#ifndef BF_BENCH_VCPUS_PEER_H
#define BF_BENCH_VCPUS_PEER_H

#include <stdint.h>

#include "belfry/vcpus.h"

#define VCPUS_MAX 4096

struct vcpus_peer {
	const char *name;
	/* Empty; NULL: out of memory. */
	void *(*create)(void);
	void (*destroy)(void *table);
	/* 0 or a negative errno; the entry is only pointed to by others. */
	int (*add)(void *table, struct bf_vcpus_entry *entry, uint32_t id);
	/* For each key a section, or what protects a reader, and a lookup. */
	void (*by_index_loop)(void *table, const uint32_t *keys,
			      unsigned int count);
	void (*by_id_loop)(void *table, const uint32_t *keys,
			   unsigned int count);
	/* A section with a call inside. */
	void (*section)(void *table, void (*inside)(void));
};

/* The library; arrays of pointers under a lock; copied at each creation. */
extern const struct vcpus_peer vcpus_own, vcpus_rwlock, vcpus_copy;

/* As many sections of the library's table, with nothing inside. */
void vcpus_own_empty_loop(void *table, const uint32_t *keys,
			  unsigned int count);

/* Keeps a lookup whose result nobody wants. */
static inline void keep(const void *found)
{
	__asm__ volatile("" : : "r"(found) : "memory");
}

#endif
