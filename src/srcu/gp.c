// SPDX-License-Identifier: MIT
/*
 * The grace period: two banks of entry and exit counters.
 *
 * Claim: if each bank was seen once with as many exits as entries after the
 * fence of bf_srcu_gp_start(), then every section that began before that fence
 * has ended.
 *
 * 1. The scan sums exits before entries.  If it sees the exit of a section, it
 *    sees the entry too: the exit is a release, its load here an acquire, and
 *    the entry comes before the exit, in one thread or by hand-over.  So each
 *    section contributes 0 or 1 to (entries - exits), never -1, and a sum of
 *    zero means that every section contributes 0.
 * 2. If a section began before the fence (its own fence first), every scan sees
 *    its entry.  The section contributes 1 until the scan sees its exit.
 * 3. A section with a later fence sees the stores before this fence, so
 *    the grace period need not wait for it.
 *
 * The flip only makes the wait end: new readers leave the bank that the grace
 * period waits for.  It needs no barrier, and safety does not depend on the
 * bank in which a slow reader counts.
 *
 * models/mutations/srcu/ takes away one of these steps at a time, to show that
 * the explorer and the torture notice.
 *
 * Literature: McKenney, "Sleepable RCU", LWN 202847 (2006); Desnoyers et al.,
 * "User-Level Implementations of Read-Copy Update", IEEE TPDS 23(2), 2012.
 */
#include "srcu/gp.h"

unsigned int bf_srcu_nr_slots;

unsigned long bf_srcu_gp_snap(unsigned long seq)
{
	return (seq + 2 * SRCU_GP_MASK + 1) & ~(unsigned long)SRCU_GP_MASK;
}

/*
 * No cookie is more than two grace periods ahead of its domain.  A domain that
 * is further behind has wrapped since the cookie was made.
 */
bool bf_srcu_gp_done(unsigned long seq, unsigned long cookie)
{
	return (long)(seq - cookie) >= 0 ||
	       cookie - seq > 3 * (SRCU_GP_MASK + 1);
}

/*
 * Acquire, with the release of the exit: see (1) above.  It also orders the
 * accesses of the section before those of the updater after the grace period.
 */
static unsigned long slot_exits(struct __bf_srcu_slot *slot, int bank)
{
	return __atomic_load_n(&slot->unlock[bank], __ATOMIC_ACQUIRE) +
	       __atomic_load_n(&slot->atomic_unlock[bank], __ATOMIC_ACQUIRE);
}

static unsigned long slot_entries(struct __bf_srcu_slot *slot, int bank)
{
	return __atomic_load_n(&slot->lock[bank], __ATOMIC_RELAXED) +
	       __atomic_load_n(&slot->atomic_lock[bank], __ATOMIC_RELAXED);
}

static inline unsigned long
sum_slots(struct bf_srcu *ssp, int bank,
	  unsigned long (*count)(struct __bf_srcu_slot *slot, int bank))
{
	unsigned int i, nr = ssp->slots ? bf_srcu_nr_slots : 0;
	unsigned long sum = count(&ssp->boot, bank);

	for (i = 0; i < nr; i++)
		sum += count(&ssp->slots[i], bank);
	return sum;
}

unsigned long bf_srcu_bank_balance(struct bf_srcu *ssp, int bank)
{
	unsigned long exits = sum_slots(ssp, bank, slot_exits);

	return sum_slots(ssp, bank, slot_entries) - exits;
}

static bool bank_empty(struct bf_srcu *ssp, int bank)
{
	return !bf_srcu_bank_balance(ssp, bank);
}

long bf_srcu_slot_balance(struct __bf_srcu_slot *slot, int bank)
{
	unsigned long exits = slot_exits(slot, bank);

	return (long)(slot_entries(slot, bank) - exits);
}

bool bf_srcu_gp_readers(struct bf_srcu *ssp)
{
	return !bank_empty(ssp, 0) || !bank_empty(ssp, 1);
}

bool bf_srcu_cb_push(struct bf_srcu *ssp, struct bf_srcu_head *head,
		     uintptr_t bits)
{
	uintptr_t old = __atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED), new;

	/*
	 * Release, with the exchange in cb_collect(): the updater's
	 * unpublishing store comes before the fence of the grace period that
	 * collects this head.  Sequentially consistent, with the worker that
	 * drops the domain: see worker_drop().
	 */
	do {
		head->next = bf_srcu_cb_heads(old);
		new = (uintptr_t)head | (old & SRCU_CB_BITS) | bits;
	} while (!__atomic_compare_exchange_n(&ssp->cb_next, &old, new, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return (old & bits) != bits;
}

/*
 * Takes the queued callbacks into cb_wait, newest first.  If the callbacks of
 * an earlier grace period still wait for a thread, these ones wait for the next
 * grace period, which then must not wait for the pace.
 */
static void cb_collect(struct bf_srcu *ssp)
{
	ssp->gp_urgent = false;
	if (!__atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED))
		return;
	if (ssp->cb_done)
		ssp->gp_urgent = true;
	else
		ssp->cb_wait = bf_srcu_cb_heads(__atomic_exchange_n(
			&ssp->cb_next, 0, __ATOMIC_ACQUIRE));
}

