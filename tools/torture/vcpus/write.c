// SPDX-License-Identifier: MIT
/* Writers of the vCPU torture: creations and removals of every kind. */
#include <errno.h>
#include <sched.h>
#include <stddef.h>

#include "torture_vcpus.h"

/* Where indices are not used again they shall still not fill the memory. */
#define ENOUGH_INDICES (1U << 20)

static unsigned int flags_for(struct actor *actor, struct vcpu *vcpu)
{
	uint32_t index = bf_vcpus_index(&vcpu->entry);

	if (index != UINT32_MAX && index > ENOUGH_INDICES)
		return BF_VCPUS_REUSE_INDEX;
	return actor_random(actor, 2) ? BF_VCPUS_REUSE_INDEX : 0;
}

/* In two steps, of which the second is sometimes not taken. */
static bool create_slowly(struct actor *actor, struct table *table,
			  struct vcpu *vcpu)
{
	if (actor_random(actor, 4) == 0)
		sched_yield();
	if (bf_vcpus_created(table->vcpus) == 0)
		torture_fail("%s: a reserved vCPU is not counted", table->name);
	if (actor_random(actor, 8) == 0) {
		bf_vcpus_cancel(&vcpu->entry);
		actor->tallies[VCPUS_CANCELLED]++;
		return false;
	}
	bf_vcpus_publish(&vcpu->entry);
	return true;
}

/* The vCPU, or NULL; one of everybody's is gone when others want it to. */
static struct vcpu *create(struct actor *actor, struct account *account,
			   uint64_t id)
{
	struct table *table = account->table;
	struct vcpu *vcpu = vcpu_get(account);
	int ret;

	if (!vcpu)
		return NULL;
	ret = bf_vcpus_reserve(table->vcpus, &vcpu->entry, id, &vcpu_ops,
			       flags_for(actor, vcpu));
	if (ret && ret != -EEXIST)
		torture_fail("%s: a creation gave %d", table->name, ret);
	if (ret == -EEXIST)
		actor->tallies[VCPUS_REFUSED]++;
	if (ret || !create_slowly(actor, table, vcpu)) {
		vcpu_put(vcpu);
		return NULL;
	}
	account->published++;
	actor->tallies[VCPUS_CREATED]++;
	return vcpu;
}

static void remove_own(struct actor *actor, struct vcpu *vcpu)
{
	bool wait = actor_random(actor, 4) == 0;
	int ret = wait ? bf_vcpus_remove(&vcpu->entry) :
			 bf_vcpus_remove_async(&vcpu->entry);

	if (ret)
		torture_fail("%s: a removal gave %d",
			     vcpu->account->table->name, ret);
	actor->tallies[wait ? VCPUS_REMOVED : VCPUS_REMOVED_ASYNC]++;
}

static void change_own(struct actor *actor, struct account *account)
{
	unsigned int n = actor_random(actor, OWN_IDS);
	struct vcpu *vcpu = account->own[n];

	if (vcpu) {
		account->own[n] = NULL;
		remove_own(actor, vcpu);
	} else {
		account->own[n] =
			create(actor, account, vcpus_own_id(actor->number, n));
	}
}

static void remove_shared(struct actor *actor, struct table *table, uint64_t id)
{
	struct section section = table_enter(table);
	struct bf_vcpus_entry *entry = bf_vcpus_by_id(table->vcpus, id);
	int ret = entry ? bf_vcpus_remove_async(entry) : -ENOENT;

	if (ret && ret != -ENOENT)
		torture_fail("%s: a removal gave %d", table->name, ret);
	if (!ret) {
		vcpu_dwell(actor, vcpu_of(entry));
		actor->tallies[VCPUS_REMOVED_ASYNC]++;
	}
	section_leave(section);
}

static void change_shared(struct actor *actor, struct account *account)
{
	uint64_t id = vcpus_shared_id(actor_random(actor, SHARED_IDS));

	if (actor_random(actor, 2))
		create(actor, account, id);
	else
		remove_shared(actor, account->table, id);
}

void *vcpus_writer_main(void *number)
{
	struct actor actor;

	actor_init(&actor, VCPUS_WRITER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		struct table *table = vcpus_random_table(&actor);
		struct account *account = &table->accounts[actor.number];

		actor_does(&actor, "creates or removes", table->name);
		if (actor_random(&actor, 2))
			change_own(&actor, account);
		else
			change_shared(&actor, account);
	}
	actor_done(&actor);
	return NULL;
}
