// SPDX-License-Identifier: MIT
/* Creation and removal of vCPUs. */
#include <errno.h>
#include <stddef.h>

#include "base/util.h"
#include "vcpus/vcpus.h"

/*
 * Release: orders the stores to the slots before the store to the count.  Pairs
 * with the acquire in bf_vcpus_online().  Without it a reader may see a vCPU in
 * the count before a lookup finds the vCPU.
 */
static void set_count(uint32_t *count, uint32_t value)
{
	__atomic_store_n(count, value, __ATOMIC_RELEASE);
}

static int check_create(const struct bf_vcpus *vcpus, uint64_t id)
{
	if (id >= vcpus->max_ids || vcpus->created >= vcpus->max_vcpus)
		return -EINVAL;
	if (bf_sparse_load(&vcpus->by_id, id))
		return -EEXIST;
	/* Each reserved vCPU may need a new index. */
	if (vcpus->end + vcpus->reserved >= BF_VCPUS_NO_INDEX)
		return -ENOSPC;
	return 0;
}

/*
 * Allocates here, so that bf_vcpu_entry_publish() cannot fail.  Caller holds
 * vcpus->lock.
 */
static int vcpu_reserve(struct bf_vcpus *vcpus, struct bf_vcpu_entry *entry,
			uint64_t id)
{
	int ret = check_create(vcpus, id);

	if (!ret)
		ret = bf_sparse_reserve(&vcpus->by_index,
					vcpus->end + vcpus->reserved);
	if (!ret)
		ret = bf_sparse_reserve(&vcpus->by_id, id);
	if (ret)
		return ret;
	entry->id = (uint32_t)id;
	bf_sparse_store(&vcpus->by_id, id, BF_VCPUS_TAKEN);
	vcpus->reserved++;
	set_count(&vcpus->created, vcpus->created + 1);
	return 0;
}

int bf_vcpus_reserve(struct bf_vcpus *vcpus, struct bf_vcpu_entry *entry,
		     uint64_t id, const struct bf_vcpu_entry_ops *ops,
		     unsigned int flags)
{
	struct bf_vcpu_entry new = {
		.vcpus = vcpus,
		.ops = ops,
		.index = BF_VCPUS_NO_INDEX,
		.state = BF_VCPUS_RESERVED,
		.flags = flags | vcpus->flags,
	};
	int ret;

	if (flags & ~BF_VCPUS_REUSE_INDEX)
		return -EINVAL;
	while (bf_word_lock(&vcpus->create_lock))
		;
	pthread_mutex_lock(&vcpus->lock);
	ret = vcpu_reserve(vcpus, &new, id);
	if (!ret)
		*entry = new;
	pthread_mutex_unlock(&vcpus->lock);
	bf_word_unlock(&vcpus->create_lock);
	return ret;
}

static uint32_t assign_index(struct bf_vcpus *vcpus, unsigned int flags)
{
	uint32_t index = vcpus->free_index;

	if (!(flags & BF_VCPUS_REUSE_INDEX) || index == BF_VCPUS_NO_INDEX)
		return (uint32_t)vcpus->end;
	vcpus->free_index =
		bf_vcpus_next_free(bf_sparse_load(&vcpus->by_index, index));
	return index;
}

void bf_vcpu_entry_publish(struct bf_vcpu_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;

	pthread_mutex_lock(&vcpus->lock);
	entry->state = BF_VCPUS_ONLINE;
	entry->index = assign_index(vcpus, entry->flags);
	entry->seq = vcpus->published + 1;
	/* Releases: a reader that finds the vCPU sees the stores above. */
	bf_sparse_store(&vcpus->by_index, entry->index, entry);
	bf_sparse_store(&vcpus->by_id, entry->id, entry);
	if (entry->index == vcpus->end)
		__atomic_store_n(&vcpus->end, vcpus->end + 1, __ATOMIC_RELAXED);
	/*
	 * Release: orders the stores to the slots and to vcpus->end before this
	 * one.  Pairs with the acquire in bf_vcpus_iter_begin().  Without it an
	 * iteration may miss a vCPU that it must visit.
	 */
	__atomic_store_n(&vcpus->published, entry->seq, __ATOMIC_RELEASE);
	vcpus->reserved--;
	/* Last, as in the kernel: a counted vCPU can be found. */
	set_count(&vcpus->online, vcpus->online + 1);
	pthread_mutex_unlock(&vcpus->lock);
}

