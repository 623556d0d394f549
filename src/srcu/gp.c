// SPDX-License-Identifier: MIT
/*
 * The grace period: two banks of entry and exit counters.
 *
 * Claim: when, after the fence of bf_srcu_gp_start(), each bank has been seen
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

unsigned int bf_srcu_nr_slots;

unsigned long bf_srcu_gp_snap(unsigned long seq)
{
	return (seq + 2 * SRCU_GP_MASK + 1) & ~(unsigned long)SRCU_GP_MASK;
}

/*
 * "At or after" in the sense of sequence numbers.  A domain far behind the
 * cookie means that it wrapped since: no cookie is more than two grace
 * periods ahead.
 */
bool bf_srcu_gp_done(unsigned long seq, unsigned long cookie)
{
	if (cookie == SRCU_GP_COMPLETED)
		return true;
	return (long)(seq - cookie) >= 0 ||
	       cookie - seq > 3 * (SRCU_GP_MASK + 1);
}

/* Acquire: see (1) above; the section's accesses end before the exit too. */
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

/*
 * Acquire against the set-up of a domain of BF_SRCU_DEFINE(), which may be
 * under way while a reader that leaves looks whether it was the last: the
 * counters are zero before they can be found.
 */
static struct __bf_srcu_slot *get_slots(struct bf_srcu *ssp, unsigned int *nr)
{
	struct __bf_srcu_slot *slots =
		__atomic_load_n(&ssp->slots, __ATOMIC_ACQUIRE);

	*nr = slots ? bf_srcu_nr_slots : 0;
	return slots;
}

static unsigned long sum_exits(struct bf_srcu *ssp, int bank)
{
	unsigned int i, nr;
	struct __bf_srcu_slot *slots = get_slots(ssp, &nr);
	unsigned long sum = slot_exits(&ssp->boot, bank);

	for (i = 0; i < nr; i++)
		sum += slot_exits(&slots[i], bank);
	return sum;
}

static unsigned long sum_entries(struct bf_srcu *ssp, int bank)
{
	unsigned int i, nr;
	struct __bf_srcu_slot *slots = get_slots(ssp, &nr);
	unsigned long sum = slot_entries(&ssp->boot, bank);

	for (i = 0; i < nr; i++)
		sum += slot_entries(&slots[i], bank);
	return sum;
}

static bool bank_empty(struct bf_srcu *ssp, int bank)
{
	unsigned long exits = sum_exits(ssp, bank);

	return exits == sum_entries(ssp, bank);
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
	 * Release against the exchange in cb_collect(): the updater's
	 * unpublishing store comes before the fence of the grace period that
	 * collects this head.  Sequentially consistent against the worker
	 * that drops the domain: see worker_drop().
	 */
	do {
		head->next = bf_srcu_cb_heads(old);
		new = (uintptr_t)head | (old & SRCU_CB_BITS) | bits;
	} while (!__atomic_compare_exchange_n(&ssp->cb_next, &old, new, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return (old & bits) != bits;
}

/* The stack of queued callbacks, turned over: oldest first. */
static void cb_collect(struct bf_srcu *ssp)
{
	struct bf_srcu_head *head, *next, *list = NULL;

	if (!__atomic_load_n(&ssp->cb_next, __ATOMIC_RELAXED))
		return;
	head = bf_srcu_cb_heads(
		__atomic_exchange_n(&ssp->cb_next, 0, __ATOMIC_ACQUIRE));
	ssp->cb_wait_tail = &head->next;
	for (; head; head = next) {
		next = head->next;
		head->next = list;
		list = head;
	}
	ssp->cb_wait = list;
}

void bf_srcu_gp_start(struct bf_srcu *ssp)
{
	__atomic_store_n(&ssp->gp_seq, ssp->gp_seq + SRCU_GP_SCAN1,
			 __ATOMIC_RELAXED);
	ssp->gp_urgent = false;
	cb_collect(ssp);
	/*
	 * Orders every store that was made before this grace period was asked
	 * for (unpublishing a pointer) before the loads of the scan, against
	 * the fence in bf_srcu_read_lock(): count first, then load the pointer.
	 * Without it the scan may miss a reader that still got the old pointer.
	 */
	__bf_srcu_fence();
}

static void gp_end(struct bf_srcu *ssp)
{
	ssp->stats.grace_periods++;
	if (ssp->cb_wait) {
		*ssp->cb_done_tail = ssp->cb_wait;
		ssp->cb_done_tail = ssp->cb_wait_tail;
		ssp->cb_wait = NULL;
	}
	/*
	 * Release against bf_srcu_poll_state(): who sees the new
	 * number sees that the sections before it are over.
	 */
	__atomic_store_n(&ssp->gp_seq, (ssp->gp_seq | SRCU_GP_MASK) + 1,
			 __ATOMIC_RELEASE);
}

/* Before the flip and after, it is the one that new readers leave alone. */
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
				 __ATOMIC_RELEASE);
}

static void gp_flip(struct bf_srcu *ssp)
{
	bf_srcu_set_bank(ssp, ssp->idx ^ 1);
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

struct bf_srcu_head *bf_srcu_cb_take_done(struct bf_srcu *ssp)
{
	struct bf_srcu_head *list = ssp->cb_done;

	ssp->cb_done = NULL;
	ssp->cb_done_tail = &ssp->cb_done;
	return list;
}

static bool gp_needed(const struct bf_srcu *ssp)
{
	return (long)(ssp->gp_needed - ssp->gp_seq) > 0;
}

bool bf_srcu_gp_wanted(const struct bf_srcu *ssp)
{
	return __atomic_load_n(&ssp->cb_next, __ATOMIC_SEQ_CST) ||
	       gp_needed(ssp);
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
