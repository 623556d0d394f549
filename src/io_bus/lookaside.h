/* SPDX-License-Identifier: MIT */
/*
 * What the calling thread's accesses found last: a table by the address, which
 * spares the walk down the tree of ranges.  A guest goes to few devices, again
 * and again.
 *
 * A finding holds for the ranges of one space of one bus as they were published
 * once; each such set of ranges has a stamp that no other ever has.  So nobody
 * needs to be told of a change: what was found before it has the wrong stamp.
 * In a section of the bus a finding of the right stamp is as alive as the tree
 * is, for it is in that tree.
 *
 * The table is the thread's own, starts small and grows where accesses drive
 * each other's findings out of it, as far as the number of ranges justifies.
 * Without memory for it they walk the tree.
 */
#ifndef BF_IO_BUS_LOOKASIDE_H
#define BF_IO_BUS_LOOKASIDE_H

#include "io_bus/bus.h"

/* All that is needed of a range, in one cache line. */
struct bf_finding {
	uint64_t stamp; /* 0: none */
	uint64_t first;
	uint64_t size_less_1;
	struct bf_io_ops ops; /* both are there */
	void *opaque;
} __attribute__((aligned(64)));

/* Addresses of one grain have the same place; see bf_lookaside_grain(). */
static inline struct bf_finding *bf_finding_at(uint64_t addr,
					       unsigned int grain)
{
	const uint64_t phi = 0x9e3779b97f4a7c15ULL;

	return &bf_io_thread
			.findings[(addr >> grain) * phi >> bf_io_thread.shift];
}

/*
 * Whose the access is; NULL: search the tree.  Acquire: see
 * bf_lookaside_forget().
 */
static inline const struct bf_finding *
bf_lookaside_find(const struct bf_io_roots *roots, uint64_t addr, uint64_t len,
		  uint64_t *offset)
{
	const struct bf_finding *finding = bf_finding_at(addr, roots->grain);
	const uint64_t stamp = __atomic_load_n(&roots->stamp, __ATOMIC_ACQUIRE);

	*offset = addr - finding->first;
	/* Not the sum of offset and length: that may wrap. */
	return likely(finding->stamp == stamp &&
		      *offset <= finding->size_less_1 &&
		      len - 1 <= finding->size_less_1 - *offset) ?
		       finding :
		       NULL;
}

/* Keeps what an access to addr found, with the stamp from before the search. */
void bf_lookaside_keep(const struct bf_finding *finding,
		       const struct bf_io_roots *roots, uint64_t addr);

/* To be published: the stamp of a space whose ranges are not the old ones. */
uint64_t bf_lookaside_stamp(void);

/*
 * The published ranges were changed in place: bus locked.  Release, with the
 * acquire of bf_lookaside_find(): who sees the new stamp does not find in the
 * tree what was cleared, and keep it under that stamp for ever.
 */
static inline void bf_lookaside_forget(struct bf_io_roots *roots)
{
	__atomic_store_n(&roots->stamp, bf_lookaside_stamp(), __ATOMIC_RELEASE);
}

/*
 * A range is added: the grain is as fine as the smallest one since the space
 * was empty, and not coarser than a page.
 */
void bf_lookaside_grain(struct bf_io_roots *roots, struct bf_span span);

#endif
