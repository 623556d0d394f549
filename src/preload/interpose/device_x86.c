/* SPDX-License-Identifier: MIT */
/* No device of x86-64 registers with the I/O bus. */
#include "preload/interpose/device.h"

uint32_t device_creation_key(const struct kvm_create_device *device)
{
	return (uint32_t)KVM_CREATE_DEVICE;
}

uint32_t device_attr_key(const struct kvm_device_attr *attr)
{
	return (uint32_t)KVM_SET_DEVICE_ATTR;
}
