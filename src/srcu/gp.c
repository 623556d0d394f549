// SPDX-License-Identifier: MIT
/*
 * The grace period: two banks of entry and exit counters.
 *
 * Claim: when, after the fence of srcu_gp_start(), each bank has been seen
 * once with as many exits as entries, no section is open that began before.
 *
 * 1. Exits are summed before entries.  Whose exit is seen, his entry is seen
 *    too: the exit is a release, its load here an acquire, and the entry comes
 *    before the exit in one thread or by hand-over.  So each section
 *    contributes 0 or 1 to (entries - exits), never -1, and a sum of zero
 *    means that every single one contributes 0.
 * 2. A section that began before the fence (its own fence first) has its
 *    entry seen by every scan; it contributes 1 until its exit is seen.
 * 3. A section whose fence comes after sees what was published before, and
 *    need not be waited for.
 *
 * The flip is there only so that the wait ends: new readers leave the bank
 * that is being waited for.  It needs no barrier, and safety does not depend
 * on which bank a slow reader counts in.
 *
 * models/mutations/srcu/ takes away one of these steps at a time, to show that
 * the explorer and the torture notice.
 *
 * Literature: McKenney, "Sleepable RCU", LWN 202847 (2006); Desnoyers et al.,
 * "User-Level Implementations of Read-Copy Update", IEEE TPDS 23(2), 2012.
 */
#include "srcu/gp.h"

unsigned int srcu_nr_slots;

unsigned long srcu_gp_snap(unsigned long seq)
{
	return (seq + 2 * SRCU_GP_MASK + 1) & ~(unsigned long)SRCU_GP_MASK;
}

/*
 * "At or after" in the sense of sequence numbers.  A domain far behind the
 * cookie means that it wrapped since: no cookie is more than two grace
 * periods ahead.
 */
bool srcu_gp_done(unsigned long seq, unsigned long cookie)
{
	if (cookie == SRCU_GP_COMPLETED)
		return true;
	return (long)(seq - cookie) >= 0 ||
	       cookie - seq > 3 * (SRCU_GP_MASK + 1);
}

/* Acquire: see (1) above; the section's accesses end before the exit too. */
static unsigned long slot_exits(struct __srcu_slot *slot, int bank)
{
	return __atomic_load_n(&slot->unlock[bank], __ATOMIC_ACQUIRE) +
	       __atomic_load_n(&slot->atomic_unlock[bank], __ATOMIC_ACQUIRE);
}

static unsigned long slot_entries(struct __srcu_slot *slot, int bank)
{
	return __atomic_load_n(&slot->lock[bank], __ATOMIC_RELAXED) +
	       __atomic_load_n(&slot->atomic_lock[bank], __ATOMIC_RELAXED);
}

/*
 * Acquire against the set-up of a domain of DEFINE_SRCU(), which may be under
 * way while a reader that leaves looks whether it was the last: the counters
 * are zero before they can be found.
 */
static struct __srcu_slot *get_slots(struct srcu_struct *ssp, unsigned int *nr)
{
	struct __srcu_slot *slots =
		__atomic_load_n(&ssp->slots, __ATOMIC_ACQUIRE);

	*nr = slots ? srcu_nr_slots : 0;
	return slots;
}

static unsigned long sum_exits(struct srcu_struct *ssp, int bank)
{
	unsigned int i, nr;
	struct __srcu_slot *slots = get_slots(ssp, &nr);
	unsigned long sum = slot_exits(&ssp->boot, bank);

	for (i = 0; i < nr; i++)
		sum += slot_exits(&slots[i], bank);
	return sum;
}

static unsigned long sum_entries(struct srcu_struct *ssp, int bank)
{
	unsigned int i, nr;
	struct __srcu_slot *slots = get_slots(ssp, &nr);
	unsigned long sum = slot_entries(&ssp->boot, bank);

	for (i = 0; i < nr; i++)
		sum += slot_entries(&slots[i], bank);
	return sum;
}

static bool bank_empty(struct srcu_struct *ssp, int bank)
{
	unsigned long exits = sum_exits(ssp, bank);

	return exits == sum_entries(ssp, bank);
}

long srcu_slot_balance(struct __srcu_slot *slot, int bank)
{
	unsigned long exits = slot_exits(slot, bank);

	return (long)(slot_entries(slot, bank) - exits);
}

bool srcu_gp_readers(struct srcu_struct *ssp)
{
	return !bank_empty(ssp, 0) || !bank_empty(ssp, 1);
}

