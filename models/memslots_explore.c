// SPDX-License-Identifier: MIT
/*
 * Explores each interleaving of the removal of a memory slot and the lookups
 * beside it, with each delay of a buffered store.  The map, its tree and the
 * grace period under both are the real source.  One thread removes the slot and
 * takes the memory away.  The other one looks the slot up, keeps the address,
 * and looks again.
 *
 *	memslots_explore [--expect-failure]
 *
 * Exits with 0 if no check fails, or with --expect-failure if one does.
 */
#define ARENA_SIZE 3072
#include "world.h"

#include "base/edit.c"
#include "base/span_tree.c"
#include "srcu/deferred.c"
#include "memslots/rules.c"
#include "memslots/change.c"
#include "memslots/forward.c"
#include "memslots/lookup.c"
#include "memslots/listener.c"
#include "memslots/pin.c"
#include "memslots/commit.c"

/* The slot that is removed, and one that stays. */
#define GOING	0
#define STAYING 1

static const uint64_t page = 1 << 16; /* a multiple of each page size */

static struct {
	struct bf_slots slots;
	struct __bf_srcu_slot srcu_slots[NR_SLOTS];
	struct bf_slot slot[2];
	struct arena arena;
	int gone; /* the memory of GOING */
} world;

static void *world_alloc(size_t size)
{
	return arena_alloc(&world.arena, size);
}

struct bf_slot *bf_slot_get(struct bf_slots *slots, uint32_t number)
{
	return &world.slot[number];
}

struct bf_slot *bf_slot_find(const struct bf_slots *slots, uint32_t number)
{
	return &world.slot[number];
}

struct bf_memslots_view *bf_view_new(uint32_t spaces)
{
	struct bf_memslots_view *view = world_alloc(bf_view_size(spaces));

	if (view)
		view->spaces = spaces;
	return view;
}

void bf_view_retire(struct bf_memslots_view *view)
{
}

void bf_view_called(struct srcu_head *head)
{
}

void call_srcu(struct srcu_struct *ssp, struct srcu_head *head,
	       void (*func)(struct srcu_head *head))
{
}

void call_srcu_expedited(struct srcu_struct *ssp, struct srcu_head *head,
			 void (*func)(struct srcu_head *head))
{
	machine_fail("a callback");
}

void synchronize_srcu_expedited(struct srcu_struct *ssp)
{
	bf_srcu_gp_start(ssp);
	while (!bf_srcu_gp_advance(ssp)) {
		machine_checkpoint(0);
		machine_wait();
	}
}

static void remove_slot(void *unused)
{
	check(!bf_memslots_remove(&world.slots.map, GOING), "a removal failed");
	__atomic_store_n(&world.gone, 1, __ATOMIC_RELAXED);
}

/* The guest keeps the slot, and the memory stays. */
static void remove_in_vain(void *unused)
{
	check(bf_memslots_remove(&world.slots.map, GOING) == -EBUSY,
	      "a refused removal succeeded");
}

static int refuse(void *opaque,
		  const struct kvm_userspace_memory_region *change)
{
	return change->memory_size ? 0 : -EBUSY;
}

static void look(const struct bf_memslots_snapshot *snapshot)
{
	if (bf_memslots_hva(snapshot, 0, GOING * page, 1, false))
		check(!__atomic_load_n(&world.gone, __ATOMIC_RELAXED),
		      "a lookup found memory that is gone");
	check(bf_memslots_hva(snapshot, 0, STAYING * page, 1, false),
	      "a lookup missed a slot that stays");
}

static void look_twice(void)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(&world.slots.map, &snapshot);
	look(&snapshot);
	look(&snapshot);
	bf_memslots_drop(&snapshot);
}

static void read_in_two_sections(void *unused)
{
	look_twice();
	look_twice();
}

static const struct scenario {
	const char *name;
	void (*change)(void *unused);
	int (*set)(void *opaque,
		   const struct kvm_userspace_memory_region *change);
	bool in_place;
	bool stays; /* GOING, at the end */
} scenarios[] = {
	{"removed beside lookups", remove_slot, NULL, false, false},
	{"refused beside lookups", remove_in_vain, refuse, false, true},
	{"removed in place beside lookups", remove_slot, NULL, true, false},
	{"refused in place beside lookups", remove_in_vain, refuse, true, true},
};

static const struct scenario *scenario;

static void add_slot(uint32_t number)
{
	const struct kvm_userspace_memory_region region = {
		.slot = number,
		.guest_phys_addr = number * page,
		.memory_size = page,
		.userspace_addr = 1ULL << 32,
	};

	world.slot[number].region.slot = number;
	check(!bf_memslots_set(&world.slots.map, &region),
	      "an addition failed");
}

static void init(void)
{
	memset(&world, 0, sizeof(world));
	bf_srcu_nr_slots = NR_SLOTS;
	init_domain(&world.slots.map.srcu, world.srcu_slots);
	world.slots.config.spaces = 1;
	world.slots.config.slots = 2;
	world.slots.map.view = bf_view_new(1);
	add_slot(GOING);
	add_slot(STAYING);
	world.slots.guest.set = scenario->set;
	world.arena.no_memory = scenario->in_place;
}

static void check_end(void)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(&world.slots.map, &snapshot);
	check(!!bf_memslots_hva(&snapshot, 0, GOING * page, page, true) ==
		      scenario->stays,
	      "the slot is wrong at the end");
	bf_memslots_drop(&snapshot);
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->change, read_in_two_sections},
		.nr_threads = 2,
		.check = check_end,
		.world = &world,
		.world_size = sizeof(world),
	};

	/* PSO allows all that TSO allows. */
	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
