// SPDX-License-Identifier: MIT
/* How vCPUs come and go; the table's lock is held unless said otherwise. */
#include <errno.h>
#include <stddef.h>

#include "base/util.h"
#include "vcpus/lock.h"
#include "vcpus/vcpus.h"

/*
 * The BF_VCPUS_BREAK_* macros, here and in radix.c, take one thing away each
 * that is needed, for tests that show that models/ and the torture notice.
 */
#ifdef BF_VCPUS_BREAK_COUNT
#define COUNT_ORDER __ATOMIC_RELAXED
#else
/*
 * Release: who sees the count, by the acquire in bf_vcpus_online(), sees the
 * slots as they were when it was set.  Without it a vCPU may be counted before
 * a lookup finds it.
 */
#define COUNT_ORDER __ATOMIC_RELEASE
#endif

static void set_count(uint32_t *count, uint32_t value)
{
	__atomic_store_n(count, value, COUNT_ORDER);
}

#ifdef BF_VCPUS_BREAK_PUBLISHED
#define PUBLISHED_ORDER __ATOMIC_RELAXED
#else
/* Release: pairs with the acquire in bf_vcpus_iter_begin(). */
#define PUBLISHED_ORDER __ATOMIC_RELEASE
#endif

static int may_create(const struct bf_vcpus *vcpus, uint64_t id)
{
	if (id >= vcpus->max_ids || vcpus->created >= vcpus->max_vcpus)
		return -EINVAL;
	if (bf_radix_load(&vcpus->by_id, id))
		return -EEXIST;
	/* As if none of the creations under way were given a used index. */
	if (vcpus->end + vcpus->reserved >= BF_VCPUS_NO_INDEX)
		return -ENOSPC;
	return 0;
}

/* So that bringing it online needs no memory. */
static int make_room(struct bf_vcpus *vcpus, uint64_t id)
{
	int ret = bf_radix_reserve(&vcpus->by_index,
				   vcpus->end + vcpus->reserved);

	return ret ? ret : bf_radix_reserve(&vcpus->by_id, id);
}

static int reserve(struct bf_vcpus *vcpus, struct bf_vcpus_entry *entry,
		   uint64_t id)
{
	int ret = may_create(vcpus, id);

	if (!ret)
		ret = make_room(vcpus, id);
	if (ret)
		return ret;
	entry->id = (uint32_t)id;
	bf_radix_store(&vcpus->by_id, id, BF_VCPUS_TAKEN);
	vcpus->reserved++;
	set_count(&vcpus->created, vcpus->created + 1);
	return 0;
}

static void enter_gate(struct bf_vcpus *vcpus)
{
	while (bf_vcpus_word_lock(&vcpus->gate))
		;
}

int bf_vcpus_reserve(struct bf_vcpus *vcpus, struct bf_vcpus_entry *entry,
		     uint64_t id, const struct bf_vcpus_ops *ops,
		     unsigned int flags)
{
	struct bf_vcpus_entry fresh = {
		.vcpus = vcpus,
		.ops = ops,
		.index = BF_VCPUS_NO_INDEX,
		.state = BF_VCPUS_RESERVED,
		.flags = flags | vcpus->flags,
	};
	int ret;

	if (flags & ~BF_VCPUS_REUSE_INDEX)
		return -EINVAL;
	enter_gate(vcpus);
	pthread_mutex_lock(&vcpus->lock);
	ret = reserve(vcpus, &fresh, id);
	if (!ret)
		*entry = fresh;
	pthread_mutex_unlock(&vcpus->lock);
	bf_vcpus_word_unlock(&vcpus->gate);
	return ret;
}

static uint32_t take_index(struct bf_vcpus *vcpus, unsigned int flags)
{
	uint32_t index = vcpus->hole;

	if (!(flags & BF_VCPUS_REUSE_INDEX) || index == BF_VCPUS_NO_INDEX)
		return (uint32_t)vcpus->end;
	vcpus->hole =
		bf_vcpus_next_hole(bf_radix_load(&vcpus->by_index, index));
	return index;
}

