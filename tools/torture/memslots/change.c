// SPDX-License-Identifier: MIT
/* Changers of the memory slot torture: each owns some of the slots. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "torture_memslots.h"

#define MAX_BATCH 6

static enum memory_state state_of(const struct torture_slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct torture_slot *slot, enum memory_state state)
{
	__atomic_store_n(&slot->state, state, __ATOMIC_RELEASE);
}

static void protect(struct torture_slot *slot, int prot)
{
	if (mprotect(slot->words, SLOT_BYTES, prot))
		torture_fail("mprotect: %s", strerror(errno));
}

/* A new life, which no reader can have seen. */
static void revive(struct torture_slot *slot)
{
	size_t i;

	protect(slot, PROT_READ | PROT_WRITE);
	slot->life++;
	for (i = 0; i < NR_WORDS; i++)
		slot->words[i] = slot_word(slot->number, slot->life);
	slot->words[COUNT_WORD] = COUNT_TAG << 48;
	slot->writes = 0;
}

/* What devices wrote is where they meant it, and nothing is missing. */
static void inspect(const struct torture_slot *slot)
{
	const uint64_t word = slot_word(slot->number, slot->life);
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

/* Nobody uses the memory: so it may be taken away. */
static void bury(struct torture_slot *slot)
{
	inspect(slot);
	protect(slot, PROT_NONE);
	set_state(slot, MEMORY_GONE);
}

static void left(void *opaque)
{
	bury(opaque);
}

static struct kvm_userspace_memory_region somewhere(struct actor *actor,
						    struct torture_slot *slot)
{
	return (struct kvm_userspace_memory_region){
		.slot = slot->number,
		.flags = is_readonly(slot->number) ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = actor_random(actor, NR_PLACES) * SLOT_BYTES,
		.memory_size = SLOT_BYTES,
		.userspace_addr = (uintptr_t)slot->words,
	};
}

/* The only refusal there may be is that a place is taken. */
static bool made(const char *what, int ret)
{
	if (ret && ret != -EEXIST)
		torture_fail("%s: %s", what, strerror(-ret));
	return !ret;
}

static void add(struct actor *actor, struct torture_slot *slot)
{
	struct kvm_userspace_memory_region region = somewhere(actor, slot);

	revive(slot);
	if (!made("add", bf_memslots_set(torture_map, &region))) {
		bury(slot);
		return;
	}
	slot->region = region;
	set_state(slot, MEMORY_IN_USE);
	actor->tallies[MEM_ADDED]++;
}

static void move(struct actor *actor, struct torture_slot *slot)
{
	struct kvm_userspace_memory_region region = somewhere(actor, slot);

	if (actor_random(actor, 2))
		region.flags |= KVM_MEM_LOG_DIRTY_PAGES;
	if (!made("move", bf_memslots_set(torture_map, &region)))
		return;
	slot->region = region;
	actor->tallies[MEM_MOVED]++;
}

static void take_out(struct actor *actor, struct torture_slot *slot)
{
	if (made("remove", bf_memslots_remove(torture_map, slot->number)))
		bury(slot);
	actor->tallies[MEM_REMOVED]++;
}

static void take_out_async(struct actor *actor, struct torture_slot *slot)
{
	/* Before the call: the callback may come first. */
	set_state(slot, MEMORY_LEAVING);
	made("remove_async",
	     bf_memslots_remove_async(torture_map, slot->number, left, slot));
	actor->tallies[MEM_REMOVED_ASYNC]++;
}

/*
 * The slots that are there go, the others come, at once.  The gone are buried
 * when the call has returned.
 */
static void exchange(struct actor *actor, struct torture_slot **slots,
		     size_t count)
{
	struct kvm_userspace_memory_region changes[MAX_BATCH];
	size_t i;
	bool done;

	for (i = 0; i < count; i++) {
		changes[i] = somewhere(actor, slots[i]);
		if (state_of(slots[i]) == MEMORY_IN_USE)
			changes[i].memory_size = 0;
		else
			revive(slots[i]);
	}
	done = made("commit",
		    bf_memslots_commit(torture_map, changes, count, NULL));
	for (i = 0; i < count; i++) {
		if ((state_of(slots[i]) == MEMORY_IN_USE) == done)
			bury(slots[i]);
		else
			set_state(slots[i], MEMORY_IN_USE);
	}
	actor->tallies[MEM_TRANSACTIONS]++;
}

/* The changer's own slots, in turn from a random one on. */
static void batch(struct actor *actor)
{
	unsigned int own = NR_SLOTS / (unsigned int)memslots_torture.nr_writers;
	unsigned int at = actor_random(actor, own), i;
	struct torture_slot *slots[MAX_BATCH], *slot;
	size_t count = 0;

	for (i = 0; i < MAX_BATCH && i < own; i++) {
		slot = &torture_slots[actor->number * own + (at + i) % own];
		if (state_of(slot) != MEMORY_LEAVING)
			slots[count++] = slot;
	}
	exchange(actor, slots, count);
}

static void change_one(struct actor *actor)
{
	unsigned int own = NR_SLOTS / (unsigned int)memslots_torture.nr_writers;
	struct torture_slot *slot =
		&torture_slots[actor->number * own + actor_random(actor, own)];

	switch (state_of(slot)) {
	case MEMORY_GONE:
		add(actor, slot);
		break;
	case MEMORY_LEAVING:
		sched_yield();
		break;
	case MEMORY_IN_USE:
		if (actor_random(actor, 2))
			move(actor, slot);
		else if (actor_random(actor, 2))
			take_out(actor, slot);
		else
			take_out_async(actor, slot);
		break;
	}
}

void *slot_changer_main(void *number)
{
	struct actor actor;

	actor_init(&actor, MEM_CHANGER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		actor_does(&actor, "changes the map", NULL);
		if (actor_random(&actor, 16))
			change_one(&actor);
		else
			batch(&actor);
	}
	actor_done(&actor);
	return NULL;
}
