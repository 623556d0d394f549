/* SPDX-License-Identifier: MIT */
/* Grace periods that calls of x86-64 leave, and wait for. */
#include <linux/kvm.h>

#include "preload/record/internal.h"

bool gp_arch_waits(uint32_t key)
{
	return key == KVM_SET_PMU_EVENT_FILTER || key == KVM_X86_SET_MSR_FILTER;
}

int gp_arch_of(struct recorded_vm *vm, uint32_t key)
{
	switch (key) {
	case KVM_CREATE_IRQCHIP:
		return GP_IRQCHIP;
	case KVM_CREATE_PIT2:
		return GP_PIT;
	default:
		return -1;
	}
}
