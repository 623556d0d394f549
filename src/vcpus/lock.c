// SPDX-License-Identifier: MIT
/* The lock of one vCPU, and of all vCPUs of a table. */
#include <errno.h>

#include "base/clock.h"
#include "srcu/futex.h"
#include "vcpus/vcpus.h"

/* The second mutex of Ulrich Drepper, "Futexes Are Tricky", 2011. */
enum {
	UNLOCKED,
	LOCKED,
	CONTENDED, /* locked, and threads may sleep */
};

int bf_word_trylock(unsigned int *word)
{
	unsigned int expected = UNLOCKED;

	return __atomic_compare_exchange_n(word, &expected, LOCKED, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) ?
		       0 :
		       -EBUSY;
}

/* The time left, at most FUTEX_FOREVER; 0: none. */
static uint64_t time_left(uint64_t until_ns)
{
	uint64_t now;

	if (until_ns == FUTEX_FOREVER)
		return until_ns;
	now = bf_now_ns();
	return now < until_ns ? until_ns - now : 0;
}

/*
 * Acquire, here and in bf_word_trylock(): pairs with the release in
 * bf_word_unlock().  Without it the new holder may miss writes of the
 * previous holder.
 */
int bf_word_lock_until(unsigned int *word, uint64_t until_ns)
{
	uint64_t left;

	if (!bf_word_trylock(word))
		return 0;
	while (__atomic_exchange_n(word, CONTENDED, __ATOMIC_ACQUIRE) !=
	       UNLOCKED) {
		left = time_left(until_ns);
		if (!left)
			return -ETIMEDOUT;
		if (futex_wait(word, CONTENDED, left) == -EINTR)
			return -EINTR;
	}
	return 0;
}

int bf_word_lock(unsigned int *word)
{
	return bf_word_lock_until(word, FUTEX_FOREVER);
}

void bf_word_unlock(unsigned int *word)
{
	if (__atomic_exchange_n(word, UNLOCKED, __ATOMIC_RELEASE) == CONTENDED)
		futex_wake_one(word);
}

int bf_vcpu_entry_lock(struct bf_vcpu_entry *entry)
{
	return bf_word_lock(&entry->lock);
}

int bf_vcpu_entry_trylock(struct bf_vcpu_entry *entry)
{
	return bf_word_trylock(&entry->lock);
}

void bf_vcpu_entry_unlock(struct bf_vcpu_entry *entry)
{
	bf_word_unlock(&entry->lock);
}

/* Caller holds vcpus->create_lock, so no new creation can begin. */
static bool is_creating(struct bf_vcpus *vcpus)
{
	bool creating;

	pthread_mutex_lock(&vcpus->lock);
	creating = vcpus->reserved != 0;
	pthread_mutex_unlock(&vcpus->lock);
	return creating;
}

/* Ends what lock_all() began. */
static void unlock_all(struct bf_vcpus *vcpus, int idx)
{
	struct bf_vcpu_entry *entry;

	while ((entry = vcpus->locked)) {
		vcpus->locked = entry->locked_before;
		bf_vcpu_entry_unlock(entry);
	}
	srcu_up_read(vcpus->srcu, idx);
	bf_word_unlock(&vcpus->create_lock);
}

/* The caller is in a section until it unlocks them.  Returns 0 or -EINTR. */
static int lock_each(struct bf_vcpus *vcpus, int (*lock)(unsigned int *word))
{
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		if (lock(&entry->lock))
			return -EINTR;
		entry->locked_before = vcpus->locked;
		vcpus->locked = entry;
	}
	return 0;
}

static int lock_all(struct bf_vcpus *vcpus, int (*lock)(unsigned int *word))
{
	int idx, ret = lock(&vcpus->create_lock);

	if (ret)
		return ret;
	if (is_creating(vcpus)) {
		bf_word_unlock(&vcpus->create_lock);
		return -EBUSY;
	}
	idx = srcu_down_read(vcpus->srcu);
	ret = lock_each(vcpus, lock);
	if (ret)
		unlock_all(vcpus, idx);
	else
		vcpus->locked_idx = idx;
	return ret;
}

int bf_vcpus_lock_all(struct bf_vcpus *vcpus)
{
	return lock_all(vcpus, bf_word_lock);
}

int bf_vcpus_trylock_all(struct bf_vcpus *vcpus)
{
	return lock_all(vcpus, bf_word_trylock);
}

void bf_vcpus_unlock_all(struct bf_vcpus *vcpus)
{
	unlock_all(vcpus, vcpus->locked_idx);
}
