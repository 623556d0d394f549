// SPDX-License-Identifier: MIT
/*
 * Readers out of line: where there is no restartable sequence (or it was
 * aborted), and where sections are tracked.  No system calls here.
 */
#include "srcu/domain.h"
#include "srcu/gp.h"
#include "srcu/track.h"

/*
 * Where a thread counts: any slot is right, different ones for different
 * threads are fast.
 */
static struct __srcu_slot *my_slot(struct srcu_struct *ssp)
{
	static __thread char here;
	struct __srcu_slot *slots =
		__atomic_load_n(&ssp->slots, __ATOMIC_CONSUME);
	uint32_t hash = (uint32_t)((uintptr_t)&here >> 6) * 2654435769U;

	if (!slots)
		return &ssp->boot;
	return &slots[((uint64_t)hash * srcu_nr_slots) >> 32];
}

struct srcu_struct *srcu_early;

/*
 * A domain of DEFINE_SRCU() that is read before its first update is on no
 * list; the child of a fork has to find it all the same.
 */
static void note_early(struct srcu_struct *ssp)
{
	struct srcu_struct *old =
		__atomic_load_n(&srcu_early, __ATOMIC_RELAXED);

	if (__atomic_load_n(&ssp->all_link, __ATOMIC_RELAXED) ||
	    __atomic_exchange_n(&ssp->early, true, __ATOMIC_RELAXED))
		return;
	do {
		ssp->early_next = old;
	} while (!__atomic_compare_exchange_n(&srcu_early, &old, ssp, true,
					      __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* Relaxed: a fence or a heavy barrier comes behind it. */
static void enter(struct srcu_struct *ssp, int idx)
{
	struct __srcu_slot *slot = my_slot(ssp);

	if (slot == &ssp->boot)
		note_early(ssp);
	__atomic_fetch_add(&slot->atomic_lock[idx], 1, __ATOMIC_RELAXED);
}

/*
 * Release: a scan that sees this exit sees what the section did.  Without it
 * the updater frees an object that the section still writes to.
 */
static void leave(struct srcu_struct *ssp, int idx)
{
	__atomic_fetch_add(&my_slot(ssp)->atomic_unlock[idx], 1,
			   __ATOMIC_RELEASE);
}

void __srcu_count_lock(struct srcu_struct *ssp, int idx)
{
	enter(ssp, idx);
	if (srcu_tracked(ssp))
		srcu_track_lock(ssp, idx, false, __builtin_return_address(0));
}

void __srcu_count_unlock(struct srcu_struct *ssp, int idx)
{
	if (srcu_tracked(ssp) &&
	    !srcu_track_unlock(ssp, idx, false, __builtin_return_address(0)))
		return;
	leave(ssp, idx);
}

/*
 * Without membarrier the updater has only its own fence, so the reader needs
 * one between its count and its section, as in srcu_read_lock().  The acquire
 * is for a domain of DEFINE_SRCU_FAST(): who reads that updaters make heavy
 * barriers from now on sees what was unpublished before they did.
 */
struct srcu_ctr *__srcu_count_lock_fast(struct srcu_struct *ssp)
{
	int idx = __srcu_bank(ssp);

	enter(ssp, idx);
	if (__atomic_load_n(&ssp->reader_fences, __ATOMIC_ACQUIRE) ||
	    srcu_tracked(ssp))
		__srcu_fence();
	if (srcu_tracked(ssp))
		srcu_track_lock(ssp, idx, true, __builtin_return_address(0));
	return (struct srcu_ctr *)(uintptr_t)(idx + 1);
}

/* The bank of a section that may have begun inline. */
static int bank_of(const struct srcu_struct *ssp, struct srcu_ctr *scp)
{
	if (__srcu_is_bank(scp))
		return (unsigned long *)scp != ssp->slots[0].lock;
	return (int)(uintptr_t)scp - 1;
}

void __srcu_count_unlock_fast(struct srcu_struct *ssp, struct srcu_ctr *scp)
{
	int idx = bank_of(ssp, scp);

	if (srcu_tracked(ssp) &&
	    !srcu_track_unlock(ssp, idx, true, __builtin_return_address(0)))
		return;
	leave(ssp, idx);
}

/* Belong to no thread, so there is nothing to track. */
void __srcu_count_down(struct srcu_struct *ssp, int idx)
{
	enter(ssp, idx);
}

void __srcu_count_up(struct srcu_struct *ssp, int idx)
{
	leave(ssp, idx);
}
