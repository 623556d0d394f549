/* SPDX-License-Identifier: MIT */
/*
 * Sections that no thread will end, because a signal handler has left them by a
 * long jump.  A count does not tell whose section it is, so the owner of the
 * domain has to know when none of its threads is in a section.
 */
#ifndef BF_SRCU_ABANDONED_H
#define BF_SRCU_ABANDONED_H

#include "belfry/srcu.h"

/*
 * From now on a grace period that waits for readers calls find(), with the
 * domain's lock.  May be called in a signal handler, and again with the same
 * arguments.
 */
void bf_srcu_has_abandoned(struct bf_srcu *ssp,
			   void (*find)(struct bf_srcu *ssp, void *opaque),
			   void *opaque);

/* Lock held. */
void bf_srcu_find_abandoned(struct bf_srcu *ssp);

/*
 * The begins and ends of a thread's sections; odd: it may be in one.
 *
 * Release fence, with the acquire fence in bf_srcu_end_abandoned(): a thread
 * that sees the entry of a section sees that this thread may be in one.
 */
static inline void bf_srcu_sections_begin(unsigned long *sections)
{
	__atomic_store_n(sections, *sections + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/*
 * Release, with the acquire in bf_srcu_sections(): a thread that sees that this
 * one is in no section sees the exits of those before, and their accesses.
 */
static inline void bf_srcu_sections_end(unsigned long *sections)
{
	__atomic_store_n(sections, *sections + 1, __ATOMIC_RELEASE);
}

static inline unsigned long bf_srcu_sections(const unsigned long *sections)
{
	return __atomic_load_n(sections, __ATOMIC_ACQUIRE);
}

/*
 * For find(): ends the abandoned sections, and returns true, if no thread is in
 * a section.  Then no_readers() returns true; *stamp changes with each section.
 * Lock held.
 */
bool bf_srcu_end_abandoned(struct bf_srcu *ssp,
			   bool (*no_readers)(void *opaque,
					      unsigned long *stamp),
			   void *opaque);

#endif
