// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "io_bus/lookaside.h"
#include "base/util.h"

#define PAGE_BITS 12
#define MIN_BITS  6  /* 4 kB of ranges */
#define MAX_BITS  15 /* 2 MB */

#define CACHE_LINE ((size_t)64)
#define HUGE_PAGE  ((size_t)2 << 20)

/* Of a thread that has kept nothing yet: never written to. */
static struct bf_finding none[2];

#define NO_TABLE                            \
	{                                   \
		.places = none, .shift = 63 \
	}

__thread struct bf_io_thread bf_io_thread
	__attribute__((tls_model("initial-exec"))) = {.ranges = NO_TABLE,
						      .bells = NO_TABLE};

static __thread bool leaving; /* the thread is about to end: no more tables */
static pthread_key_t at_exit;
static bool have_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t last_stamp;

/* Relaxed: it is published by whatever publishes what it is of. */
uint64_t bf_lookaside_stamp(void)
{
	return __atomic_add_fetch(&last_stamp, 1, __ATOMIC_RELAXED);
}

/* The lower grain of two, if there is an old one. */
static uint64_t finer(const struct bf_io_roots *roots, uint64_t grain)
{
	const uint64_t old = roots->seals.ranges & BF_SEAL_GRAIN;

	return roots->ranges && old < grain ? old : grain;
}

void bf_lookaside_grain(struct bf_io_roots *roots, struct bf_span span)
{
	const uint64_t size_less_1 = span.last - span.first;
	uint64_t grain = PAGE_BITS;

	/* The logarithm of the size, rounded down. */
	if (size_less_1 < (1 << PAGE_BITS) - 1)
		grain = 63 - (uint64_t)__builtin_clzll(size_less_1 + 1);
	roots->seals.ranges = (roots->seals.ranges & ~BF_SEAL_GRAIN) |
			      finer(roots, grain);
}

static void let_go(struct bf_lookaside *table)
{
	free(table->memory);
	*table = (struct bf_lookaside)NO_TABLE;
}

static void leave(void *unused)
{
	leaving = true;
	let_go(&bf_io_thread.ranges);
	let_go(&bf_io_thread.bells);
}

static void init(void)
{
	have_key = !pthread_key_create(&at_exit, leave);
}

static unsigned int table_bits(const struct bf_lookaside *table)
{
	return 64 - table->shift;
}

static void *align(void *memory, size_t alignment)
{
	return (void *)(((uintptr_t)memory + alignment - 1) & -alignment);
}

/*
 * Zeroed by calloc(), which has the kernel do it for a big one, page by page
 * as they are used: growing costs no access much.
 */
static bool alloc(struct bf_lookaside *table, size_t size)
{
	const size_t alignment = size < HUGE_PAGE ? CACHE_LINE : HUGE_PAGE;

	table->memory = calloc(1, size + alignment - 1);
	if (!table->memory)
		return false;
	/* Of no meaning but that it is not NULL: so leave() is called. */
	if (pthread_setspecific(at_exit, &bf_io_thread)) {
		free(table->memory);
		return false;
	}
	table->places = align(table->memory, alignment);
	/* Beside it the TLB has little room; without them it is slower. */
	if (alignment == HUGE_PAGE)
		madvise(table->places, size, MADV_HUGEPAGE);
	return true;
}

/* The old one's findings are found again; without memory they stay. */
static void grow(struct bf_lookaside *table, size_t size)
{
	const unsigned int bits = table->memory ? table_bits(table) + 1 :
						  MIN_BITS;
	struct bf_lookaside bigger = {.shift = 64 - bits};
	const int saved = errno;

	if (alloc(&bigger, size << bits)) {
		let_go(table);
		*table = bigger;
	}
	errno = saved;
}

static bool can_grow(const struct bf_lookaside *table, unsigned int most_bits)
{
	pthread_once(&once, init);
	return have_key && !leaving && table_bits(table) < most_bits;
}

/* As many good ones were driven out as there are places. */
static bool is_crowded(struct bf_lookaside *table)
{
	if (++table->driven_out >> table_bits(table) == 0)
		return false;
	table->driven_out = 0;
	return true;
}

bool bf_lookaside_make_room(struct bf_lookaside *table, size_t size,
			    unsigned int most_bits, bool drives_out)
{
	if (!table->memory || (drives_out && is_crowded(table)))
		if (can_grow(table, most_bits))
			grow(table, size);
	return table->memory;
}

/*
 * Some places for each of the most ranges that a tree of this height holds: it
 * is not for the guest to say how much memory its accesses take.
 */
static unsigned int most_bits(const struct bf_io_roots *roots)
{
	const unsigned int bits =
		(roots->ranges->level + 1) * BF_SPAN_FANOUT_BITS + 2;

	return bits < MAX_BITS ? bits : MAX_BITS;
}

void bf_lookaside_keep(const struct bf_finding *finding,
		       const struct bf_io_roots *roots, uint64_t addr)
{
	const struct bf_finding *there = bf_finding_at(finding->seal, addr);

	if (bf_lookaside_make_room(&bf_io_thread.ranges, sizeof(*there),
				   most_bits(roots),
				   there->seal == finding->seal))
		*bf_finding_at(finding->seal, addr) = *finding;
}
