// SPDX-License-Identifier: MIT
/*
 * The inline functions of belfry/srcu.h as functions of the library, for
 * languages that cannot compile the header: see doc/abi.md.
 */
#define bf_srcu_read_lock	     inline_read_lock
#define bf_srcu_read_unlock	     inline_read_unlock
#define bf_srcu_read_lock_fast	     inline_read_lock_fast
#define bf_srcu_read_unlock_fast     inline_read_unlock_fast
#define bf_srcu_mb_after_read_unlock inline_mb_after_read_unlock
#define bf_srcu_down_read	     inline_down_read
#define bf_srcu_up_read		     inline_up_read
#include "belfry/srcu.h"
#undef bf_srcu_read_lock
#undef bf_srcu_read_unlock
#undef bf_srcu_read_lock_fast
#undef bf_srcu_read_unlock_fast
#undef bf_srcu_mb_after_read_unlock
#undef bf_srcu_down_read
#undef bf_srcu_up_read

#include "base/util.h"

BF_EXPORT_INLINE(int, bf_srcu_read_lock, (struct bf_srcu * ssp))
{
	return inline_read_lock(ssp);
}

BF_EXPORT_INLINE(void, bf_srcu_read_unlock, (struct bf_srcu * ssp, int idx))
{
	inline_read_unlock(ssp, idx);
}

BF_EXPORT_INLINE(struct bf_srcu_ctr *, bf_srcu_read_lock_fast,
		 (struct bf_srcu * ssp))
{
	return inline_read_lock_fast(ssp);
}

BF_EXPORT_INLINE(void, bf_srcu_read_unlock_fast,
		 (struct bf_srcu * ssp, struct bf_srcu_ctr *scp))
{
	inline_read_unlock_fast(ssp, scp);
}

BF_EXPORT_INLINE(void, bf_srcu_mb_after_read_unlock, (void))
{
	inline_mb_after_read_unlock();
}

BF_EXPORT_INLINE(int, bf_srcu_down_read, (struct bf_srcu * ssp))
{
	return inline_down_read(ssp);
}

BF_EXPORT_INLINE(void, bf_srcu_up_read, (struct bf_srcu * ssp, int idx))
{
	inline_up_read(ssp, idx);
}
