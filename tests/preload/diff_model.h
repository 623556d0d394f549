/* SPDX-License-Identifier: MIT */
/*
 * What is registered on the two VMs, by the rules of KVM_IOEVENTFD alone: who
 * a write ought to ring, whatever the kernel's search makes of it.
 */
#ifndef BF_TESTS_DIFF_MODEL_H
#define BF_TESTS_DIFF_MODEL_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_MAX 4096

struct model_bell {
	struct kvm_ioeventfd arg; /* fd: the eventfd's index */
};

struct model {
	struct model_bell bells[MODEL_MAX];
	size_t nr_bells;
	struct kvm_coalesced_mmio_zone zones[MODEL_MAX];
	size_t nr_zones;
};

void model_add(struct model *model, const struct kvm_ioeventfd *arg);
void model_remove(struct model *model, const struct kvm_ioeventfd *arg);
void model_add_zone(struct model *model,
		    const struct kvm_coalesced_mmio_zone *zone);
void model_remove_zones(struct model *model,
			const struct kvm_coalesced_mmio_zone *zone);

/* The eventfd that a write rings, or -1. */
int model_hit(const struct model *model, uint64_t addr, uint32_t len, bool pio,
	      uint64_t value);

/* Is the write inside a zone? */
bool model_in_zone(const struct model *model, uint64_t addr, uint32_t len,
		   bool pio);

#endif
