// SPDX-License-Identifier: MIT
#include "srcu/abandoned.h"
#include "srcu/gp.h"

void bf_srcu_has_abandoned(struct bf_srcu *ssp,
			   void (*find)(struct bf_srcu *ssp, void *opaque),
			   void *opaque)
{
	__atomic_store_n(&ssp->find_opaque, opaque, __ATOMIC_RELAXED);
	/* Release: a thread that loads the function finds its argument. */
	__atomic_store_n(&ssp->find_abandoned, find, __ATOMIC_RELEASE);
}

void bf_srcu_find_abandoned(struct bf_srcu *ssp)
{
	void (*find)(struct bf_srcu * ssp, void *opaque);

	/* Acquire, with the release in bf_srcu_has_abandoned(). */
	find = __atomic_load_n(&ssp->find_abandoned, __ATOMIC_ACQUIRE);
	if (find)
		find(ssp, __atomic_load_n(&ssp->find_opaque, __ATOMIC_RELAXED));
}

bool bf_srcu_end_abandoned(struct bf_srcu *ssp,
			   bool (*no_readers)(void *opaque,
					      unsigned long *stamp),
			   void *opaque)
{
	unsigned long before, after, count[2];

	if (!no_readers(opaque, &before))
		return false;
	for (int bank = 0; bank < 2; bank++)
		count[bank] = bf_srcu_bank_balance(ssp, bank);
	/*
	 * A section whose entry the scan has seen began to change the stamp
	 * before.  Without the fence the second look could miss that change,
	 * and a section in progress would count as abandoned.
	 */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!no_readers(opaque, &after) || after != before)
		return false;
	/* Relaxed: the lock orders it for the next scan. */
	for (int bank = 0; bank < 2; bank++)
		__atomic_fetch_add(&ssp->boot.atomic_unlock[bank], count[bank],
				   __ATOMIC_RELAXED);
	return true;
}
