/* SPDX-License-Identifier: MIT */
/* A vCPU for the tests of the table, with counts of its callbacks. */
#ifndef BF_TESTS_VCPUS_VCPU_H
#define BF_TESTS_VCPUS_VCPU_H

#include "belfry/vcpus.h"
#include "base/util.h"

struct vcpu {
	unsigned int magic;
	int released; /* calls of release() */
	int kicked;   /* calls of kick() */
	struct bf_vcpu_entry entry;
};

static inline struct vcpu *vcpu_of(struct bf_vcpu_entry *entry)
{
	return container_of(entry, struct vcpu, entry);
}

static inline void vcpu_released(struct bf_vcpu_entry *entry)
{
	__atomic_fetch_add(&vcpu_of(entry)->released, 1, __ATOMIC_RELEASE);
}

static inline void vcpu_kicked(struct bf_vcpu_entry *entry)
{
	vcpu_of(entry)->kicked++;
}

static const struct bf_vcpu_entry_ops vcpu_ops = {
	.release = vcpu_released,
	.kick = vcpu_kicked,
};

#endif
