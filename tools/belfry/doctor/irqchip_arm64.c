// SPDX-License-Identifier: MIT
/* A GICv3 with one redistributor, which KVM registers. */
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/belfry/doctor/internal.h"

/* Beyond the memory slots of the measurement. */
#define REDISTRIBUTORS 0xf0000000

const bool irqchip_can_split = false;

static bool place_redistributors(int gic)
{
	uint64_t base = REDISTRIBUTORS;
	const struct kvm_device_attr attr = {
		.group = KVM_DEV_ARM_VGIC_GRP_ADDR,
		.attr = KVM_VGIC_V3_ADDR_TYPE_REDIST,
		.addr = (uintptr_t)&base,
	};

	return !ioctl(gic, KVM_SET_DEVICE_ATTR, &attr);
}

bool irqchip_create(int vm)
{
	struct kvm_create_device gic = {.type = KVM_DEV_TYPE_ARM_VGIC_V3};
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	bool created;

	if (vcpu < 0)
		return false;
	close(vcpu);
	if (ioctl(vm, KVM_CREATE_DEVICE, &gic))
		return false;
	created = place_redistributors((int)gic.fd);
	close((int)gic.fd);
	return created;
}
