/* SPDX-License-Identifier: MIT */
/*
 * The interface of a vCPU table to the benchmark.  Each file has its own loops,
 * so that a lookup is inlined or called as it is in a program.
 */
#ifndef BF_BENCH_VCPUS_PEER_H
#define BF_BENCH_VCPUS_PEER_H

#include <stdint.h>

#include "belfry/vcpus.h"

#define VCPUS_MAX 4096

struct vcpus_peer {
	const char *name;
	/* Returns an empty table, or NULL if memory is short. */
	void *(*create)(void);
	void (*destroy)(void *table);
	/* Returns 0 or a negative errno.  Peers do not write to the entry. */
	int (*add)(void *table, struct bf_vcpu_entry *entry, uint32_t id);
	/* Look up each key under the lock, or in a section, of the table. */
	void (*by_index_loop)(void *table, const uint32_t *keys,
			      unsigned int count);
	void (*by_id_loop)(void *table, const uint32_t *keys,
			   unsigned int count);
	/* Call inside() under the lock, or in a section, of the table. */
	void (*section)(void *table, void (*inside)(void));
};

/* The library; an array under a rwlock; an array copied by each creation. */
extern const struct vcpus_peer vcpus_belfry, vcpus_rwlock, vcpus_copy;

/* Enter and leave count empty sections of the library's table. */
void vcpus_belfry_empty_loop(void *table, const uint32_t *keys,
			     unsigned int count);

/* Keep the compiler from dropping a lookup without a user. */
static inline void keep(const void *found)
{
	__asm__ volatile("" : : "r"(found) : "memory");
}

#endif
