/* SPDX-License-Identifier: MIT */
/*
 * A model of the doorbells and zones on the two VMs.  It follows the rules of
 * KVM_IOEVENTFD, not the kernel's search, and says which doorbell a write must
 * signal.
 */
#ifndef BF_TESTS_DIFF_MODEL_H
#define BF_TESTS_DIFF_MODEL_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_MAX 4096

struct model_doorbell {
	struct kvm_ioeventfd arg; /* fd is the index of the eventfd */
};

struct model {
	struct model_doorbell doorbells[MODEL_MAX];
	size_t nr_doorbells;
	struct kvm_coalesced_mmio_zone zones[MODEL_MAX];
	size_t nr_zones;
};

void model_add(struct model *model, const struct kvm_ioeventfd *arg);
void model_remove(struct model *model, const struct kvm_ioeventfd *arg);
void model_add_zone(struct model *model,
		    const struct kvm_coalesced_mmio_zone *zone);
void model_remove_zones(struct model *model,
			const struct kvm_coalesced_mmio_zone *zone);

/* The index of the eventfd that a write must signal, or -1. */
int model_hit(const struct model *model, uint64_t addr, uint32_t len, bool pio,
	      uint64_t value);

/* True if a zone contains the write. */
bool model_in_zone(const struct model *model, uint64_t addr, uint32_t len,
		   bool pio);

#endif
