/* SPDX-License-Identifier: MIT */
/*
 * Grace periods that calls of aarch64 leave, and wait for.
 *
 * KVM registers a redistributor when both its vCPU and the address of the
 * redistributors are there, in the call that brings the later one; an ITS with
 * its address; and the distributor in the VM's first KVM_RUN.
 */
#include <linux/kvm.h>

#include "preload/record/internal.h"

enum {
	HAS_VGIC = 1,
	HAS_REDIST_ADDRESS = 2,
	HAS_VCPU = 4,
};

bool gp_arch_waits(uint32_t key)
{
	return false;
}

/* Adds @bit to the VM's; true: the VM has @other too. */
static bool add_and_test(struct recorded_vm *vm, uint32_t bit, uint32_t other)
{
	return relaxed_or(&vm->vgic, bit) & other;
}

int gp_arch_of(struct recorded_vm *vm, uint32_t key)
{
	switch (key) {
	case KVM_CREATE_IRQCHIP:
	case STATS_CREATE_VGIC:
		relaxed_or(&vm->vgic, HAS_VGIC);
		return -1;
	case STATS_PLACE_REDIST:
		return add_and_test(vm, HAS_REDIST_ADDRESS, HAS_VCPU) ?
			       GP_VGIC_ADDRESS :
			       -1;
	case STATS_PLACE_ITS:
		return GP_VGIC_ADDRESS;
	case KVM_CREATE_VCPU:
		return add_and_test(vm, HAS_VCPU, HAS_REDIST_ADDRESS) ?
			       GP_VGIC_VCPU :
			       -1;
	case KVM_RUN:
		return relaxed_load(&vm->vgic) & HAS_VGIC ? GP_VGIC_RUN : -1;
	default:
		return -1;
	}
}
