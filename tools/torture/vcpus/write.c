// SPDX-License-Identifier: MIT
/* Writers of the vCPU torture: creations and removals of every kind. */
#include <errno.h>
#include <sched.h>
#include <stddef.h>

#include "torture_vcpus.h"

/* Writers reuse indices above this one, to bound the memory. */
#define MAX_NEW_INDEX (1U << 20)

static unsigned int flags_for(struct torture_thread *self, struct vcpu *vcpu)
{
	uint32_t index = bf_vcpu_entry_index(&vcpu->entry);

	if (index != UINT32_MAX && index > MAX_NEW_INDEX)
		return BF_VCPUS_REUSE_INDEX;
	return thread_random(self, 2) ? BF_VCPUS_REUSE_INDEX : 0;
}

/* The second phase of a creation.  Returns false if it cancels. */
static bool publish_or_cancel(struct torture_thread *self, struct table *table,
			      struct vcpu *vcpu)
{
	if (thread_random(self, 4) == 0)
		sched_yield();
	if (bf_vcpus_created(table->vcpus) == 0)
		torture_fail("%s: a reserved vCPU is not counted", table->name);
	if (thread_random(self, 8) == 0) {
		bf_vcpu_entry_cancel(&vcpu->entry);
		self->tallies[VCPUS_CANCELLED]++;
		return false;
	}
	bf_vcpu_entry_publish(&vcpu->entry);
	return true;
}

/*
 * Returns the vCPU or NULL.  Other writers may remove a vCPU with a shared id
 * at any time.
 */
static struct vcpu *vcpu_create(struct torture_thread *self, struct pool *pool,
				uint64_t id)
{
	struct table *table = pool->table;
	struct vcpu *vcpu = vcpu_get(pool);
	int ret;

	if (!vcpu)
		return NULL;
	ret = bf_vcpus_reserve(table->vcpus, &vcpu->entry, id, &vcpu_ops,
			       flags_for(self, vcpu));
	if (ret && ret != -EEXIST)
		torture_fail("%s: a creation returned %d", table->name, ret);
	if (ret == -EEXIST)
		self->tallies[VCPUS_REFUSED]++;
	if (ret || !publish_or_cancel(self, table, vcpu)) {
		vcpu_put(vcpu);
		return NULL;
	}
	pool->published++;
	self->tallies[VCPUS_CREATED]++;
	return vcpu;
}

static void remove_private(struct torture_thread *self, struct vcpu *vcpu)
{
	bool wait = thread_random(self, 4) == 0;
	int ret = wait ? bf_vcpu_entry_remove(&vcpu->entry) :
			 bf_vcpu_entry_remove_async(&vcpu->entry, NULL, NULL);

	if (ret)
		torture_fail("%s: a removal returned %d",
			     vcpu->pool->table->name, ret);
	self->tallies[wait ? VCPUS_REMOVED : VCPUS_REMOVED_ASYNC]++;
}

static void change_private(struct torture_thread *self, struct pool *pool)
{
	unsigned int n = thread_random(self, PRIVATE_IDS);
	struct vcpu *vcpu = pool->private[n];

	if (vcpu) {
		pool->private[n] = NULL;
		remove_private(self, vcpu);
	} else {
		pool->private[n] = vcpu_create(
			self, pool, vcpus_private_id(self->number, n));
	}
}

static void remove_shared(struct torture_thread *self, struct table *table,
			  uint64_t id)
{
	struct section section = table_enter(table);
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(table->vcpus, id);
	int ret = entry ? bf_vcpu_entry_remove_async(entry, NULL, NULL) :
			  -ENOENT;

	if (ret && ret != -ENOENT)
		torture_fail("%s: a removal returned %d", table->name, ret);
	if (!ret) {
		vcpu_dwell(self, vcpu_of(entry));
		self->tallies[VCPUS_REMOVED_ASYNC]++;
	}
	section_leave(section);
}

static void change_shared(struct torture_thread *self, struct pool *pool)
{
	uint64_t id = vcpus_shared_id(thread_random(self, SHARED_IDS));

	if (thread_random(self, 2))
		vcpu_create(self, pool, id);
	else
		remove_shared(self, pool->table, id);
}

void *vcpus_writer_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, VCPUS_WRITER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		struct table *table = vcpus_random_table(&self);
		struct pool *pool = &table->pools[self.number];

		thread_does(&self, "creates or removes", table->name);
		if (thread_random(&self, 2))
			change_private(&self, pool);
		else
			change_shared(&self, pool);
	}
	thread_done(&self);
	return NULL;
}
