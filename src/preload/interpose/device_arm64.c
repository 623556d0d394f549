/* SPDX-License-Identifier: MIT */
/* The vGIC. */
#include "preload/interpose/device.h"
#include "preload/record/stats.h"

uint32_t device_creation_key(const struct kvm_create_device *device)
{
	switch (device->type) {
	case KVM_DEV_TYPE_ARM_VGIC_V2:
	case KVM_DEV_TYPE_ARM_VGIC_V3:
		return STATS_CREATE_VGIC;
	default:
		return (uint32_t)KVM_CREATE_DEVICE;
	}
}

/* The types of addresses are distinct between the vGIC and the ITS. */
uint32_t device_attr_key(const struct kvm_device_attr *attr)
{
	if (attr->group != KVM_DEV_ARM_VGIC_GRP_ADDR)
		return (uint32_t)KVM_SET_DEVICE_ATTR;
	switch (attr->attr) {
	case KVM_VGIC_V3_ADDR_TYPE_REDIST:
	case KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION:
		return STATS_PLACE_REDIST;
	case KVM_VGIC_ITS_ADDR_TYPE:
		return STATS_PLACE_ITS;
	default:
		return (uint32_t)KVM_SET_DEVICE_ATTR;
	}
}
