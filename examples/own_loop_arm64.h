/* SPDX-License-Identifier: MIT */
/* A guest without MMU, for own_loop.c. */
#ifndef BF_EXAMPLES_OWN_LOOP_ARM64_H
#define BF_EXAMPLES_OWN_LOOP_ARM64_H

#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "example.h"

#define FIRST	    0x10000000 /* of the first device's first queue */
#define FIRST_FLAGS 0
#define GUEST_END   KVM_EXIT_DEBUG

/*
 * mov x0, #FIRST; mov w1, #64
 * 1: strb w1, [x0]; add x0, x0, #1; subs w1, w1, #1; b.ne 1b; brk #0
 */
static const uint32_t guest[] = {0xd2a20000, 0x52800801, 0x39000001, 0x91000400,
				 0x71000421, 0x54ffffa1, 0xd4200000};

/* A vCPU begins at address 0 unless KVM_SET_ONE_REG says otherwise. */
static inline void guest_start(int vm, int vcpu)
{
	const struct kvm_guest_debug brk = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};
	struct kvm_vcpu_init init;

	must_sys(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), "CPU");
	must_sys(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), "CPU");
	must_sys(ioctl(vcpu, KVM_SET_GUEST_DEBUG, &brk), "breakpoint");
}

#endif