int bf_vcpus_add(struct bf_vcpus *vcpus, struct bf_vcpu_entry *entry,
		 uint64_t id, const struct bf_vcpu_entry_ops *ops,
		 unsigned int flags)
{
	int ret = bf_vcpus_reserve(vcpus, entry, id, ops, flags);

	if (!ret)
		bf_vcpu_entry_publish(entry);
	return ret;
}

/* Caller holds vcpus->lock. */
static void free_id(struct bf_vcpus *vcpus, uint32_t id)
{
	bf_sparse_store(&vcpus->by_id, id, NULL);
	set_count(&vcpus->created, vcpus->created - 1);
}

void bf_vcpu_entry_cancel(struct bf_vcpu_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;

	pthread_mutex_lock(&vcpus->lock);
	vcpus->reserved--;
	free_id(vcpus, entry->id);
	pthread_mutex_unlock(&vcpus->lock);
}

/* Hides the vCPU from lookups.  A grace period must follow. */
static int vcpu_unpublish(struct bf_vcpu_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;
	bool online;

	pthread_mutex_lock(&vcpus->lock);
	online = entry->state == BF_VCPUS_ONLINE;
	if (online) {
		entry->state = BF_VCPUS_REMOVED;
		bf_sparse_store(&vcpus->by_index, entry->index, BF_VCPUS_TAKEN);
		bf_sparse_store(&vcpus->by_id, entry->id, BF_VCPUS_TAKEN);
		set_count(&vcpus->online, vcpus->online - 1);
	}
	pthread_mutex_unlock(&vcpus->lock);
	return online ? 0 : -ENOENT;
}

/* The grace period is over.  The caller does not hold vcpus->lock. */
static void vcpu_release(struct bf_vcpu_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;

	pthread_mutex_lock(&vcpus->lock);
	bf_sparse_store(&vcpus->by_index, entry->index,
			bf_vcpus_free_mark(vcpus->free_index));
	vcpus->free_index = entry->index;
	free_id(vcpus, entry->id);
	pthread_mutex_unlock(&vcpus->lock);
	bf_vcpu_entry_release(entry);
}

int bf_vcpu_entry_remove(struct bf_vcpu_entry *entry)
{
	int ret = vcpu_unpublish(entry);

	if (ret)
		return ret;
	/*
	 * Its fence orders the stores in vcpu_unpublish() before its scan of
	 * the readers, so a section that the scan misses finds the marks.
	 * Without it the vCPU is released while a reader still uses it.
	 */
	synchronize_srcu_expedited(entry->vcpus->srcu);
	vcpu_release(entry);
	return 0;
}

static void vcpu_removed(struct srcu_head *head)
{
	struct bf_vcpu_entry *entry =
		container_of(head, struct bf_vcpu_entry, head);
	void (*done)(void *opaque) = entry->done;
	void *opaque = entry->opaque;

	/* The release function may free the entry. */
	vcpu_release(entry);
	if (done)
		done(opaque);
}

int bf_vcpu_entry_remove_async(struct bf_vcpu_entry *entry,
			       void (*done)(void *opaque), void *opaque)
{
	int ret = vcpu_unpublish(entry);

	if (ret)
		return ret;
	entry->done = done;
	entry->opaque = opaque;
	call_srcu_expedited(entry->vcpus->srcu, &entry->head, vcpu_removed);
	return 0;
}
