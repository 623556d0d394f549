// SPDX-License-Identifier: MIT
#include <string.h>

#include "vm/exit.h"

static bool offer_mmio(struct bf_io_bus *bus, struct kvm_run *run)
{
	const struct bf_io_access access = {
		.addr = run->mmio.phys_addr,
		.data = run->mmio.data,
		.len = run->mmio.len,
		.space = BF_IO_MMIO,
		.write = run->mmio.is_write,
	};

	return bf_io_access(bus, &access) == 0;
}

/*
 * String and repeated operations come as several elements for one port.  As
 * in the kernel the first decides who gets the string; when a later one finds
 * nobody (the device is gone by now) its write is dropped, its read is zero.
 */
static bool offer_io(struct bf_io_bus *bus, struct kvm_run *run)
{
	char *data = (char *)run + run->io.data_offset;
	struct bf_io_access access = {
		.addr = run->io.port,
		.len = run->io.size,
		.space = BF_IO_PIO,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
	};
	__u32 i;

	for (i = 0; i < run->io.count; i++, data += access.len) {
		access.data = data;
		if (bf_io_access(bus, &access) == 0)
			continue;
		if (i == 0)
			return false;
		if (!access.write)
			memset(data, 0, access.len);
	}
	return run->io.count > 0;
}

bool bf_exit_offer(struct bf_io_bus *bus, struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		return offer_mmio(bus, run);
	case KVM_EXIT_IO:
		return offer_io(bus, run);
	default:
		return false;
	}
}
