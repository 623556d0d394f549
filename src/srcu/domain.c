// SPDX-License-Identifier: MIT
/* Domains: their counters, their beginning and end, and fork(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "srcu/callback.h"
#include "srcu/domain.h"
#include "srcu/gp.h"
#include "srcu/membarrier.h"
#include "srcu/track.h"
#include "srcu/worker.h"

struct bf_srcu *bf_srcu_all;
pthread_mutex_t bf_srcu_all_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * One more than the highest CPU number that this machine can ever have.  With
 * a number that is too low a reader would count beyond its array, so nothing is
 * guessed: if the number is unknown this returns 0, and readers count in the
 * boot slot, atomically.
 */
static unsigned int read_possible_cpus(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned int first, last = 0, nr = 0;
	char sep;

	if (!file)
		return 0;
	while (fscanf(file, "%u", &first) == 1) {
		last = first;
		if (fscanf(file, "%c", &sep) == 1 && sep == '-' &&
		    fscanf(file, "%u%c", &last, &sep) < 1)
			break;
		nr = last + 1;
	}
	fclose(file);
	return nr;
}

/*
 * fork(): only the calling thread goes on in the child.  The locks of the
 * domains protect all that the child must find consistent, so they are held
 * across the fork.  A count does not name the thread of its section, so the
 * child begins with none.
 */
static void before_fork(void)
{
	struct bf_srcu *ssp;

	pthread_mutex_lock(&bf_srcu_all_lock);
	for (ssp = bf_srcu_all; ssp; ssp = ssp->all_next)
		pthread_mutex_lock(&ssp->lock);
	bf_srcu_track_before_fork();
}

static void unlock_all(bool is_child)
{
	struct bf_srcu *ssp;

	bf_srcu_track_after_fork(is_child);
	for (ssp = bf_srcu_all; ssp; ssp = ssp->all_next)
		pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_unlock(&bf_srcu_all_lock);
}

static void clear_readers(struct bf_srcu *ssp)
{
	memset(&ssp->boot, 0, sizeof(ssp->boot));
	if (ssp->slots)
		memset(ssp->slots, 0, bf_srcu_nr_slots * sizeof(*ssp->slots));
	ssp->waiting = 0;
	ssp->sleepers = 0;
	ssp->gp_blocked = 0;
}

/*
 * The child has no readers, so each grace period in progress or requested ends
 * at once, and its callbacks are ready.
 */
static void end_grace_periods(struct bf_srcu *ssp)
{
	ssp->gp_membarrier = 0;
	while (bf_srcu_gp_phase(ssp) != SRCU_GP_IDLE ||
	       (long)(ssp->gp_needed - ssp->gp_seq) > 0) {
		if (bf_srcu_gp_phase(ssp) == SRCU_GP_IDLE)
			bf_srcu_gp_start(ssp);
		bf_srcu_gp_advance(ssp);
	}
}

static void in_child(void)
{
	struct bf_srcu *ssp;

	for (ssp = bf_srcu_early; ssp; ssp = ssp->early_next)
		clear_readers(ssp);

	bf_srcu_worker_after_fork();
	for (ssp = bf_srcu_all; ssp; ssp = ssp->all_next) {
		clear_readers(ssp);
		bf_srcu_worker_unqueue(ssp);
		bf_srcu_callbacks_after_fork(ssp);
		end_grace_periods(ssp);
	}
	unlock_all(true);
}

static void in_parent(void)
{
	unlock_all(false);
}

static void init_process(void)
{
	bf_srcu_nr_slots = read_possible_cpus();
	pthread_atfork(before_fork, in_parent, in_child);
}

static struct __bf_srcu_slot *slots_alloc(void)
{
	struct __bf_srcu_slot *slots;
	size_t size = bf_srcu_nr_slots * sizeof(*slots);

	if (!size)
		return NULL;
	slots = aligned_alloc(sizeof(*slots), size);
	if (slots)
		memset(slots, 0, size);
	return slots;
}

/*
 * Inline readers of a fast domain execute no fence, so they are allowed only if
 * updaters make membarriers.  Tracked readers count out of line.
 */
static void choose_readers(struct bf_srcu *ssp)
{
	const bool membarrier = ssp->fast && bf_srcu_membarrier_available();

	if (membarrier)
		__atomic_store_n(&ssp->reader_fences, false, __ATOMIC_RELEASE);
	if (!ssp->tracked && (membarrier || !ssp->fast))
		__atomic_store_n(&ssp->rseq_slots, ssp->slots,
				 __ATOMIC_RELEASE);
	bf_srcu_set_bank(ssp, ssp->idx);
}

/*
 * Sets the place that links to a domain of the list.  Release, with the acquire
 * in bf_srcu_prepare(), which reads this word without a lock: a thread that
 * sees the word sees the set-up of the domain.  That must also hold if a domain
 * that came or went stored the word last; the list's lock orders that thread
 * behind the one that set up the domain.
 */
