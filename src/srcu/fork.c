// SPDX-License-Identifier: MIT
/*
 * fork(): only the calling thread lives on in the child.  What it must find
 * there in order is under the locks of the domains, so they are held across
 * the fork; counts of sections are anonymous, so the child begins with none.
 */
#include <string.h>

#include "srcu/callback.h"
#include "srcu/domain.h"
#include "srcu/gp.h"
#include "srcu/track.h"
#include "srcu/worker.h"

static void before_fork(void)
{
	struct srcu_struct *ssp;

	pthread_mutex_lock(&srcu_all_lock);
	for (ssp = srcu_all; ssp; ssp = ssp->all_next)
		pthread_mutex_lock(&ssp->lock);
	srcu_track_before_fork();
}

static void unlock_all(bool is_child)
{
	struct srcu_struct *ssp;

	srcu_track_after_fork(is_child);
	for (ssp = srcu_all; ssp; ssp = ssp->all_next)
		pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_unlock(&srcu_all_lock);
}

static void no_readers(struct srcu_struct *ssp)
{
	memset(&ssp->boot, 0, sizeof(ssp->boot));
	if (ssp->slots)
		memset(ssp->slots, 0, srcu_nr_slots * sizeof(*ssp->slots));
	ssp->waiting = 0;
	ssp->sleepers = 0;
	ssp->gp_blocked = 0;
}

/*
 * Nobody reads here, so what is in progress or asked for is over at once; the
 * callbacks that it covers are ready.
 */
static void end_grace_periods(struct srcu_struct *ssp)
{
	ssp->gp_heavy = 0;
	while (srcu_gp_phase(ssp) != SRCU_GP_IDLE ||
	       (long)(ssp->gp_needed - ssp->gp_seq) > 0) {
		if (srcu_gp_phase(ssp) == SRCU_GP_IDLE)
			srcu_gp_start(ssp);
		srcu_gp_advance(ssp);
	}
}

static void in_child(void)
{
	struct srcu_struct *ssp;

	for (ssp = srcu_early; ssp; ssp = ssp->early_next)
		no_readers(ssp);

	srcu_worker_after_fork();
	for (ssp = srcu_all; ssp; ssp = ssp->all_next) {
		no_readers(ssp);
		srcu_worker_unqueue(ssp);
		srcu_callbacks_after_fork(ssp);
		end_grace_periods(ssp);
	}
	unlock_all(true);
}

static void in_parent(void)
{
	unlock_all(false);
}

void srcu_fork_init(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}
