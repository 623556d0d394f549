/* SPDX-License-Identifier: MIT */
/* The names of calls.  scripts/ioctl-names lists the ioctls at build time. */
#include <linux/kvm.h>
#include <stdio.h>

#include "preload/record/rows.h"
#include "preload/record/stats.h"

struct name {
	uint32_t key;
	const char *name;
};

#define NAME(request)                         \
	{                                     \
		(uint32_t)(request), #request \
	}

/* The first row with a number counts. */
static const struct name names[] = {
	{STATS_CLOSE_VM, "close(vm)"},
	{STATS_CLOSE_VCPU, "close(vcpu)"},
	{STATS_CLOSE_DEVICE, "close(device)"},
	{STATS_DEASSIGN, "KVM_IOEVENTFD (deassign)"},
	{STATS_INSTALL, "installs before KVM_RUN"},
	{STATS_CREATE_VGIC, "KVM_CREATE_DEVICE (vGIC)"},
	{STATS_PLACE_REDIST, "KVM_SET_DEVICE_ATTR (redistributors)"},
	{STATS_PLACE_ITS, "KVM_SET_DEVICE_ATTR (ITS)"},
	{(uint32_t)KVM_IOEVENTFD, "KVM_IOEVENTFD (assign)"},
#include "preload/ioctl_names.h"
};

void call_name(uint32_t key, char *buf, size_t size)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].key == key) {
			snprintf(buf, size, "%s", names[i].name);
			return;
		}
	}
	snprintf(buf, size, "KVM ioctl 0x%08x", key);
}
