/* SPDX-License-Identifier: MIT */
/* The ioctls that a VMM makes, by number. */
#include <linux/kvm.h>
#include <stdio.h>

#include "preload/record/names.h"
#include "preload/record/rows.h"
#include "preload/record/stats.h"

/* clang-format off */
static const struct call_name names[] = {
	{ STATS_CLOSE_VM, "close(vm)" },
	{ STATS_CLOSE_VCPU, "close(vcpu)" },
	{ STATS_DEASSIGN, "KVM_IOEVENTFD (deassign)" },
	{ STATS_INSTALL, "installs before KVM_RUN" },
	NAME(KVM_CHECK_EXTENSION),
	NAME(KVM_CLEAR_DIRTY_LOG),
	NAME(KVM_CREATE_DEVICE),
	NAME(KVM_CREATE_IRQCHIP),
	NAME(KVM_CREATE_VCPU),
	NAME(KVM_CREATE_VM),
	NAME(KVM_DIRTY_TLB),
	NAME(KVM_ENABLE_CAP),
	NAME(KVM_GET_API_VERSION),
	NAME(KVM_GET_DEVICE_ATTR),
	NAME(KVM_GET_DIRTY_LOG),
	NAME(KVM_GET_MP_STATE),
	NAME(KVM_GET_ONE_REG),
	NAME(KVM_GET_REG_LIST),
	NAME(KVM_GET_STATS_FD),
	NAME(KVM_GET_VCPU_EVENTS),
	NAME(KVM_GET_VCPU_MMAP_SIZE),
	NAME(KVM_HAS_DEVICE_ATTR),
	{ (uint32_t)KVM_IOEVENTFD, "KVM_IOEVENTFD (assign)" },
	NAME(KVM_IRQFD),
	NAME(KVM_IRQ_LINE),
	NAME(KVM_IRQ_LINE_STATUS),
	NAME(KVM_REGISTER_COALESCED_MMIO),
	NAME(KVM_RESET_DIRTY_RINGS),
	NAME(KVM_RUN),
	NAME(KVM_SET_DEVICE_ATTR),
	NAME(KVM_SET_GSI_ROUTING),
	NAME(KVM_SET_GUEST_DEBUG),
	NAME(KVM_SET_MP_STATE),
	NAME(KVM_SET_ONE_REG),
	NAME(KVM_SET_SIGNAL_MASK),
	NAME(KVM_SET_USER_MEMORY_REGION),
	NAME(KVM_SET_VCPU_EVENTS),
	NAME(KVM_SIGNAL_MSI),
	NAME(KVM_UNREGISTER_COALESCED_MMIO),
#ifdef KVM_SET_USER_MEMORY_REGION2
	NAME(KVM_SET_USER_MEMORY_REGION2),
#endif
#ifdef KVM_SET_MEMORY_ATTRIBUTES
	NAME(KVM_SET_MEMORY_ATTRIBUTES),
#endif
#ifdef KVM_CREATE_GUEST_MEMFD
	NAME(KVM_CREATE_GUEST_MEMFD),
#endif
#ifdef KVM_PRE_FAULT_MEMORY
	NAME(KVM_PRE_FAULT_MEMORY),
#endif
};
/* clang-format on */

static const char *search(const struct call_name *table, size_t count,
			  uint32_t key)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].key == key)
			return table[i].name;
	return NULL;
}

void call_name(uint32_t key, char *buf, size_t size)
{
	const char *name = search(names, sizeof(names) / sizeof(names[0]), key);

	if (!name)
		name = search(arch_names, nr_arch_names, key);
	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "KVM ioctl 0x%08x", key);
}
