/* SPDX-License-Identifier: MIT */
/* What reader.c would call and the models leave out: nobody sleeps here. */
#ifndef BF_MODELS_SRCU_STUBS_H
#define BF_MODELS_SRCU_STUBS_H

void __srcu_wake(struct srcu_struct *ssp, int idx)
{
	(void)ssp;
	(void)idx;
}

bool srcu_tracking(void)
{
	return false;
}

void srcu_track_lock(struct srcu_struct *ssp, int idx, bool fast, void *place)
{
	(void)ssp;
	(void)idx;
	(void)fast;
	(void)place;
}

bool srcu_track_unlock(struct srcu_struct *ssp, int idx, bool fast, void *place)
{
	(void)ssp;
	(void)idx;
	(void)fast;
	(void)place;
	return true;
}

#endif
