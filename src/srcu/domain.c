// SPDX-License-Identifier: MIT
/* Domains: their counters, their beginning and end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "srcu/domain.h"
#include "srcu/gp.h"
#include "srcu/heavy.h"
#include "srcu/track.h"
#include "srcu/worker.h"

struct srcu_struct *srcu_all;
pthread_mutex_t srcu_all_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * One more than the highest CPU number that this machine can ever have.  A
 * count that is too low would let a reader count beyond its array, so there is
 * no guessing: 0 where it cannot be known, and readers count atomically.
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

static void init_process(void)
{
	srcu_nr_slots = read_possible_cpus();
	srcu_fork_init();
}

static struct __srcu_slot *new_slots(void)
{
	struct __srcu_slot *slots;
	size_t size = srcu_nr_slots * sizeof(*slots);

	if (!size)
		return NULL;
	slots = aligned_alloc(sizeof(*slots), size);
	if (slots)
		memset(slots, 0, size);
	return slots;
}

/*
 * Inline readers of a fast domain execute no fence, so there may be none
 * unless updaters have a heavy barrier; tracked ones count out of line.
 */
static void choose_readers(struct srcu_struct *ssp)
{
	const bool heavy = ssp->fast && srcu_heavy_available();

	if (heavy)
		__atomic_store_n(&ssp->reader_fences, false, __ATOMIC_RELEASE);
	if (!ssp->tracked && (heavy || !ssp->fast))
		__atomic_store_n(&ssp->rseq_slots, ssp->slots,
				 __ATOMIC_RELEASE);
	srcu_set_bank(ssp, ssp->idx);
}

/*
 * Where a domain of the list is linked from.  srcu_prepare() reads this word
 * without a lock, and what was set up must be visible to it also when another
 * domain, that came or went, stored it last: so each store is a release.  The
 * list's lock orders that thread behind the one that did the setting up.
 */
static void set_link(struct srcu_struct *ssp, struct srcu_struct **link)
{
	__atomic_store_n(&ssp->all_link, link, __ATOMIC_RELEASE);
}

/* Both locks held.  From here on the domain is in the list. */
static void set_up(struct srcu_struct *ssp)
{
	ssp->early_sections = (unsigned long)(srcu_slot_balance(&ssp->boot, 0) +
					      srcu_slot_balance(&ssp->boot, 1));
	__atomic_store_n(&ssp->tracked, srcu_tracking(), __ATOMIC_RELAXED);
	__atomic_store_n(&ssp->slots, new_slots(), __ATOMIC_RELEASE);
	choose_readers(ssp);
	ssp->all_next = srcu_all;
	if (srcu_all)
		set_link(srcu_all, &ssp->all_next);
	srcu_all = ssp;
	set_link(ssp, &srcu_all);
}

static void once_a_process(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_process);
}

void srcu_prepare_slow(struct srcu_struct *ssp)
{
	once_a_process();
	pthread_mutex_lock(&srcu_all_lock);
	pthread_mutex_lock(&ssp->lock);
	if (!ssp->all_link)
		set_up(ssp);
	pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_unlock(&srcu_all_lock);
}

/*
 * Its memory may be anything soon, and a fork would go through it.  The head
 * changes under our hands: readers push other domains.
 */
static void take_off_early(struct srcu_struct *ssp)
{
	struct srcu_struct *before = ssp;

	if (!ssp->early)
		return;
	ssp->early = false;
	if (__atomic_compare_exchange_n(&srcu_early, &before, ssp->early_next,
					false, __ATOMIC_ACQUIRE,
					__ATOMIC_ACQUIRE))
		return;
	while (before->early_next != ssp)
		before = before->early_next;
	before->early_next = ssp->early_next;
}

static void take_off_list(struct srcu_struct *ssp)
{
	pthread_mutex_lock(&srcu_all_lock);
	take_off_early(ssp);
	if (ssp->all_link) {
		*ssp->all_link = ssp->all_next;
		if (ssp->all_next)
			set_link(ssp->all_next, ssp->all_link);
		set_link(ssp, NULL);
	}
	pthread_mutex_unlock(&srcu_all_lock);
}

int __srcu_init_struct(struct srcu_struct *ssp, const char *name, bool fast)
{
	memset(ssp, 0, sizeof(*ssp));
	/* What the macro makes of init_srcu_struct(&domain). */
	ssp->name = name[0] == '&' ? name + 1 : name;
	ssp->fast = fast;
	ssp->reader_fences = true;
	ssp->gp_seq = __SRCU_GP_SEQ_INIT;
	ssp->gp_needed = __SRCU_GP_SEQ_INIT;
	ssp->pace_ns = SRCU_DEFAULT_PACE_NS;
	ssp->cb_wait_tail = &ssp->cb_wait;
	ssp->cb_done_tail = &ssp->cb_done;
	pthread_mutex_init(&ssp->lock, NULL);
	srcu_prepare_slow(ssp);
	if (ssp->slots || !srcu_nr_slots)
		return 0;
	take_off_list(ssp);
	pthread_mutex_destroy(&ssp->lock);
	return -ENOMEM;
}

static bool srcu_busy(struct srcu_struct *ssp)
{
	return srcu_gp_readers(ssp) || srcu_gp_phase(ssp) != SRCU_GP_IDLE ||
	       srcu_gp_wanted(ssp) ||
	       __atomic_load_n(&ssp->cb_count, __ATOMIC_ACQUIRE);
}

int cleanup_srcu_struct(struct srcu_struct *ssp)
{
	bool busy;

	pthread_mutex_lock(&ssp->lock);
	busy = srcu_busy(ssp);
	pthread_mutex_unlock(&ssp->lock);
	if (busy)
		return -EBUSY;
	srcu_worker_forget(ssp);
	take_off_list(ssp);
	/* Wait for the worker's hold on the lock to be over. */
	pthread_mutex_lock(&ssp->lock);
	pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_destroy(&ssp->lock);
	free(ssp->slots);
	ssp->slots = ssp->rseq_slots = NULL;
	ssp->fast_bank = NULL;
	return 0;
}
