/* SPDX-License-Identifier: MIT */
/* Calls about devices of KVM, for one processor: device_*.c. */
#ifndef BF_PRELOAD_DEVICE_H
#define BF_PRELOAD_DEVICE_H

#include <linux/kvm.h>
#include <stdint.h>

/* The key in the counters of a KVM_CREATE_DEVICE. */
uint32_t device_creation_key(const struct kvm_create_device *device);

/* The same of a KVM_SET_DEVICE_ATTR on a device. */
uint32_t device_attr_key(const struct kvm_device_attr *attr);

#endif