bool srcu_cb_push(struct srcu_struct *ssp, struct srcu_head *head,
		  uintptr_t bits)
{
	uintptr_t old = __atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED), new;

	/*
	 * Release against the exchange in srcu_cb_collect(): the updater's
	 * unpublishing store comes before the fence of the grace period that
	 * collects this head.  Sequentially consistent against the worker
	 * that drops the domain: see worker_drop().
	 */
	do {
		head->next = srcu_cb_heads(old);
		new = (uintptr_t)head | (old & SRCU_CB_BITS) | bits;
	} while (!__atomic_compare_exchange_n(&ssp->cb_next, &old, new, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return (old & bits) != bits;
}

/* The stack of queued callbacks, turned over: oldest first. */
static void srcu_cb_collect(struct srcu_struct *ssp)
{
	struct srcu_head *head, *next, *list = NULL;

	if (!__atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED))
		return;
	head = srcu_cb_heads(
		__atomic_exchange_n(&ssp->cb_next, 0, __ATOMIC_ACQUIRE));
	ssp->cb_wait_tail = &head->next;
	for (; head; head = next) {
		next = head->next;
		head->next = list;
		list = head;
	}
	ssp->cb_wait = list;
}

void srcu_gp_start(struct srcu_struct *ssp)
{
	__atomic_store_n(&ssp->gp_seq, ssp->gp_seq + SRCU_GP_SCAN1,
			 __ATOMIC_RELAXED);
	ssp->gp_urgent = false;
	srcu_cb_collect(ssp);
	/*
	 * Orders every store that was made before this grace period was asked
	 * for (unpublishing a pointer) before the loads of the scan, against
	 * the fence in srcu_read_lock(): count first, then load the pointer.
	 * Without it the scan may miss a reader that still got the old pointer.
	 */
	__srcu_fence();
}

static void srcu_gp_end(struct srcu_struct *ssp)
{
	ssp->stats.grace_periods++;
	if (ssp->cb_wait) {
		*ssp->cb_done_tail = ssp->cb_wait;
		ssp->cb_done_tail = ssp->cb_wait_tail;
		ssp->cb_wait = NULL;
	}
	/*
	 * Release against poll_state_synchronize_srcu(): who sees the new
	 * number sees that the sections before it are over.
	 */
	__atomic_store_n(&ssp->gp_seq, (ssp->gp_seq | SRCU_GP_MASK) + 1,
			 __ATOMIC_RELEASE);
}

/* Before the flip and after, it is the one that new readers leave alone. */
bool srcu_gp_bank_left(struct srcu_struct *ssp)
{
	return bank_empty(ssp, __srcu_bank(ssp) ^ 1);
}

void srcu_set_bank(struct srcu_struct *ssp, unsigned int idx)
{
	struct __srcu_slot *slots = ssp->rseq_slots;

	__atomic_store_n(&ssp->idx, idx, __ATOMIC_RELAXED);
	if (slots)
		__atomic_store_n(&ssp->fast_bank,
				 (struct srcu_ctr *)&slots->lock[idx],
				 __ATOMIC_RELEASE);
}

static void srcu_gp_flip(struct srcu_struct *ssp)
{
	srcu_set_bank(ssp, ssp->idx ^ 1);
	__atomic_store_n(&ssp->gp_seq, ssp->gp_seq + 1, __ATOMIC_RELAXED);
}

bool srcu_gp_advance(struct srcu_struct *ssp)
{
	int idx = (int)ssp->idx;

	if (srcu_gp_phase(ssp) == SRCU_GP_SCAN1) {
		if (!bank_empty(ssp, idx ^ 1))
			return false;
		if (bank_empty(ssp, idx)) {
			srcu_gp_end(ssp);
			return true;
		}
		srcu_gp_flip(ssp);
		idx ^= 1;
	}
	if (!bank_empty(ssp, idx ^ 1))
		return false;
	srcu_gp_end(ssp);
	return true;
}

struct srcu_head *srcu_cb_take_done(struct srcu_struct *ssp)
{
	struct srcu_head *list = ssp->cb_done;

	ssp->cb_done = NULL;
	ssp->cb_done_tail = &ssp->cb_done;
	return list;
}

static bool gp_needed(const struct srcu_struct *ssp)
{
	return (long)(ssp->gp_needed - ssp->gp_seq) > 0;
}

bool srcu_gp_wanted(const struct srcu_struct *ssp)
{
	return __atomic_load_n(&ssp->cb_next, __ATOMIC_SEQ_CST) ||
	       gp_needed(ssp);
}

bool srcu_gp_wanted_now(const struct srcu_struct *ssp)
{
	return ssp->gp_urgent ||
	       __atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED) &
		       SRCU_CB_URGENT;
}

bool srcu_gp_wanted_paced(const struct srcu_struct *ssp)
{
	return gp_needed(ssp) ||
	       __atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED) &
		       SRCU_CB_NORMAL;
}
