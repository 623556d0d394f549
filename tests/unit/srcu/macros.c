// SPDX-License-Identifier: MIT
/* Each macro of belfry/srcu.h once; scripts/check-headers compiles this. */
#include <belfry/srcu.h>

struct macro_config {
	int value;
};

BF_SRCU_DEFINE(macro_fenced);
BF_SRCU_DEFINE_STATIC(macro_static);
BF_SRCU_DEFINE_FAST(macro_fast);
BF_SRCU_DEFINE_STATIC_FAST(macro_static_fast);
DEFINE_SRCU(macro_kernel);
DEFINE_STATIC_SRCU(macro_kernel_static);
DEFINE_SRCU_FAST(macro_kernel_fast);
DEFINE_STATIC_SRCU_FAST(macro_kernel_static_fast);

int macro_use(struct macro_config **config);
int macro_use(struct macro_config **config)
{
	static DEFINE_SRCU(local);
	struct srcu_struct ssp, fast;
	struct srcu_ctr *scp;
	int idx, value;

	if (init_srcu_struct(&ssp) || init_srcu_struct_fast(&fast))
		return -1;
	idx = srcu_read_lock(&macro_static);
	value = srcu_dereference(*config, &macro_static)->value;
	srcu_read_unlock(&macro_static, idx);
	smp_mb__after_srcu_read_unlock();
	scp = srcu_read_lock_fast(&macro_static_fast);
	srcu_read_unlock_fast(&macro_static_fast, scp);
	idx = srcu_down_read(&macro_kernel_static);
	srcu_up_read(&macro_kernel_static, idx);
	scp = srcu_read_lock_fast(&macro_kernel_static_fast);
	srcu_read_unlock_fast(&macro_kernel_static_fast, scp);
	srcu_assign_pointer(*config, (struct macro_config *)0);
	synchronize_srcu(&local);
	synchronize_srcu_expedited(&ssp);
	if (!poll_state_synchronize_srcu(&ssp,
					 get_state_synchronize_srcu(&ssp)))
		srcu_expedite_current(&ssp);
	srcu_barrier(&ssp);
	return value + cleanup_srcu_struct(&ssp) + cleanup_srcu_struct(&fast);
}
