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
static struct __bf_srcu_slot *my_slot(struct bf_srcu *ssp)
{
	static __thread char here;
	struct __bf_srcu_slot *slots =
		__atomic_load_n(&ssp->slots, __ATOMIC_CONSUME);
	uint32_t hash = (uint32_t)((uintptr_t)&here >> 6) * 2654435769U;

	if (!slots)
		return &ssp->boot;
	return &slots[((uint64_t)hash * bf_srcu_nr_slots) >> 32];
}

struct bf_srcu *bf_srcu_early;

/*
 * A domain of BF_SRCU_DEFINE() that is read before its first update is on no
 * list; the child of a fork has to find it all the same.
 */
static void note_early(struct bf_srcu *ssp)
{
	struct bf_srcu *old = __atomic_load_n(&bf_srcu_early, __ATOMIC_RELAXED);

	if (__atomic_load_n(&ssp->all_link, __ATOMIC_RELAXED) ||
	    __atomic_exchange_n(&ssp->early, true, __ATOMIC_RELAXED))
		return;
	do {
		ssp->early_next = old;
	} while (!__atomic_compare_exchange_n(&bf_srcu_early, &old, ssp, true,
					      __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* Relaxed: a fence or a heavy barrier comes behind it. */
static void enter(struct bf_srcu *ssp, int idx)
{
	struct __bf_srcu_slot *slot = my_slot(ssp);

	if (slot == &ssp->boot)
		note_early(ssp);
	__atomic_fetch_add(&slot->atomic_lock[idx], 1, __ATOMIC_RELAXED);
}

/*
 * Release: a scan that sees this exit sees what the section did.  Without it
 * the updater frees an object that the section still writes to.
 */
static void leave(struct bf_srcu *ssp, int idx)
{
	__atomic_fetch_add(&my_slot(ssp)->atomic_unlock[idx], 1,
			   __ATOMIC_RELEASE);
}

void __bf_srcu_count_lock(struct bf_srcu *ssp, int idx)
{
	enter(ssp, idx);
	if (bf_srcu_tracked(ssp))
		bf_srcu_track_lock(ssp, idx, false,
				   __builtin_return_address(0));
}

void __bf_srcu_count_unlock(struct bf_srcu *ssp, int idx)
{
	if (bf_srcu_tracked(ssp) &&
	    !bf_srcu_track_unlock(ssp, idx, false, __builtin_return_address(0)))
		return;
	leave(ssp, idx);
}

/*
 * Without membarrier the updater has only its own fence, so the reader needs
 * one between its count and its section, as in bf_srcu_read_lock().  The
 * acquire is for a domain of BF_SRCU_DEFINE_FAST(): who reads that updaters
 * make heavy barriers from now on sees what was unpublished before they did.
 */
struct bf_srcu_ctr *__bf_srcu_count_lock_fast(struct bf_srcu *ssp)
{
	int idx = __bf_srcu_bank(ssp);

	enter(ssp, idx);
	if (__atomic_load_n(&ssp->reader_fences, __ATOMIC_ACQUIRE) ||
	    bf_srcu_tracked(ssp))
		__bf_srcu_fence();
	if (bf_srcu_tracked(ssp))
		bf_srcu_track_lock(ssp, idx, true, __builtin_return_address(0));
	return (struct bf_srcu_ctr *)(uintptr_t)(idx + 1);
}

/* The bank of a section that may have begun inline. */
static int bank_of(const struct bf_srcu *ssp, struct bf_srcu_ctr *scp)
{
	if (__bf_srcu_is_bank(scp))
		return (unsigned long *)scp != ssp->slots[0].lock;
	return (int)(uintptr_t)scp - 1;
}

void __bf_srcu_count_unlock_fast(struct bf_srcu *ssp, struct bf_srcu_ctr *scp)
{
	int idx = bank_of(ssp, scp);

	if (bf_srcu_tracked(ssp) &&
	    !bf_srcu_track_unlock(ssp, idx, true, __builtin_return_address(0)))
		return;
	leave(ssp, idx);
}

/* Belong to no thread, so there is nothing to track. */
void __bf_srcu_count_down(struct bf_srcu *ssp, int idx)
{
	enter(ssp, idx);
}

void __bf_srcu_count_up(struct bf_srcu *ssp, int idx)
{
	leave(ssp, idx);
}