static void publish(struct bf_vcpus *vcpus, struct bf_vcpus_entry *entry)
{
	entry->state = BF_VCPUS_ONLINE;
	entry->index = take_index(vcpus, entry->flags);
	entry->born = vcpus->published + 1;
	/* Releases, so that who finds it sees it whole. */
	bf_radix_store(&vcpus->by_index, entry->index, entry);
	bf_radix_store(&vcpus->by_id, entry->id, entry);
	if (entry->index == vcpus->end)
		__atomic_store_n(&vcpus->end, vcpus->end + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&vcpus->published, entry->born, PUBLISHED_ORDER);
	vcpus->reserved--;
	/* Last, as in the kernel: who sees the count finds the vCPU. */
	set_count(&vcpus->online, vcpus->online + 1);
}

void bf_vcpus_publish(struct bf_vcpus_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;

	pthread_mutex_lock(&vcpus->lock);
	publish(vcpus, entry);
	pthread_mutex_unlock(&vcpus->lock);
}

int bf_vcpus_add(struct bf_vcpus *vcpus, struct bf_vcpus_entry *entry,
		 uint64_t id, const struct bf_vcpus_ops *ops,
		 unsigned int flags)
{
	int ret = bf_vcpus_reserve(vcpus, entry, id, ops, flags);

	if (!ret)
		bf_vcpus_publish(entry);
	return ret;
}

static void free_id(struct bf_vcpus *vcpus, uint32_t id)
{
	bf_radix_store(&vcpus->by_id, id, NULL);
	set_count(&vcpus->created, vcpus->created - 1);
}

void bf_vcpus_cancel(struct bf_vcpus_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;

	pthread_mutex_lock(&vcpus->lock);
	vcpus->reserved--;
	free_id(vcpus, entry->id);
	pthread_mutex_unlock(&vcpus->lock);
}

/* From here on nobody finds it, and a grace period has to pass. */
static int unpublish(struct bf_vcpus *vcpus, struct bf_vcpus_entry *entry)
{
	if (entry->state != BF_VCPUS_ONLINE)
		return -ENOENT;
	entry->state = BF_VCPUS_LEAVING;
	bf_radix_store(&vcpus->by_index, entry->index, BF_VCPUS_TAKEN);
	bf_radix_store(&vcpus->by_id, entry->id, BF_VCPUS_TAKEN);
	set_count(&vcpus->online, vcpus->online - 1);
	return 0;
}

static int hide(struct bf_vcpus_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;
	int ret;

	pthread_mutex_lock(&vcpus->lock);
	ret = unpublish(vcpus, entry);
	pthread_mutex_unlock(&vcpus->lock);
	return ret;
}

/* Nobody sees it any more; without the lock. */
static void release(struct bf_vcpus_entry *entry)
{
	struct bf_vcpus *vcpus = entry->vcpus;

	pthread_mutex_lock(&vcpus->lock);
	bf_radix_store(&vcpus->by_index, entry->index,
		       bf_vcpus_hole(vcpus->hole));
	vcpus->hole = entry->index;
	free_id(vcpus, entry->id);
	pthread_mutex_unlock(&vcpus->lock);
	bf_vcpus_release(entry);
}

int bf_vcpus_remove(struct bf_vcpus_entry *entry)
{
	int ret = hide(entry);

	if (ret)
		return ret;
#ifndef BF_VCPUS_BREAK_REMOVAL
	/*
	 * Its fence orders the stores in unpublish() against its scan of the
	 * readers: a section that it does not see finds the marks.  Without it
	 * the vCPU is released under who found it before.
	 */
	synchronize_srcu_expedited(entry->vcpus->srcu);
#endif
	release(entry);
	return 0;
}

static void removed(struct srcu_head *head)
{
	release(container_of(head, struct bf_vcpus_entry, head));
}

int bf_vcpus_remove_async(struct bf_vcpus_entry *entry)
{
	int ret = hide(entry);

	if (!ret)
		call_srcu_expedited(entry->vcpus->srcu, &entry->head, removed);
	return ret;
}
