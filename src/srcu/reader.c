// SPDX-License-Identifier: MIT
/*
 * Readers out of line: without a restartable sequence (there is none, or the
 * kernel aborted it), and with tracking.  No system call in here.
 */
#include "srcu/gp.h"
#include "srcu/report.h"

/*
 * The slot that this thread counts in.  Every slot is right; different slots
 * for different threads are fast.  So it does not matter if a coroutine that
 * moved to another thread uses an address that the compiler kept.
 */
static struct __bf_srcu_slot *thread_slot(struct bf_srcu *ssp)
{
	static __thread char here;
	uint32_t hash = (uint32_t)((uintptr_t)&here >> 6) * 2654435769U;

	if (!ssp->slots)
		return &ssp->boot;
	return &ssp->slots[((uint64_t)hash * bf_srcu_nr_slots) >> 32];
}

/* Relaxed: the reader's fence or the updater's membarrier follows. */
static void count_entry(struct bf_srcu *ssp, int idx)
{
	__atomic_fetch_add(&thread_slot(ssp)->atomic_lock[idx], 1,
			   __ATOMIC_RELAXED);
}

/*
 * Release, with the acquire in slot_exits(): a scan that sees this exit sees
 * the accesses of the section.  Without it the updater frees an object that the
 * section still writes to.
 */
static void count_exit(struct bf_srcu *ssp, int idx)
{
	__atomic_fetch_add(&thread_slot(ssp)->atomic_unlock[idx], 1,
			   __ATOMIC_RELEASE);
}

void __bf_srcu_count_lock(struct bf_srcu *ssp, int idx)
{
	count_entry(ssp, idx);
	if (ssp->tracked)
		bf_srcu_track_lock(ssp, idx, false,
				   __builtin_return_address(0));
}

void __bf_srcu_count_unlock(struct bf_srcu *ssp, int idx)
{
	if (ssp->tracked &&
	    !bf_srcu_track_unlock(ssp, idx, false, __builtin_return_address(0)))
		return;
	count_exit(ssp, idx);
}

/*
 * Without membarrier only the updater has a fence, so the reader needs one
 * between its count and its section, as in bf_srcu_read_lock().
 */
struct bf_srcu_ctr *__bf_srcu_count_lock_fast(struct bf_srcu *ssp)
{
	int idx = __bf_srcu_bank(ssp);

	count_entry(ssp, idx);
	if (!ssp->membarrier || ssp->tracked)
		__bf_srcu_fence();
	if (ssp->tracked)
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

	if (ssp->tracked &&
	    !bf_srcu_track_unlock(ssp, idx, true, __builtin_return_address(0)))
		return;
	count_exit(ssp, idx);
}

/* These sections belong to no thread, so they are not tracked. */
void __bf_srcu_count_down(struct bf_srcu *ssp, int idx)
{
	count_entry(ssp, idx);
}

void __bf_srcu_count_up(struct bf_srcu *ssp, int idx)
{
	count_exit(ssp, idx);
}
