/* SPDX-License-Identifier: MIT */
/*
 * What the calling thread's accesses found last: a table by the address, which
 * spares the walk down the tree of ranges.  A guest goes to few devices, again
 * and again.
 *
 * A finding holds for the ranges of one space of one bus as they were published
 * once; each such set of ranges has a seal that no other ever has.  So nobody
 * needs to be told of a change: what was found before it has the wrong seal.
 * In a section of the bus a finding of the seal that the bus shows is as alive
 * as the published tree is, for it is in that tree.
 *
 * The table is the thread's own, starts small and grows where accesses drive
 * each other's findings out of it, as far as the number of ranges justifies.
 * Without memory for it they walk the tree.
 */
#ifndef BF_IO_BUS_LOOKASIDE_H
#define BF_IO_BUS_LOOKASIDE_H

#include "io_bus/bus.h"

/* The first part of a seal: no other has it. */
uint64_t bf_lookaside_stamp(void);

/*
 * A seal has its stamp above the low byte, which says of what grain keys are:
 * of how many low bits a place knows nothing.
 */
#define BF_SEAL_SHIFT  8
#define BF_SEAL_LOW    ((uint64_t)0xff)
#define BF_SEAL_GRAIN  ((uint64_t)0x3f)
#define BF_SEAL_SHARED ((uint64_t)0x80) /* of ranges: writes may be others' */

static inline uint64_t bf_new_seal(uint64_t low)
{
	return bf_lookaside_stamp() << BF_SEAL_SHIFT | low;
}

/* All that is needed of a range, in one cache line. */
struct bf_finding {
	uint64_t seal; /* 0: none */
	uint64_t first;
	uint64_t size_less_1;
	struct bf_io_ops ops; /* both are there */
	void *opaque;
} __attribute__((aligned(64)));

/* Keys that follow one another have places that are far apart. */
static inline size_t bf_lookaside_place(const struct bf_lookaside *table,
					uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ULL >> table->shift;
}

/*
 * May the table's places, of size bytes, be written to?  Makes it, and a bigger
 * one, where as many good findings were driven out as it has places: of
 * 2^most_bits at most.  All that was found is forgotten then.
 */
bool bf_lookaside_make_room(struct bf_lookaside *table, size_t size,
			    unsigned int most_bits, bool drives_out);

/* Addresses of one grain have the same place; see bf_lookaside_grain(). */
static inline struct bf_finding *bf_finding_at(uint64_t seal, uint64_t addr)
{
	const struct bf_lookaside *table = &bf_io_thread.ranges;
	struct bf_finding *findings = table->places;

	return &findings[bf_lookaside_place(table,
					    addr >> (seal & BF_SEAL_GRAIN))];
}

/* Whose the access is, where that seal holds; NULL: search the tree. */
static inline const struct bf_finding *
bf_lookaside_find(uint64_t seal, uint64_t addr, uint64_t len, uint64_t *offset)
{
	const struct bf_finding *finding = bf_finding_at(seal, addr);

	*offset = addr - finding->first;
	/* Not the sum of offset and length: that may wrap. */
	return likely(finding->seal == seal &&
		      *offset <= finding->size_less_1 &&
		      len - 1 <= finding->size_less_1 - *offset) ?
		       finding :
		       NULL;
}

/* Keeps what an access to addr found, with the seal from before the search. */
void bf_lookaside_keep(const struct bf_finding *finding,
		       const struct bf_io_roots *roots, uint64_t addr);

/*
 * A range is added: the grain is as fine as the smallest one since the space
 * was empty, and not coarser than a page.
 */
void bf_lookaside_grain(struct bf_io_roots *roots, struct bf_span span);

#endif
