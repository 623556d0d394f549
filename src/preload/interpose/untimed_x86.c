/* SPDX-License-Identifier: MIT */
/*
 * Not here: KVM_SET_SREGS, KVM_SET_MSRS and KVM_SET_LAPIC.  They may move or
 * disable the local APIC, for which KVM removes a memory slot of its own.
 */
#include <linux/kvm.h>

#include "preload/interpose/untimed.h"

bool call_is_untimed(uint32_t request)
{
	switch (request) {
	case KVM_GET_REGS:
	case KVM_SET_REGS:
	case KVM_GET_SREGS:
	case KVM_GET_FPU:
	case KVM_SET_FPU:
	case KVM_GET_XSAVE:
	case KVM_GET_XCRS:
	case (uint32_t)KVM_GET_MSRS:
	case KVM_GET_LAPIC:
	case KVM_GET_VCPU_EVENTS:
	case KVM_GET_DEBUGREGS:
	case KVM_GET_MP_STATE:
	case KVM_INTERRUPT:
	case KVM_NMI:
	case KVM_IRQ_LINE:
	case (uint32_t)KVM_IRQ_LINE_STATUS:
	case KVM_SIGNAL_MSI:
		return true;
	default:
		return false;
	}
}
