// SPDX-License-Identifier: MIT
/* Calls of x86-64 alone. */
#include <linux/kvm.h>

#include "front/internal.h"

bool bf_front_arch_may_stall(uint32_t request)
{
	switch (request) {
	case (uint32_t)KVM_SET_TSS_ADDR:
	case (uint32_t)KVM_SET_IDENTITY_MAP_ADDR:
	case (uint32_t)KVM_SET_PMU_EVENT_FILTER:
	case (uint32_t)KVM_CREATE_PIT2:
	case (uint32_t)KVM_X86_SET_MSR_FILTER:
	case (uint32_t)KVM_XEN_HVM_SET_ATTR:
	case (uint32_t)KVM_HYPERV_EVENTFD:
		return true;
	}
	return false;
}

#define PAGE 4096

/*
 * KVM emulates stores of SSE and AVX, up to 32 bytes.  A part that ends its
 * page is the last one there, and KVM offers those of the next page to its
 * devices again.
 */
bool bf_front_arch_may_split(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
	       run->mmio.len == 8 && (run->mmio.phys_addr + 8) % PAGE;
}