static void set_link(struct bf_srcu *ssp, struct bf_srcu **link)
{
	__atomic_store_n(&ssp->all_link, link, __ATOMIC_RELEASE);
}

/* The caller holds both locks.  From here on the domain is in the list. */
static void domain_set_up(struct bf_srcu *ssp)
{
	ssp->early_sections =
		(unsigned long)(bf_srcu_slot_balance(&ssp->boot, 0) +
				bf_srcu_slot_balance(&ssp->boot, 1));
	__atomic_store_n(&ssp->tracked, bf_srcu_tracking(), __ATOMIC_RELAXED);
	__atomic_store_n(&ssp->slots, slots_alloc(), __ATOMIC_RELEASE);
	choose_readers(ssp);
	ssp->all_next = bf_srcu_all;
	if (bf_srcu_all)
		set_link(bf_srcu_all, &ssp->all_next);
	bf_srcu_all = ssp;
	set_link(ssp, &bf_srcu_all);
}

static void init_process_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_process);
}

void bf_srcu_prepare_slow(struct bf_srcu *ssp)
{
	init_process_once();
	pthread_mutex_lock(&bf_srcu_all_lock);
	pthread_mutex_lock(&ssp->lock);
	if (!ssp->all_link)
		domain_set_up(ssp);
	pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_unlock(&bf_srcu_all_lock);
}

/*
 * The domain's memory may be used for something else soon, and a fork walks the
 * list.  The head changes meanwhile: readers push other domains.
 */
static void early_list_remove(struct bf_srcu *ssp)
{
	struct bf_srcu *before = ssp;

	if (!ssp->early)
		return;
	ssp->early = false;
	if (__atomic_compare_exchange_n(&bf_srcu_early, &before,
					ssp->early_next, false,
					__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return;
	while (before->early_next != ssp)
		before = before->early_next;
	before->early_next = ssp->early_next;
}

static void lists_remove(struct bf_srcu *ssp)
{
	pthread_mutex_lock(&bf_srcu_all_lock);
	early_list_remove(ssp);
	if (ssp->all_link) {
		*ssp->all_link = ssp->all_next;
		if (ssp->all_next)
			set_link(ssp->all_next, ssp->all_link);
		set_link(ssp, NULL);
	}
	pthread_mutex_unlock(&bf_srcu_all_lock);
}

static int domain_init(struct bf_srcu *ssp, const char *name, bool fast)
{
	memset(ssp, 0, sizeof(*ssp));
	/* The macro init_srcu_struct(&domain) passes "&domain". */
	ssp->name = name[0] == '&' ? name + 1 : name;
	ssp->fast = fast;
	ssp->reader_fences = true;
	ssp->gp_seq = __BF_SRCU_GP_SEQ_INIT;
	ssp->gp_needed = __BF_SRCU_GP_SEQ_INIT;
	ssp->pace_ns = BF_SRCU_DEFAULT_PACE_NS;
	ssp->cb_wait_tail = &ssp->cb_wait;
	ssp->cb_done_tail = &ssp->cb_done;
	pthread_mutex_init(&ssp->lock, NULL);
	bf_srcu_prepare_slow(ssp);
	if (ssp->slots || !bf_srcu_nr_slots)
		return 0;
	lists_remove(ssp);
	pthread_mutex_destroy(&ssp->lock);
	return -ENOMEM;
}

int bf_srcu_init(struct bf_srcu *ssp, const char *name)
{
	return domain_init(ssp, name, false);
}

int bf_srcu_init_fast(struct bf_srcu *ssp, const char *name)
{
	return domain_init(ssp, name, true);
}

static bool domain_busy(struct bf_srcu *ssp)
{
	return bf_srcu_gp_readers(ssp) ||
	       bf_srcu_gp_phase(ssp) != SRCU_GP_IDLE ||
	       bf_srcu_gp_wanted(ssp) ||
	       __atomic_load_n(&ssp->cb_count, __ATOMIC_ACQUIRE);
}

int bf_srcu_cleanup(struct bf_srcu *ssp)
{
	bool busy;

	pthread_mutex_lock(&ssp->lock);
	busy = domain_busy(ssp);
	pthread_mutex_unlock(&ssp->lock);
	if (busy)
		return -EBUSY;
	bf_srcu_worker_forget(ssp);
	lists_remove(ssp);
	/* The worker may still hold the lock that it let the domain go under. */
	pthread_mutex_lock(&ssp->lock);
	pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_destroy(&ssp->lock);
	free(ssp->slots);
	ssp->slots = ssp->rseq_slots = NULL;
	ssp->fast_bank = NULL;
	return 0;
}
