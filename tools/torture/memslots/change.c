// SPDX-License-Identifier: MIT
/* Updaters of the memory slot torture.  Each has slots of its own. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "torture_memslots.h"

#define MAX_BATCH 6

static enum memory_state slot_state(const struct torture_slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
}

static void slot_set_state(struct torture_slot *slot, enum memory_state state)
{
	__atomic_store_n(&slot->state, state, __ATOMIC_RELEASE);
}

static void slot_protect(struct torture_slot *slot, int prot)
{
	if (mprotect(slot->words, SLOT_BYTES, prot))
		torture_fail("mprotect: %s", strerror(errno));
}

/* Fills the memory for a new generation, which no reader has seen. */
static void slot_fill(struct torture_slot *slot)
{
	size_t i;

	slot_protect(slot, PROT_READ | PROT_WRITE);
	slot->generation++;
	for (i = 0; i < NR_WORDS; i++)
		slot->words[i] = slot_word(slot->number, slot->generation);
	slot->words[COUNT_WORD] = COUNT_TAG << 48;
	slot->writes = 0;
}

/* Checks that each write of a device is in the right slot, and none is lost. */
static void slot_check(const struct torture_slot *slot)
{
	const uint64_t word = slot_word(slot->number, slot->generation);
	size_t i;

	for (i = 0; i < NR_WORDS; i++)
		if (slot->words[i] != word && i != COUNT_WORD)
			torture_fail("%#lx was written where %#lx is",
				     (unsigned long)slot->words[i],
				     (unsigned long)word);
	if (slot->words[COUNT_WORD] != (COUNT_TAG << 48 | slot->writes))
		torture_fail("%lu writes reached memory that counts %#lx",
			     (unsigned long)slot->writes,
			     (unsigned long)slot->words[COUNT_WORD]);
}

/* The slot is removed: checks its memory and makes it inaccessible. */
static void slot_retire(struct torture_slot *slot)
{
	slot_check(slot);
	slot_protect(slot, PROT_NONE);
	slot_set_state(slot, MEMORY_REMOVED);
}

static void slot_removed(void *opaque)
{
	slot_retire(opaque);
}

static struct kvm_userspace_memory_region
random_region(struct torture_thread *self, struct torture_slot *slot)
{
	return (struct kvm_userspace_memory_region){
		.slot = slot->number,
		.flags = is_readonly(slot->number) ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = thread_random(self, NR_PLACES) * SLOT_BYTES,
		.memory_size = SLOT_BYTES,
		.userspace_addr = (uintptr_t)slot->words,
	};
}

/* Returns whether a change succeeded.  It may fail only with -EEXIST. */
static bool succeeded(const char *what, int ret)
{
	if (ret && ret != -EEXIST)
		torture_fail("%s: %s", what, strerror(-ret));
	return !ret;
}

static void slot_add(struct torture_thread *self, struct torture_slot *slot)
{
	struct kvm_userspace_memory_region region = random_region(self, slot);

	slot_fill(slot);
	if (!succeeded("add", bf_memslots_set(torture_map, &region))) {
		slot_retire(slot);
		return;
	}
	slot->region = region;
	slot_set_state(slot, MEMORY_IN_USE);
	self->tallies[MEM_ADDED]++;
}

static void slot_move(struct torture_thread *self, struct torture_slot *slot)
{
	struct kvm_userspace_memory_region region = random_region(self, slot);

	if (thread_random(self, 2))
		region.flags |= KVM_MEM_LOG_DIRTY_PAGES;
	if (!succeeded("move", bf_memslots_set(torture_map, &region)))
		return;
	slot->region = region;
	self->tallies[MEM_MOVED]++;
}

static void slot_remove(struct torture_thread *self, struct torture_slot *slot)
{
	if (succeeded("remove", bf_memslots_remove(torture_map, slot->number)))
		slot_retire(slot);
	self->tallies[MEM_REMOVED]++;
}

static void slot_remove_async(struct torture_thread *self,
			      struct torture_slot *slot)
{
	/* Before the call: the callback may run before the call returns. */
	slot_set_state(slot, MEMORY_REMOVING);
	succeeded("remove_async",
		  bf_memslots_remove_async(torture_map, slot->number,
					   slot_removed, slot));
	self->tallies[MEM_REMOVED_ASYNC]++;
}

/*
 * One transaction that removes the slots in use and adds the others.  Retires
 * the removed ones after the call.
 */
static void slots_exchange(struct torture_thread *self,
			   struct torture_slot **slots, size_t count)
{
	struct kvm_userspace_memory_region changes[MAX_BATCH];
	size_t i;
	bool done;

	for (i = 0; i < count; i++) {
		changes[i] = random_region(self, slots[i]);
		if (slot_state(slots[i]) == MEMORY_IN_USE)
			changes[i].memory_size = 0;
		else
			slot_fill(slots[i]);
	}
	done = succeeded("commit", bf_memslots_commit(torture_map, changes,
						      NULL, count, NULL));
	for (i = 0; i < count; i++) {
		if ((slot_state(slots[i]) == MEMORY_IN_USE) == done)
			slot_retire(slots[i]);
		else
			slot_set_state(slots[i], MEMORY_IN_USE);
	}
	self->tallies[MEM_TRANSACTIONS]++;
}

/* Exchanges some of the updater's slots, from a random one on. */
static void exchange_some(struct torture_thread *self)
{
	unsigned int nr_slots =
		NR_SLOTS / (unsigned int)memslots_torture.nr_writers;
	unsigned int at = thread_random(self, nr_slots), i;
	struct torture_slot *slots[MAX_BATCH], *slot;
	size_t count = 0;

	for (i = 0; i < MAX_BATCH && i < nr_slots; i++) {
		slot = &torture_slots[self->number * nr_slots +
				      (at + i) % nr_slots];
		if (slot_state(slot) != MEMORY_REMOVING)
			slots[count++] = slot;
	}
	slots_exchange(self, slots, count);
}

static void change_one(struct torture_thread *self)
{
	unsigned int nr_slots =
		NR_SLOTS / (unsigned int)memslots_torture.nr_writers;
	struct torture_slot *slot =
		&torture_slots[self->number * nr_slots +
			       thread_random(self, nr_slots)];

	switch (slot_state(slot)) {
	case MEMORY_REMOVED:
		slot_add(self, slot);
		break;
	case MEMORY_REMOVING:
		sched_yield();
		break;
	case MEMORY_IN_USE:
		if (thread_random(self, 2))
			slot_move(self, slot);
		else if (thread_random(self, 2))
			slot_remove(self, slot);
		else
			slot_remove_async(self, slot);
		break;
	}
}

void *updater_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, MEM_UPDATER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		thread_does(&self, "changes the map", NULL);
		if (thread_random(&self, 16))
			change_one(&self);
		else
			exchange_some(&self);
	}
	thread_done(&self);
	return NULL;
}
