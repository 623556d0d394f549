/* SPDX-License-Identifier: MIT */
/* The ioctls that a VMM makes on aarch64 alone. */
#include "preload/record/names.h"

/* clang-format off */
const struct call_name arch_names[] = {
	NAME(KVM_ARM_MTE_COPY_TAGS),
	NAME(KVM_ARM_PREFERRED_TARGET),
	NAME(KVM_ARM_SET_DEVICE_ADDR),
	NAME(KVM_ARM_VCPU_FINALIZE),
	NAME(KVM_ARM_VCPU_INIT),
#ifdef KVM_ARM_SET_COUNTER_OFFSET
	NAME(KVM_ARM_SET_COUNTER_OFFSET),
#endif
#ifdef KVM_ARM_GET_REG_WRITABLE_MASKS
	NAME(KVM_ARM_GET_REG_WRITABLE_MASKS),
#endif
};
/* clang-format on */

const size_t nr_arch_names = sizeof(arch_names) / sizeof(arch_names[0]);
