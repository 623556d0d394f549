// SPDX-License-Identifier: MIT
/*
 * Explores the vCPU table of src/vcpus/ and the grace period under it: every
 * interleaving of the real source, and every delay of a buffered store.  One
 * thread creates and removes vCPUs, others look up and iterate.  The first
 * block of an array has two slots, so that a few vCPUs make the arrays grow.
 *
 *	vcpus_explore [--expect-failure]
 *
 * Exits with 0 if all scenarios pass (or, with the option, if one fails).
 */

/* The blocks of the arrays by index and by id: two of 2 slots, one of 4. */
#define ARENA_SIZE (2 * ((2 + 2 + 4) * sizeof(void *) + 3 * ARENA_HEAD))

#include "world.h"

#include "base/sparse.c"
#include "vcpus/lookup.c"
#include "vcpus/change.c"

#define NR_VCPUS 3

enum vcpu_state {
	VCPU_NEW,
	VCPU_LIVE,
	VCPU_POISON,
};

struct vcpu {
	struct bf_vcpu_entry entry;
	int state;
};

static struct {
	struct srcu_struct domain;
	struct __bf_srcu_slot slots[NR_SLOTS];
	struct bf_vcpus table;
	struct vcpu vcpus[NR_VCPUS];
	struct arena arena;
} world;

static void *world_alloc(size_t size)
{
	return arena_alloc(&world.arena, size);
}

/* No thread of the model locks a vCPU. */
int bf_word_lock(unsigned int *word)
{
	return 0;
}

void bf_word_unlock(unsigned int *word)
{
}

/*
 * The checkpoint is right because each thread calls this once, and its later
 * actions depend on memory alone.
 */
void synchronize_srcu_expedited(struct srcu_struct *ssp)
{
	bf_srcu_gp_start(ssp);
	while (!bf_srcu_gp_advance(ssp)) {
		machine_checkpoint(0);
		machine_wait();
	}
}

/* No thread of the model removes asynchronously. */
void call_srcu_expedited(struct srcu_struct *ssp, struct srcu_head *head,
			 void (*func)(struct srcu_head *head))
{
	machine_fail("a callback");
}

static struct vcpu *vcpu_of(struct bf_vcpu_entry *entry)
{
	return container_of(entry, struct vcpu, entry);
}

/* All vCPUs have this release function. */
void bf_vcpu_entry_release(struct bf_vcpu_entry *entry)
{
	__atomic_store_n(&vcpu_of(entry)->state, VCPU_POISON, __ATOMIC_RELAXED);
}

static void check_live(struct bf_vcpu_entry *entry)
{
	int state = __atomic_load_n(&vcpu_of(entry)->state, __ATOMIC_RELAXED);

	check(state != VCPU_NEW, "a vCPU was found before it was set up");
	check(state != VCPU_POISON, "a vCPU was released under a reader");
}

static const uint64_t ids[NR_VCPUS] = {0, 2, 5};

static void add_vcpu(unsigned int n, uint64_t id)
{
	struct vcpu *vcpu = &world.vcpus[n];
	int ret = bf_vcpus_reserve(&world.table, &vcpu->entry, id, NULL,
				   BF_VCPUS_REUSE_INDEX);

	check(!ret, "a creation failed");
	__atomic_store_n(&vcpu->state, VCPU_LIVE, __ATOMIC_RELAXED);
	bf_vcpu_entry_publish(&vcpu->entry);
}

/* Threads that change the table. */

static void add_two(void *unused)
{
	add_vcpu(1, ids[1]);
	add_vcpu(2, ids[2]);
}

static void add_one(void *unused)
{
	add_vcpu(1, ids[1]);
}

/* Removes the first vCPU; another one takes its id and its index. */
static void replace(void *unused)
{
	check(!bf_vcpu_entry_remove(&world.vcpus[0].entry), "a removal failed");
	add_vcpu(1, ids[0]);
}

