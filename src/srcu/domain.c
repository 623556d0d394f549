// SPDX-License-Identifier: MIT
/* Domains: their counters, their beginning and end, and fork(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "srcu/gp.h"
#include "srcu/membarrier.h"
#include "srcu/report.h"
#include "srcu/worker.h"

/*
 * Every domain that is set up.  The lock is taken before the lock of a domain.
 */
static struct bf_srcu *all_domains;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;

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

	pthread_mutex_lock(&all_lock);
	for (ssp = all_domains; ssp; ssp = ssp->all_next)
		pthread_mutex_lock(&ssp->lock);
	bf_srcu_track_before_fork();
}

static void unlock_all(bool is_child)
{
	struct bf_srcu *ssp;

	bf_srcu_track_after_fork(is_child);
	for (ssp = all_domains; ssp; ssp = ssp->all_next)
		pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_unlock(&all_lock);
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

	bf_srcu_worker_after_fork();
	for (ssp = all_domains; ssp; ssp = ssp->all_next) {
		clear_readers(ssp);
		ssp->queued = false;
		bf_srcu_callbacks_after_fork(ssp);
		end_grace_periods(ssp);
	}
	unlock_all(true);
}

static void in_parent(void)
{
	unlock_all(false);
}

/* The kernel's first value: an early wrap finds mistakes early. */
#define GP_SEQ_INIT ((0UL - 100UL) << 2)

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
	const bool is_inline = ssp->membarrier || !ssp->fast;

	ssp->tracked = bf_srcu_tracking();
	ssp->rseq_slots = is_inline && !ssp->tracked ? ssp->slots : NULL;
	bf_srcu_set_bank(ssp, ssp->idx);
}

/* Keeps what is set already: a domain of BF_SRCU_DEFINE() may be in use. */
static void domain_set_up(struct bf_srcu *ssp, const char *name, bool fast)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_process);
	/* The macro init_srcu_struct(&domain) passes "&domain". */
	ssp->name = name[0] == '&' ? name + 1 : name;
	ssp->fast = fast;
	ssp->membarrier = fast && bf_srcu_membarrier_available();
	ssp->pace_ns = BF_SRCU_DEFAULT_PACE_NS;
	ssp->slots = slots_alloc();
	choose_readers(ssp);
	pthread_mutex_lock(&all_lock);
	ssp->all_next = all_domains;
	ssp->all_link = &all_domains;
	if (all_domains)
		all_domains->all_link = &ssp->all_next;
	all_domains = ssp;
	pthread_mutex_unlock(&all_lock);
}

/* Without memory for counters such a domain goes on with its boot slot. */
void __bf_srcu_define(const struct __bf_srcu_def *def,
		      const struct __bf_srcu_def *end)
{
	for (; def < end; def++)
		if (!def->ssp->name)
			domain_set_up(def->ssp, def->name, def->fast);
}

static bool domain_busy(struct bf_srcu *ssp)
{
	return bf_srcu_gp_readers(ssp) ||
	       bf_srcu_gp_phase(ssp) != SRCU_GP_IDLE ||
	       bf_srcu_gp_wanted(ssp) ||
	       __atomic_load_n(&ssp->cb_count, __ATOMIC_ACQUIRE);
}

static bool domain_unused(struct bf_srcu *ssp)
{
	return !ssp->stats.grace_periods && !domain_busy(ssp);
}

void bf_srcu_set_tracking(bool on)
{
	struct bf_srcu *ssp;

	bf_srcu_track(on);
	pthread_mutex_lock(&all_lock);
	for (ssp = all_domains; ssp; ssp = ssp->all_next)
		if (domain_unused(ssp))
			choose_readers(ssp);
	pthread_mutex_unlock(&all_lock);
}

static void list_remove(struct bf_srcu *ssp)
{
	pthread_mutex_lock(&all_lock);
	*ssp->all_link = ssp->all_next;
	if (ssp->all_next)
		ssp->all_next->all_link = ssp->all_link;
	pthread_mutex_unlock(&all_lock);
}

static int domain_init(struct bf_srcu *ssp, const char *name, bool fast)
{
	memset(ssp, 0, sizeof(*ssp));
	ssp->gp_seq = ssp->gp_needed = GP_SEQ_INIT;
	pthread_mutex_init(&ssp->lock, NULL);
	domain_set_up(ssp, name, fast);
	if (ssp->slots || !bf_srcu_nr_slots)
		return 0;
	list_remove(ssp);
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

int bf_srcu_cleanup(struct bf_srcu *ssp)
{
	bool busy;

	pthread_mutex_lock(&ssp->lock);
	busy = domain_busy(ssp);
	pthread_mutex_unlock(&ssp->lock);
	if (busy)
		return -EBUSY;
	bf_srcu_worker_forget(ssp);
	list_remove(ssp);
	/* The worker may still hold the lock that it let the domain go under. */
	pthread_mutex_lock(&ssp->lock);
	pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_destroy(&ssp->lock);
	free(ssp->slots);
	ssp->slots = ssp->rseq_slots = NULL;
	ssp->fast_bank = NULL;
	return 0;
}
