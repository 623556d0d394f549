/* SPDX-License-Identifier: MIT */
/* Restartable sequences of the machine's threads, each on a CPU of its own. */
#ifndef BF_MODELS_SRCU_RSEQ_H
#define BF_MODELS_SRCU_RSEQ_H

#include "explore.h"

/* False: readers use atomic counters. */
static bool rseq_works = true;

/*
 * A restartable sequence as other threads see it: a load and a plain store to
 * the counter of this thread's CPU.  On x86 a store is a release.
 */
bool __bf_srcu_rseq_inc(unsigned long *word)
{
	if (!rseq_works)
		return false;
	word += machine_self() *
		(sizeof(struct __bf_srcu_slot) / sizeof(*word));
	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
	return true;
}

#endif
