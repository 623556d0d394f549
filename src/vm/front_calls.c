// SPDX-License-Identifier: MIT
/*
 * Calls on the VM that an install must keep away from: one that comes up to
 * some milliseconds after an install sleeps out the grace period that the
 * install left behind.
 */
#include <linux/kvm.h>
#include <time.h>

#include "vm/front_internal.h"

/* Four ticks of the slowest clock, HZ=100, and some. */
#define OWED_NS 50000000u

/* Those that change memory slots, the buses or filters; some do inside. */
static bool may_stall(uint32_t request)
{
	switch (request) {
	case (uint32_t)KVM_SET_USER_MEMORY_REGION:
#ifdef KVM_SET_USER_MEMORY_REGION2
	case (uint32_t)KVM_SET_USER_MEMORY_REGION2:
#endif
#ifdef KVM_SET_MEMORY_ATTRIBUTES
	case (uint32_t)KVM_SET_MEMORY_ATTRIBUTES:
#endif
	case (uint32_t)KVM_CREATE_VCPU:
	case (uint32_t)KVM_CREATE_DEVICE:
	case (uint32_t)KVM_CREATE_IRQCHIP:
	case (uint32_t)KVM_ENABLE_CAP:
	case (uint32_t)KVM_SET_TSS_ADDR:
	case (uint32_t)KVM_SET_IDENTITY_MAP_ADDR:
	case (uint32_t)KVM_SET_PMU_EVENT_FILTER:
#ifdef __x86_64__
	case (uint32_t)KVM_CREATE_PIT2:
	case (uint32_t)KVM_X86_SET_MSR_FILTER:
	case (uint32_t)KVM_XEN_HVM_SET_ATTR:
	case (uint32_t)KVM_HYPERV_EVENTFD:
#endif
		return true;
	}
	return false;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bf_front_call_begins(struct bf_front *front, uint32_t request)
{
	if (may_stall(request))
		__atomic_fetch_add(&front->calls, 1, __ATOMIC_RELAXED);
}

void bf_front_call_ends(struct bf_front *front, uint32_t request)
{
	if (!may_stall(request))
		return;
	bf_front_disturb(front);
	__atomic_fetch_sub(&front->calls, 1, __ATOMIC_RELAXED);
}

void bf_front_disturb(struct bf_front *front)
{
	if (front->counts)
		__atomic_store_n(&front->disturbed_ns, now_ns(),
				 __ATOMIC_RELAXED);
}

void bf_front_told(struct bf_front *front)
{
	__atomic_store_n(&front->told_ns, now_ns(), __ATOMIC_RELAXED);
}

bool bf_front_owes(const struct bf_front *front)
{
	uint64_t told = __atomic_load_n(&front->told_ns, __ATOMIC_RELAXED);

	return told && now_ns() - told < OWED_NS;
}

uint64_t bf_front_quiet_at(struct bf_front *front)
{
	uint64_t now = now_ns(), at;

	if (__atomic_load_n(&front->calls, __ATOMIC_RELAXED))
		return now + front->quiet_ns;
	at = __atomic_load_n(&front->disturbed_ns, __ATOMIC_RELAXED) +
	     front->quiet_ns;
	return at > now ? at : 0;
}
