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
