// SPDX-License-Identifier: MIT
/* Writers of the vCPU torture: creations and removals of every kind. */
#include <errno.h>
#include <sched.h>
#include <stddef.h>

#include "torture_vcpus.h"

/* Where indices are not used again they shall still not fill the memory. */
#define ENOUGH_INDICES (1U << 20)

static unsigned int flags_for(struct torture_thread *self, struct vcpu *vcpu)
{
	uint32_t index = bf_vcpus_index(&vcpu->entry);

	if (index != UINT32_MAX && index > ENOUGH_INDICES)
		return BF_VCPUS_REUSE_INDEX;
	return thread_random(self, 2) ? BF_VCPUS_REUSE_INDEX : 0;
}

/* In two steps, of which the second is sometimes not taken. */
static bool create_slowly(struct torture_thread *self, struct table *table,
			  struct vcpu *vcpu)
{
	if (thread_random(self, 4) == 0)
		sched_yield();
	if (bf_vcpus_created(table->vcpus) == 0)
		torture_fail("%s: a reserved vCPU is not counted", table->name);
	if (thread_random(self, 8) == 0) {
		bf_vcpus_cancel(&vcpu->entry);
		self->tallies[VCPUS_CANCELLED]++;
		return false;
	}
	bf_vcpus_publish(&vcpu->entry);
	return true;
}

/* The vCPU, or NULL; one of everybody's is gone when others want it to. */
static struct vcpu *create(struct torture_thread *self, struct account *account,
			   uint64_t id)
{
	struct table *table = account->table;
	struct vcpu *vcpu = vcpu_get(account);
	int ret;

	if (!vcpu)
		return NULL;
	ret = bf_vcpus_reserve(table->vcpus, &vcpu->entry, id, &vcpu_ops,
			       flags_for(self, vcpu));
	if (ret && ret != -EEXIST)
		torture_fail("%s: a creation gave %d", table->name, ret);
	if (ret == -EEXIST)
		self->tallies[VCPUS_REFUSED]++;
	if (ret || !create_slowly(self, table, vcpu)) {
		vcpu_put(vcpu);
		return NULL;
	}
	account->published++;
	self->tallies[VCPUS_CREATED]++;
	return vcpu;
}

static void remove_own(struct torture_thread *self, struct vcpu *vcpu)
{
	bool wait = thread_random(self, 4) == 0;
	int ret = wait ? bf_vcpus_remove(&vcpu->entry) :
			 bf_vcpus_remove_async(&vcpu->entry);

	if (ret)
		torture_fail("%s: a removal gave %d",
			     vcpu->account->table->name, ret);
	self->tallies[wait ? VCPUS_REMOVED : VCPUS_REMOVED_ASYNC]++;
}

static void change_own(struct torture_thread *self, struct account *account)
{
	unsigned int n = thread_random(self, OWN_IDS);
	struct vcpu *vcpu = account->own[n];

	if (vcpu) {
		account->own[n] = NULL;
		remove_own(self, vcpu);
	} else {
		account->own[n] =
			create(self, account, vcpus_own_id(self->number, n));
	}
}

static void remove_shared(struct torture_thread *self, struct table *table,
			  uint64_t id)
{
	struct section section = table_enter(table);
	struct bf_vcpus_entry *entry = bf_vcpus_by_id(table->vcpus, id);
	int ret = entry ? bf_vcpus_remove_async(entry) : -ENOENT;

	if (ret && ret != -ENOENT)
		torture_fail("%s: a removal gave %d", table->name, ret);
	if (!ret) {
		vcpu_dwell(self, vcpu_of(entry));
		self->tallies[VCPUS_REMOVED_ASYNC]++;
	}
	section_leave(section);
}

static void change_shared(struct torture_thread *self, struct account *account)
{
	uint64_t id = vcpus_shared_id(thread_random(self, SHARED_IDS));

	if (thread_random(self, 2))
		create(self, account, id);
	else
		remove_shared(self, account->table, id);
}

void *vcpus_writer_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, VCPUS_WRITER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		struct table *table = vcpus_random_table(&self);
		struct account *account = &table->accounts[self.number];

		thread_does(&self, "creates or removes", table->name);
		if (thread_random(&self, 2))
			change_own(&self, account);
		else
			change_shared(&self, account);
	}
	thread_done(&self);
	return NULL;
}
