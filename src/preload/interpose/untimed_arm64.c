/* SPDX-License-Identifier: MIT */
/* Not here: KVM_SET_ONE_REG.  It sets features of the whole VM, too. */
#include <linux/kvm.h>

#include "preload/interpose/untimed.h"

bool call_is_untimed(uint32_t request)
{
	switch (request) {
	case KVM_GET_ONE_REG:
	case KVM_GET_VCPU_EVENTS:
	case KVM_GET_MP_STATE:
	case KVM_IRQ_LINE:
	case KVM_SIGNAL_MSI:
		return true;
	default:
		return false;
	}
}
