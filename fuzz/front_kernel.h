/* SPDX-License-Identifier: MIT */
/*
 * The part of KVM that a front talks to, as plain lists: the doorbells and
 * zones of one VM.  The fuzz target of the front uses it twice, as the kernel
 * behind the front and as the kernel that the program believes to talk to.
 */
#ifndef BF_FUZZ_FRONT_KERNEL_H
#define BF_FUZZ_FRONT_KERNEL_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define KERNEL_ROOM 4096

struct kernel_doorbell {
	struct kvm_ioeventfd arg;
	unsigned long eventfd; /* the number of the kernel's eventfd */
	int fd;		       /* a duplicate */
};

struct kernel {
	struct kernel_doorbell doorbells[KERNEL_ROOM];
	unsigned int nr_doorbells;
	struct kvm_coalesced_mmio_zone zones[KERNEL_ROOM];
	unsigned int nr_zones;
	bool full; /* no room for more */
};

/* A write of a guest. */
struct kernel_write {
	bool pio;
	uint64_t addr;
	uint32_t len;
	uint64_t value;
};

void kernel_init(struct kernel *kernel);

/* KVM_IOEVENTFD and the calls of zones: 0 or a negative errno. */
int kernel_ioeventfd(struct kernel *kernel, const struct kvm_ioeventfd *arg);
int kernel_zone(struct kernel *kernel, unsigned long request,
		const struct kvm_coalesced_mmio_zone *zone);

/* The doorbell that the write signals; NULL: none. */
const struct kernel_doorbell *kernel_match(const struct kernel *kernel,
					   const struct kernel_write *write);

/* A zone contains the write. */
bool kernel_coalesces(const struct kernel *kernel,
		      const struct kernel_write *write);

/* All doorbells and zones of the first are in the second. */
bool kernel_is_part(const struct kernel *part, const struct kernel *whole);

#endif