static void remove_first(void *unused)
{
	check(!bf_vcpu_entry_remove(&world.vcpus[0].entry), "a removal failed");
}

/* Threads that read the table. */

static void read_count(void *unused)
{
	int idx = srcu_read_lock(&world.domain);
	uint32_t online = bf_vcpus_online(&world.table);

	for (uint32_t i = 0; i < online; i++) {
		struct bf_vcpu_entry *entry =
			bf_vcpus_by_index(&world.table, i);

		check(entry, "a vCPU was counted and not found by index");
		check_live(entry);
		entry = bf_vcpus_by_id(&world.table, ids[i]);
		check(entry, "a vCPU was counted and not found by id");
		check_live(entry);
	}
	srcu_read_unlock(&world.domain, idx);
}

static void iterate(bool complete)
{
	int idx = srcu_read_lock(&world.domain);
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;
	uint64_t visited = 0;

	bf_vcpus_iter_begin(&iter, &world.table, 0, UINT64_MAX);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		check_live(entry);
		check(++visited <= iter.seq,
		      "an iteration visited a later vCPU");
	}
	if (complete)
		check(visited == iter.seq, "an iteration missed a vCPU");
	srcu_read_unlock(&world.domain, idx);
}

static void read_iteration(void *unused)
{
	iterate(true);
}

static void read_iteration_beside_removal(void *unused)
{
	iterate(false);
}

static void read_id(void *unused)
{
	int idx = srcu_read_lock(&world.domain);
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(&world.table, ids[0]);
	struct bf_vcpu_entry *again = bf_vcpus_by_id(&world.table, ids[0]);

	if (entry)
		check_live(entry);
	if (again)
		check_live(again);
	check(!entry || !again || entry == again,
	      "two vCPUs had one id within a section");
	srcu_read_unlock(&world.domain, idx);
}

static void read_index(void *unused)
{
	int idx = srcu_read_lock(&world.domain);
	struct bf_vcpu_entry *entry = bf_vcpus_by_index(&world.table, 0);
	struct bf_vcpu_entry *again = bf_vcpus_by_index(&world.table, 0);

	if (entry)
		check_live(entry);
	if (again)
		check_live(again);
	check(!entry || !again || entry == again,
	      "two vCPUs had one index within a section");
	srcu_read_unlock(&world.domain, idx);
}

static const struct scenario {
	const char *name;
	void (*change)(void *unused);
	void (*readers[2])(void *unused);
	uint32_t created, online; /* at the end */
} scenarios[] = {
	{"2 creations, one counts", add_two, {read_count}, 3, 3},
	{"2 creations, one iterates", add_two, {read_iteration}, 3, 3},
	{"a creation, 2 look on", add_one, {read_count, read_iteration}, 2, 2},
	{"replaced beside a lookup by id", replace, {read_id}, 1, 1},
	{"replaced beside a lookup by index", replace, {read_index}, 1, 1},
	{"removed beside 2 lookups", remove_first, {read_id, read_index}, 0, 0},
	{"replaced beside an iteration",
	 replace,
	 {read_iteration_beside_removal},
	 1,
	 1},
};

static const struct scenario *scenario;

/* A table with one vCPU. */
static void init(void)
{
	memset(&world, 0, sizeof(world));
	init_domain(&world.domain, world.slots);
	bf_srcu_nr_slots = NR_SLOTS;
	world.table.srcu = &world.domain;
	world.table.max_ids = world.table.max_vcpus = 8;
	world.table.free_index = BF_VCPUS_NO_INDEX;
	add_vcpu(0, ids[0]);
}

static void check_end(void)
{
	check(bf_vcpus_created(&world.table) == scenario->created &&
		      bf_vcpus_online(&world.table) == scenario->online,
	      "the counts are wrong at the end");
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->change, scenario->readers[0],
			    scenario->readers[1]},
		.nr_threads = scenario->readers[1] ? 3 : 2,
		.check = check_end,
		.world = &world,
		.world_size = sizeof(world),
	};

	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
