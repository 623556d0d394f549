// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>

#include <belfry/vm.h>

/*
 * The loop of a vCPU thread.  As long as immediate_exit is set, every
 * bf_vcpu_run() returns -EINTR at once, so the loop clears it.  The exchange
 * is an acquire: the thread that kicks stores stop before it calls
 * bf_vcpus_kick_all().
 */
static bool stop;

static int run(struct bf_vcpu *vcpu)
{
	struct kvm_run *run = bf_vcpu_page(vcpu);
	int err;

	for (;;) {
		err = bf_vcpu_run(vcpu);
		if (err == -EINTR) {
			__atomic_exchange_n(&run->immediate_exit, 0,
					    __ATOMIC_ACQUIRE);
			if (__atomic_load_n(&stop, __ATOMIC_RELAXED))
				return 0;
			continue;
		}
		if (err)
			return err;
		if (run->exit_reason == KVM_EXIT_HLT)
			return 0;
		fprintf(stderr, "exit %u is not handled\n", run->exit_reason);
		return -EOPNOTSUPP;
	}
}
