// SPDX-License-Identifier: MIT
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "tools/belfry/doctor/internal.h"

const bool irqchip_can_split = true;

bool irqchip_create(int vm)
{
	return !ioctl(vm, KVM_CREATE_IRQCHIP);
}
