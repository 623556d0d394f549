// SPDX-License-Identifier: MIT
/* Calls of aarch64 alone. */
#include "front/internal.h"

/* The vGIC's are made on a descriptor of its own. */
bool bf_front_arch_may_stall(uint32_t request)
{
	return false;
}

/* KVM emulates stores of one register. */
bool bf_front_arch_may_split(const struct kvm_run *run)
{
	return false;
}
