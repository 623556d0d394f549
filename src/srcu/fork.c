// SPDX-License-Identifier: MIT
/*
 * fork(): only the calling thread goes on in the child.  The locks of the
 * domains protect all that the child must find consistent, so they are held
 * across the fork.  A count does not name the thread of its section, so the
 * child begins with none.
 */
#include <string.h>

#include "srcu/callback.h"
#include "srcu/domain.h"
#include "srcu/gp.h"
#include "srcu/track.h"
#include "srcu/worker.h"

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

void bf_srcu_fork_init(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}
