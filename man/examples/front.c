// SPDX-License-Identifier: MIT
#include <sys/ioctl.h>

#include <belfry/front.h>

/*
 * A VMM with its own run loop:
 */
static int run_vcpu(int fd, struct bf_front_vcpu *vcpu)
{
	int ret;

	do {
		bf_front_before_run(vcpu);
		ret = ioctl(fd, KVM_RUN, 0);
	} while (bf_front_after_run(vcpu, ret));
	return ret;
}
