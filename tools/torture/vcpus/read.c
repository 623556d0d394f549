// SPDX-License-Identifier: MIT
/* Readers of the vCPU torture: lookups, iterations, kicks and locks. */
#include <errno.h>
#include <stddef.h>

#include "torture_vcpus.h"

/* Within a section an id, or an index, stands for at most one vCPU. */
static void check_again(struct table *table, struct bf_vcpu_entry *found,
			struct bf_vcpu_entry *again, const char *what)
{
	if (again && again != found)
		torture_fail("%s: within a section, two vCPUs had the same %s",
			     table->name, what);
}

static void look_up_id(struct torture_thread *self, struct table *table)
{
	uint64_t id = vcpus_random_id(self);
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(table->vcpus, id);

	if (!entry)
		return;
	if (bf_vcpu_entry_id(entry) != id)
		torture_fail("%s: a lookup found another id", table->name);
	vcpu_dwell(self, vcpu_of(entry));
	check_again(table, entry, bf_vcpus_by_id(table->vcpus, id), "id");
	self->tallies[VCPUS_FOUND]++;
}

static void look_up_index(struct torture_thread *self, struct table *table)
{
	uint64_t index = thread_random(self, 512);
	struct bf_vcpu_entry *entry = bf_vcpus_by_index(table->vcpus, index);

	if (!entry)
		return;
	if (bf_vcpu_entry_index(entry) != index)
		torture_fail("%s: a lookup found another index", table->name);
	vcpu_dwell(self, vcpu_of(entry));
	check_again(table, entry, bf_vcpus_by_index(table->vcpus, index),
		    "index");
	self->tallies[VCPUS_FOUND]++;
}

/* Looks up a number out of range. */
static void look_up_out_of_range(struct torture_thread *self,
				 struct table *table)
{
	uint64_t number = (1ULL << 32) +
			  (thread_random_bits(self) >> thread_random(self, 64));

	/* The sum may have wrapped. */
	if (number >> 32 && (bf_vcpus_by_id(table->vcpus, number) ||
			     bf_vcpus_by_index(table->vcpus, number)))
		torture_fail("%s: a vCPU was found out of range", table->name);
}

static void iterate(struct torture_thread *self, struct table *table)
{
	uint64_t first = thread_random(self, 2) ? thread_random(self, 512) : 0;
	uint64_t last = thread_random(self, 2) ? UINT64_MAX : first + 100;
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, table->vcpus, first, last);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		if (bf_vcpu_entry_index(entry) < first ||
		    bf_vcpu_entry_index(entry) > last)
			torture_fail("%s: an iteration went back or too far",
				     table->name);
		first = (uint64_t)bf_vcpu_entry_index(entry) + 1;
		vcpu_dwell(self, vcpu_of(entry));
		self->tallies[VCPUS_VISITED]++;
	}
	self->tallies[VCPUS_ITERATIONS]++;
}

/* Caller holds the lock of the vCPU, so no other thread writes exclusive. */
static void check_exclusive(struct torture_thread *self, struct vcpu *vcpu)
{
	unsigned int mine = self->number + 1;

	if (vcpu->exclusive)
		torture_fail("%s: two threads had one vCPU locked",
			     vcpu->pool->table->name);
	vcpu->exclusive = mine;
	vcpu_dwell(self, vcpu);
	if (vcpu->exclusive != mine)
		torture_fail("%s: a locked vCPU was locked again",
			     vcpu->pool->table->name);
	vcpu->exclusive = 0;
}

static void lock_one(struct torture_thread *self, struct table *table)
{
	uint64_t id = vcpus_random_id(self);
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(table->vcpus, id);

	if (!entry)
		return;
	if (thread_random(self, 2) ? bf_vcpu_entry_lock(entry) :
				     bf_vcpu_entry_trylock(entry))
		return;
	check_exclusive(self, vcpu_of(entry));
	bf_vcpu_entry_unlock(entry);
	self->tallies[VCPUS_LOCKED]++;
}

/* Caller holds the locks of all vCPUs that are online. */
static void check_all_exclusive(struct torture_thread *self,
				struct table *table)
{
	uint32_t created = bf_vcpus_created(table->vcpus);
	struct section section = table_enter(table);
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, table->vcpus, 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		if (thread_random(self, 8) == 0)
			check_exclusive(self, vcpu_of(entry));
	}
	section_leave(section);
	if (bf_vcpus_created(table->vcpus) > created)
		torture_fail("%s: a vCPU was created while all were locked",
			     table->name);
}

static void lock_all(struct torture_thread *self, struct table *table)
{
	bool try = thread_random(self, 2);
	int ret = try ? bf_vcpus_trylock_all(table->vcpus) :
			bf_vcpus_lock_all(table->vcpus);

	if (ret && ret != -EBUSY && !(try && ret == -EINTR))
		torture_fail("%s: locking all returned %d", table->name, ret);
	if (ret) {
		self->tallies[VCPUS_NOT_LOCKED_ALL]++;
		return;
	}
	check_all_exclusive(self, table);
	bf_vcpus_unlock_all(table->vcpus);
	self->tallies[VCPUS_LOCKED_ALL]++;
}

static const struct {
	unsigned int per_mille;
	void (*look_up)(struct torture_thread *self, struct table *table);
} lookups[] = {
	{440, look_up_id}, {440, look_up_index}, {50, look_up_out_of_range},
	{20, iterate},	   {50, lock_one},
};

static void read_table(struct torture_thread *self, struct table *table)
{
	unsigned int i = 0, dice = thread_random(self, 1000);
	struct section section = table_enter(table);

	while (dice >= lookups[i].per_mille)
		dice -= lookups[i++].per_mille;
	lookups[i].look_up(self, table);
	section_leave(section);
}

void *vcpus_reader_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, VCPUS_READER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		struct table *table = vcpus_random_table(&self);
		unsigned int dice = thread_random(&self, 4096);

		thread_does(&self, "looks up", table->name);
		if (dice == 0)
			lock_all(&self, table);
		else if (dice < 16)
			self.tallies[VCPUS_KICKED] +=
				bf_vcpus_kick_all(table->vcpus);
		else
			read_table(&self, table);
	}
	thread_done(&self);
	return NULL;
}
