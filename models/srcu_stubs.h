/* SPDX-License-Identifier: MIT */
/*
 * Stubs of functions that reader.c calls.  Except in srcu_wait_explore.c no
 * updater sleeps.
 */
#ifndef BF_MODELS_SRCU_STUBS_H
#define BF_MODELS_SRCU_STUBS_H

#ifndef SRCU_STUBS_HAVE_WAKE
void __bf_srcu_wake(struct srcu_struct *ssp, int idx)
{
	(void)ssp;
	(void)idx;
}
#endif

void bf_srcu_track_lock(struct srcu_struct *ssp, int idx, bool fast,
			void *place)
{
	(void)ssp;
	(void)idx;
	(void)fast;
	(void)place;
}

bool bf_srcu_track_unlock(struct srcu_struct *ssp, int idx, bool fast,
			  void *place)
{
	(void)ssp;
	(void)idx;
	(void)fast;
	(void)place;
	return true;
}

#endif
