/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "diff_model.h"
#include "diff_vm.h"

#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO   KVM_IOEVENTFD_FLAG_PIO

void model_add(struct model *model, const struct kvm_ioeventfd *arg)
{
	diff_check(model->nr_doorbells < MODEL_MAX, "too many doorbells");
	model->doorbells[model->nr_doorbells++].arg = *arg;
}

static bool same_doorbell(const struct kvm_ioeventfd *a,
			  const struct kvm_ioeventfd *b)
{
	const uint32_t flags = MATCH | PIO;

	return a->addr == b->addr && a->len == b->len && a->fd == b->fd &&
	       (a->flags & flags) == (b->flags & flags) &&
	       (!(a->flags & MATCH) || a->datamatch == b->datamatch);
}

void model_remove(struct model *model, const struct kvm_ioeventfd *arg)
{
	for (size_t i = 0; i < model->nr_doorbells; i++) {
		if (!same_doorbell(&model->doorbells[i].arg, arg))
			continue;
		model->doorbells[i] = model->doorbells[--model->nr_doorbells];
		return;
	}
	diff_check(false, "removed a doorbell that is not in the model");
}

void model_add_zone(struct model *model,
		    const struct kvm_coalesced_mmio_zone *zone)
{
	diff_check(model->nr_zones < MODEL_MAX, "too many zones");
	model->zones[model->nr_zones++] = *zone;
}

static bool zone_contains(const struct kvm_coalesced_mmio_zone *zone,
			  uint64_t addr, uint32_t len, bool pio)
{
	return zone->pio == pio && addr >= zone->addr &&
	       addr + len <= zone->addr + zone->size;
}

void model_remove_zones(struct model *model,
			const struct kvm_coalesced_mmio_zone *zone)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->nr_zones; i++) {
		if (!zone_contains(&model->zones[i], zone->addr, zone->size,
				   zone->pio))
			model->zones[kept++] = model->zones[i];
	}
	model->nr_zones = kept;
}

static bool doorbell_matches(const struct kvm_ioeventfd *doorbell,
			     uint64_t addr, uint32_t len, bool pio,
			     uint64_t value)
{
	return !(doorbell->flags & PIO) == !pio && doorbell->addr == addr &&
	       (!doorbell->len || doorbell->len == len) &&
	       (!(doorbell->flags & MATCH) || doorbell->datamatch == value);
}

int model_hit(const struct model *model, uint64_t addr, uint32_t len, bool pio,
	      uint64_t value)
{
	for (size_t i = 0; i < model->nr_doorbells; i++) {
		if (doorbell_matches(&model->doorbells[i].arg, addr, len, pio,
				     value))
			return model->doorbells[i].arg.fd;
	}
	return -1;
}

bool model_in_zone(const struct model *model, uint64_t addr, uint32_t len,
		   bool pio)
{
	for (size_t i = 0; i < model->nr_zones; i++) {
		if (zone_contains(&model->zones[i], addr, len, pio))
			return true;
	}
	return false;
}
