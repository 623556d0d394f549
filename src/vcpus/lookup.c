// SPDX-License-Identifier: MIT
/* The read side: lookups, counts, iteration and kicks. */
#include <stddef.h>

#include "vcpus/vcpus.h"

struct bf_vcpu_entry *bf_vcpus_by_index(const struct bf_vcpus *vcpus,
					uint64_t index)
{
	return bf_vcpus_visible(bf_sparse_load(&vcpus->by_index, index));
}

struct bf_vcpu_entry *bf_vcpus_by_id(const struct bf_vcpus *vcpus, uint64_t id)
{
	return bf_vcpus_visible(bf_sparse_load(&vcpus->by_id, id));
}

uint32_t bf_vcpu_entry_id(const struct bf_vcpu_entry *entry)
{
	return entry->id;
}

uint32_t bf_vcpu_entry_index(const struct bf_vcpu_entry *entry)
{
	return entry->index;
}

/* Relaxed: this number says nothing of the result of a lookup. */
uint32_t bf_vcpus_created(const struct bf_vcpus *vcpus)
{
	return __atomic_load_n(&vcpus->created, __ATOMIC_RELAXED);
}

/* Acquire: pairs with the release in set_count(). */
uint32_t bf_vcpus_online(const struct bf_vcpus *vcpus)
{
	return __atomic_load_n(&vcpus->online, __ATOMIC_ACQUIRE);
}

void bf_vcpus_iter_begin(struct bf_vcpus_iter *iter,
			 const struct bf_vcpus *vcpus, uint64_t first,
			 uint64_t last)
{
	iter->vcpus = vcpus;
	/*
	 * Acquire: pairs with the release in bf_vcpu_entry_publish().  Orders
	 * this load before the loads of vcpus->end and of the slots, so that
	 * every vCPU published until now is below that end and in its slot.
	 * Without it the iteration may miss a vCPU that is online.
	 */
	iter->seq = __atomic_load_n(&vcpus->published, __ATOMIC_ACQUIRE);
	iter->end = __atomic_load_n(&vcpus->end, __ATOMIC_RELAXED);
	iter->next = first;
	if (last < iter->end)
		iter->end = last + 1;
}

struct bf_vcpu_entry *bf_vcpus_iter_next(struct bf_vcpus_iter *iter)
{
	struct bf_vcpu_entry *entry;

	while (iter->next < iter->end) {
		entry = bf_vcpus_by_index(iter->vcpus, iter->next++);
		if (entry && entry->seq <= iter->seq)
			return entry;
	}
	return NULL;
}

unsigned int bf_vcpus_kick_all(struct bf_vcpus *vcpus)
{
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;
	unsigned int kicked = 0;
	int idx = srcu_down_read(vcpus->srcu);

	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		if (!entry->ops || !entry->ops->kick)
			continue;
		entry->ops->kick(entry);
		kicked++;
	}
	srcu_up_read(vcpus->srcu, idx);
	return kicked;
}
