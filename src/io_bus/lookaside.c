// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/lookaside.h"
#include "util.h"

#define PAGE_BITS 12
#define MIN_BITS  6  /* 4 kB */
#define MAX_BITS  15 /* 2 MB */

/* Of a thread that has kept nothing yet: never written to. */
static struct bf_finding none[2];

__thread struct bf_io_thread bf_io_thread
	__attribute__((tls_model("initial-exec"))) = {.findings = none,
						      .shift = 63};

/* Findings that were good still and gave way to others. */
static __thread size_t driven_out;
static __thread bool leaving; /* the thread is about to end: no more tables */
static pthread_key_t at_exit;
static bool have_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t last_stamp;

/* Relaxed: a stamp is published by whatever publishes the ranges. */
uint64_t bf_lookaside_stamp(void)
{
	return __atomic_add_fetch(&last_stamp, 1, __ATOMIC_RELAXED);
}

void bf_lookaside_grain(struct bf_io_roots *roots, struct bf_span span)
{
	const uint64_t size_less_1 = span.last - span.first;
	unsigned int grain = PAGE_BITS;

	/* The logarithm of the size, rounded down. */
	if (size_less_1 < (1 << PAGE_BITS) - 1)
		grain = 63 - (unsigned int)__builtin_clzll(size_less_1 + 1);
	if (!roots->ranges || grain < roots->grain)
		roots->grain = (uint8_t)grain;
}

static void let_go(void *findings)
{
	bf_io_thread.findings = none;
	bf_io_thread.shift = 63;
	leaving = true;
	free(findings);
}

static void init(void)
{
	have_key = !pthread_key_create(&at_exit, let_go);
}

static bool has_table(void)
{
	return bf_io_thread.findings != none;
}

static unsigned int table_bits(void)
{
	return 64 - bf_io_thread.shift;
}

static struct bf_finding *new_table(unsigned int bits)
{
	const size_t size = sizeof(struct bf_finding) << bits;
	struct bf_finding *findings = aligned_alloc(sizeof(*findings), size);

	if (findings && pthread_setspecific(at_exit, findings)) {
		free(findings);
		return NULL;
	}
	return findings ? memset(findings, 0, size) : NULL;
}

/* The old one's findings are found again; without memory they stay. */
static void grow(void)
{
	const unsigned int bits = has_table() ? table_bits() + 1 : MIN_BITS;
	struct bf_finding *findings = new_table(bits);

	if (!findings)
		return;
	if (has_table())
		free(bf_io_thread.findings);
	bf_io_thread.findings = findings;
	bf_io_thread.shift = 64 - bits;
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

static bool can_grow(const struct bf_io_roots *roots)
{
	pthread_once(&once, init);
	return have_key && !leaving && table_bits() < most_bits(roots);
}

/* As many good ones were driven out as there are places. */
static bool is_crowded(void)
{
	if (++driven_out >> table_bits() == 0)
		return false;
	driven_out = 0;
	return true;
}

void bf_lookaside_keep(const struct bf_finding *finding,
		       const struct bf_io_roots *roots, uint64_t addr)
{
	const struct bf_finding *there = bf_finding_at(addr, roots->grain);

	if (!has_table() || (there->stamp == finding->stamp && is_crowded()))
		if (can_grow(roots))
			grow();
	if (has_table())
		*bf_finding_at(addr, roots->grain) = *finding;
}
