// SPDX-License-Identifier: MIT
/* Lookups that no guest access needs: by host address, tags, free numbers. */
#include <errno.h>

#include "memslots/memslots.h"

int bf_memslots_gpa_of_hva(const struct bf_memslots_snapshot *snapshot,
			   uint32_t space, const void *hva, uint64_t *gpa)
{
	struct kvm_userspace_memory_region region;
	uint64_t offset, next = 0;

	while (bf_memslots_next(snapshot, space, next, &region)) {
		offset = (uintptr_t)hva - region.userspace_addr;
		if (offset < region.memory_size) {
			*gpa = region.guest_phys_addr + offset;
			return 0;
		}
		/* Does not wrap: no slot has the last page. */
		next = region.guest_phys_addr + region.memory_size;
	}
	return -ENOENT;
}

int bf_memslots_tag(const struct bf_memslots_snapshot *snapshot, uint32_t space,
		    uint64_t gpa, void **tag)
{
	const struct bf_span_hit hit =
		bf_span_find(bf_view_root(snapshot->view, space),
			     sizeof(struct bf_mapping), gpa, 1);

	if (!hit.entry)
		return -ENOENT;
	*tag = bf_mapping_of(hit.entry)->tag;
	return 0;
}

int bf_memslots_free_slot(struct bf_memslots *map, uint32_t space,
			  uint32_t *slot)
{
	struct bf_slots *slots = bf_slots_of(map);
	uint32_t number = space << 16, end = number + slots->config.slots;

	if (space >= slots->config.spaces)
		return -EINVAL;
	pthread_mutex_lock(&slots->lock);
	while (number < end && bf_slot_find(slots, number))
		number++;
	pthread_mutex_unlock(&slots->lock);
	if (number == end)
		return -ENOSPC;
	*slot = number;
	return 0;
}