void bf_srcu_gp_start(struct bf_srcu *ssp)
{
	/*
	 * This number also says that the grace period before it is over, and a
	 * poll may read it without reading that of gp_end().  The fence in
	 * gp_end() orders this store, too, behind the end of the sections.
	 */
	__atomic_store_n(&ssp->gp_seq, ssp->gp_seq + SRCU_GP_SCAN1,
			 __ATOMIC_RELAXED);
	cb_collect(ssp);
	/*
	 * Orders every store before the request for this grace period (such as
	 * the one that unpublishes a pointer) before the loads of the scan,
	 * against the fence in bf_srcu_read_lock(), which orders the count
	 * before the load of the pointer.  Without it the scan may miss a
	 * reader that loads the old pointer.
	 */
	__bf_srcu_fence();
}

static void gp_end(struct bf_srcu *ssp)
{
	ssp->stats.grace_periods++;
	if (ssp->cb_wait) {
		ssp->cb_done = ssp->cb_wait;
		ssp->cb_wait = NULL;
	}
	/*
	 * Orders the loads of the scan, and the accesses of the sections that
	 * the scan saw end, before the accesses of the updater and of the
	 * callbacks after the grace period: against the fence in
	 * bf_srcu_read_lock(), and against full fences of the caller's program.
	 * The acquires of slot_exits() alone leave store-to-load order between
	 * threads open, which the kernel's SRCU promises (its litmus tests
	 * C-srcu-observed-*).  It also orders the new number behind them, for
	 * bf_srcu_poll_state().
	 */
	__bf_srcu_fence();
	/*
	 * Release, with the acquire in bf_srcu_poll_state(), for
	 * ThreadSanitizer, which does not know the fences in both functions.
	 */
	__atomic_store_n(&ssp->gp_seq, (ssp->gp_seq | SRCU_GP_MASK) + 1,
			 __ATOMIC_RELEASE);
}

/* Before the flip and after it, new readers do not use the awaited bank. */
bool bf_srcu_gp_bank_left(struct bf_srcu *ssp)
{
	return bank_empty(ssp, __bf_srcu_bank(ssp) ^ 1);
}

void bf_srcu_set_bank(struct bf_srcu *ssp, unsigned int idx)
{
	struct __bf_srcu_slot *slots = ssp->rseq_slots;

	__atomic_store_n(&ssp->idx, idx, __ATOMIC_RELAXED);
	if (slots)
		__atomic_store_n(&ssp->fast_bank,
				 (struct bf_srcu_ctr *)&slots->lock[idx],
				 __ATOMIC_RELAXED);
}

static void gp_flip(struct bf_srcu *ssp)
{
	bf_srcu_set_bank(ssp, ssp->idx ^ 1);
	/* Relaxed: as in bf_srcu_gp_start(). */
	__atomic_store_n(&ssp->gp_seq, ssp->gp_seq + 1, __ATOMIC_RELAXED);
}

bool bf_srcu_gp_advance(struct bf_srcu *ssp)
{
	int idx = (int)ssp->idx;

	if (bf_srcu_gp_phase(ssp) == SRCU_GP_SCAN1) {
		if (!bank_empty(ssp, idx ^ 1))
			return false;
		if (bank_empty(ssp, idx)) {
			gp_end(ssp);
			return true;
		}
		gp_flip(ssp);
		idx ^= 1;
	}
	if (!bank_empty(ssp, idx ^ 1))
		return false;
	gp_end(ssp);
	return true;
}

static bool gp_needed(const struct bf_srcu *ssp)
{
	return (long)(ssp->gp_needed - ssp->gp_seq) > 0;
}

bool bf_srcu_gp_wanted(const struct bf_srcu *ssp)
{
	return gp_needed(ssp) ||
	       (!ssp->cb_done &&
		__atomic_load_n(&ssp->cb_next, __ATOMIC_SEQ_CST));
}

bool bf_srcu_gp_wanted_now(const struct bf_srcu *ssp)
{
	return ssp->gp_urgent ||
	       __atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED) &
		       SRCU_CB_URGENT;
}

bool bf_srcu_gp_wanted_paced(const struct bf_srcu *ssp)
{
	return gp_needed(ssp) ||
	       __atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED) &
		       SRCU_CB_NORMAL;
}

unsigned long bf_srcu_get_state(struct bf_srcu *ssp)
{
	/*
	 * Orders the caller's stores before the load of the number: the fence
	 * of a grace period that has not begun then comes after the stores.
	 * Relaxed: the caller reads nothing because of this number.
	 */
	__bf_srcu_fence();
	return bf_srcu_gp_snap(__atomic_load_n(&ssp->gp_seq, __ATOMIC_RELAXED));
}

bool bf_srcu_poll_state(struct bf_srcu *ssp, unsigned long cookie)
{
	unsigned long seq = __atomic_load_n(&ssp->gp_seq, __ATOMIC_ACQUIRE);

	if (!bf_srcu_gp_done(seq, cookie))
		return false;
	/* Orders the ended sections before the caller's next accesses. */
	__bf_srcu_fence();
	return true;
}
