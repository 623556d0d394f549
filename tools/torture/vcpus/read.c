// SPDX-License-Identifier: MIT
/* Readers of the vCPU torture: lookups, iterations, kicks and locks. */
#include <errno.h>
#include <stddef.h>

#include "torture_vcpus.h"

/* Within a section an id, or an index, stands for one vCPU at most. */
static void check_again(struct table *table, struct bf_vcpus_entry *found,
			struct bf_vcpus_entry *again, const char *what)
{
	if (again && again != found)
		torture_fail("%s: within a section, two vCPUs had the same %s",
			     table->name, what);
}

static void look_up_id(struct actor *actor, struct table *table)
{
	uint64_t id = vcpus_random_id(actor);
	struct bf_vcpus_entry *entry = bf_vcpus_by_id(table->vcpus, id);

	if (!entry)
		return;
	if (bf_vcpus_id(entry) != id)
		torture_fail("%s: a lookup found another id", table->name);
	vcpu_dwell(actor, vcpu_of(entry));
	check_again(table, entry, bf_vcpus_by_id(table->vcpus, id), "id");
	actor->tallies[VCPUS_FOUND]++;
}

static void look_up_index(struct actor *actor, struct table *table)
{
	uint64_t index = actor_random(actor, 512);
	struct bf_vcpus_entry *entry = bf_vcpus_by_index(table->vcpus, index);

	if (!entry)
		return;
	if (bf_vcpus_index(entry) != index)
		torture_fail("%s: a lookup found another index", table->name);
	vcpu_dwell(actor, vcpu_of(entry));
	check_again(table, entry, bf_vcpus_by_index(table->vcpus, index),
		    "index");
	actor->tallies[VCPUS_FOUND]++;
}

/* What no table holds, whatever its writers do. */
static void look_up_nonsense(struct actor *actor, struct table *table)
{
	uint64_t number = (1ULL << 32) +
			  (actor_random_bits(actor) >> actor_random(actor, 64));

	/* The sum may have wrapped. */
	if (number >> 32 && (bf_vcpus_by_id(table->vcpus, number) ||
			     bf_vcpus_by_index(table->vcpus, number)))
		torture_fail("%s: a vCPU was found out of range", table->name);
}

static void iterate(struct actor *actor, struct table *table)
{
	uint64_t first = actor_random(actor, 2) ? actor_random(actor, 512) : 0;
	uint64_t last = actor_random(actor, 2) ? UINT64_MAX : first + 100;
	struct bf_vcpus_entry *entry;
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, table->vcpus, first, last);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		if (bf_vcpus_index(entry) < first ||
		    bf_vcpus_index(entry) > last)
			torture_fail("%s: an iteration went back, or too far",
				     table->name);
		first = (uint64_t)bf_vcpus_index(entry) + 1;
		vcpu_dwell(actor, vcpu_of(entry));
		actor->tallies[VCPUS_VISITED]++;
	}
	actor->tallies[VCPUS_ITERATIONS]++;
}

/* With the lock held nobody else writes here. */
static void hold(struct actor *actor, struct vcpu *vcpu)
{
	unsigned int mine = actor->number + 1;

	if (vcpu->exclusive)
		torture_fail("%s: two threads had one vCPU locked",
			     vcpu->account->table->name);
	vcpu->exclusive = mine;
	vcpu_dwell(actor, vcpu);
	if (vcpu->exclusive != mine)
		torture_fail("%s: a locked vCPU was locked again",
			     vcpu->account->table->name);
	vcpu->exclusive = 0;
}

static void lock_one(struct actor *actor, struct table *table)
{
	uint64_t id = vcpus_random_id(actor);
	struct bf_vcpus_entry *entry = bf_vcpus_by_id(table->vcpus, id);

	if (!entry)
		return;
	if (actor_random(actor, 2) ? bf_vcpus_lock(entry) :
				     bf_vcpus_trylock(entry))
		return;
	hold(actor, vcpu_of(entry));
	bf_vcpus_unlock(entry);
	actor->tallies[VCPUS_LOCKED]++;
}

/* Those that are still online, each of which is ours. */
static void hold_all(struct actor *actor, struct table *table)
{
	uint32_t created = bf_vcpus_created(table->vcpus);
	struct section section = table_enter(table);
	struct bf_vcpus_entry *entry;
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, table->vcpus, 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		if (actor_random(actor, 8) == 0)
			hold(actor, vcpu_of(entry));
	}
	section_leave(section);
	if (bf_vcpus_created(table->vcpus) > created)
		torture_fail("%s: a vCPU was created while all were locked",
			     table->name);
}

static void lock_all(struct actor *actor, struct table *table)
{
	bool try = actor_random(actor, 2);
	int ret = try ? bf_vcpus_trylock_all(table->vcpus) :
			bf_vcpus_lock_all(table->vcpus);

	if (ret && ret != -EBUSY && !(try && ret == -EINTR))
		torture_fail("%s: locking all gave %d", table->name, ret);
	if (ret) {
		actor->tallies[VCPUS_NOT_LOCKED_ALL]++;
		return;
	}
	hold_all(actor, table);
	bf_vcpus_unlock_all(table->vcpus);
	actor->tallies[VCPUS_LOCKED_ALL]++;
}

static const struct {
	unsigned int per_mille;
	void (*look)(struct actor *actor, struct table *table);
} looks[] = {
	{440, look_up_id}, {440, look_up_index}, {50, look_up_nonsense},
	{20, iterate},	   {50, lock_one},
};

static void read_something(struct actor *actor, struct table *table)
{
	unsigned int i = 0, dice = actor_random(actor, 1000);
	struct section section = table_enter(table);

	while (dice >= looks[i].per_mille)
		dice -= looks[i++].per_mille;
	looks[i].look(actor, table);
	section_leave(section);
}

void *vcpus_reader_main(void *number)
{
	struct actor actor;

	actor_init(&actor, VCPUS_READER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		struct table *table = vcpus_random_table(&actor);
		unsigned int dice = actor_random(&actor, 4096);

		actor_does(&actor, "looks", table->name);
		if (dice == 0)
			lock_all(&actor, table);
		else if (dice < 16)
			actor.tallies[VCPUS_KICKED] +=
				bf_vcpus_kick_all(table->vcpus);
		else
			read_something(&actor, table);
	}
	actor_done(&actor);
	return NULL;
}
