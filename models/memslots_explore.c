// SPDX-License-Identifier: MIT
/*
 * Explores the removal of a memory slot in place (src/memslots/clear.c), the
 * lookups beside it, and the grace period under both: every interleaving of the
 * real source, and every delay of a buffered store.  One thread removes the
 * slot and then takes its memory away.  Another thread finds the slot, keeps it
 * in its cache, and looks it up again.
 *
 *	memslots_explore [--expect-failure]
 *
 * Exits with 0 if all scenarios pass (or, with the option, if one fails).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "intercept.h"

#include "srcu/gp.c"
#include "srcu/reader.c"
#include "srcu_stubs.h"

/*
 * The cache of a thread's last slot is a plain variable here.  Only one thread
 * looks up, and for the compiler the machine's threads are one thread.
 */
#define __thread
#define tls_model(model) unused

#include "memslots/lookup.c"
#include "memslots/tree.c"
#include "memslots/clear.c"

#define NR_SLOTS MACHINE_THREADS

#define VIEW_SIZE (sizeof(struct bf_memslots_view) + sizeof(void *))
#define LEAF_SIZE                      \
	(sizeof(struct bf_slot_node) + \
	 BF_LEAF_MAX * (sizeof(uint64_t) + sizeof(struct bf_mapping)))

static struct {
	struct bf_slots slots;
	struct __bf_srcu_slot srcu_slots[NR_SLOTS];
	_Alignas(64) char view[VIEW_SIZE]; /* with one root */
	_Alignas(64) char leaf[LEAF_SIZE];
	_Alignas(64) char spare[VIEW_SIZE];
	struct bf_slot slot;
	int gone; /* its memory was taken away */
} world;

static struct bf_memslots_view *const the_view = (void *)world.view;
static struct bf_slot_node *const the_leaf = (void *)world.leaf;

static void check(bool good, const char *what)
{
	if (!good)
		machine_fail(what);
}

/* A restartable sequence as other threads see it: see srcu_explore.c. */
bool __bf_srcu_rseq_inc(unsigned long *word)
{
	word += machine_self() *
		(sizeof(struct __bf_srcu_slot) / sizeof(*word));
	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
	return true;
}

int bf_rules_check(const struct bf_memslots_config *config,
		   const struct kvm_userspace_memory_region *change)
{
	return 0;
}

struct bf_slot *bf_ids_find(const struct bf_ids *ids, uint32_t number)
{
	return &world.slot;
}

/* One thread calls this, once. */
uint64_t bf_view_next_generation(void)
{
	return 2 * BF_MEMSLOTS_SPACES;
}

static void wait_for_readers(struct srcu_struct *ssp)
{
	bf_srcu_gp_start(ssp);
	while (!bf_srcu_gp_advance(ssp)) {
		machine_checkpoint(0);
		machine_wait();
	}
}

/* The steps of src/memslots/commit.c, and then of its caller. */
static void remove_slot(void *unused)
{
	const struct kvm_userspace_memory_region change = {.slot = 0};
	struct bf_memslots_view *spare = NULL;

	check(!bf_slot_clear(&world.slots, &change, &spare),
	      "a removal failed");
	wait_for_readers(&world.slots.map.srcu);
	__atomic_store_n(&world.gone, 1, __ATOMIC_RELAXED);
}

/* The guest refuses the removal, and the memory stays. */
static void try_to_remove(void *unused)
{
	const struct kvm_userspace_memory_region change = {.slot = 0};
	struct bf_memslots_view *spare = NULL;

	check(bf_slot_clear(&world.slots, &change, &spare) == -EBUSY && !spare,
	      "a refused removal succeeded");
}

static int refuse(void *opaque,
		  const struct kvm_userspace_memory_region *change)
{
	return -EBUSY;
}

static void check_lookup(const struct bf_memslots_snapshot *snapshot)
{
	if (bf_memslots_hva(snapshot, 0, 0, 1, false))
		check(!__atomic_load_n(&world.gone, __ATOMIC_RELAXED),
		      "a lookup found memory that was taken away");
}

/* The first lookup searches, and the second one uses the cache. */
static void look_up_twice(void)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(&world.slots.map, &snapshot);
	check_lookup(&snapshot);
	check_lookup(&snapshot);
	bf_memslots_drop(&snapshot);
}

/* Clears the cache, because the machine resets only the world. */
static void read_in_two_sections(void *unused)
{
	memset(&last_slot, 0, sizeof(last_slot));
	look_up_twice();
	look_up_twice();
}

static const struct scenario {
	const char *name;
	void (*change)(void *unused);
	int (*set)(void *opaque,
		   const struct kvm_userspace_memory_region *change);
	uint64_t pages; /* of the slot at the end */
} scenarios[] = {
	{"removed beside lookups", remove_slot, NULL, 0},
	{"refused removal beside lookups", try_to_remove, refuse, 1},
};

static const struct scenario *scenario;

static void init_domain(struct srcu_struct *domain)
{
	*domain = (struct srcu_struct)__BF_SRCU_STRUCT_INIT(*domain, false);
	domain->slots = world.srcu_slots;
	domain->rseq_slots = world.srcu_slots;
	domain->reader_fences = false;
	bf_srcu_set_bank(domain, 0);
	bf_srcu_nr_slots = NR_SLOTS;
}

/* A map of one slot of one page, at 0. */
static void init(void)
{
	memset(&world, 0, sizeof(world));
	init_domain(&world.slots.map.srcu);
	world.slots.map.view = the_view;
	world.slots.guest.set = scenario->set;
	the_view->generation = BF_MEMSLOTS_SPACES;
	the_view->spaces = 1;
	the_view->roots[0] = the_leaf;
	the_leaf->count = 1;
	memset(the_leaf->keys, 0xff, BF_LEAF_MAX * sizeof(uint64_t));
	the_leaf->keys[0] = 0;
	*bf_slot_node_mappings(the_leaf) = (struct bf_mapping){
		.pages = 1,
		.hva = 1ULL << 32,
	};
	world.slot.region.memory_size = 1 << BF_PAGE_SHIFT;
	world.slot.spare = (void *)world.spare;
}

static void check_end(void)
{
	check(bf_slot_node_mappings(the_leaf)->pages == scenario->pages,
	      "the slot has a wrong size at the end");
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

	/* PSO includes all that TSO allows. */
	return explore(&program, MACHINE_PSO);
}

#include "explore_scenarios.h"
