// SPDX-License-Identifier: MIT
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

/* String and repeated operations come as several elements for one port. */
static bool offer_io(struct bf_io_bus *bus, struct kvm_run *run)
{
	const struct bf_io_access access = {
		.addr = run->io.port,
		.data = (char *)run + run->io.data_offset,
		.len = run->io.size,
		.space = BF_IO_PIO,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
	};

	return bf_io_access_string(bus, &access, run->io.count) == 0;
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
