// SPDX-License-Identifier: MIT
/*
 * Explores each interleaving of the removal of a memory slot and the lookups
 * beside it, with each delay of a buffered store.  The map, its tree and the
 * grace period under both are the real source.  One thread removes the slot and
 * takes the memory away.  The other one looks the slot up, keeps the address,
 * and looks again.
 *
 * Then explores writes to a slot that logs them.  Devices write to its pages, a
 * VMM beside them copies the pages that the log has, and once more when the
 * devices have stopped: its copy must be the memory.
 *
 *	memslots_explore [--expect-failure]
 *
 * Exits with 0 if no check fails, or with --expect-failure if one does.
 */
#define ARENA_SIZE 4096
#include "world.h"

#include "base/edit.c"
#include "base/span_tree.c"
#include "srcu/deferred.c"
#include "memslots/rules.c"
#include "memslots/change.c"
#include "memslots/forward.c"
/* Of a device, into guest memory. */
#define memmove(to, from, size) guest_store((to), (from))
static void guest_store(void *to, const void *from);
#include "memslots/lookup.c"
#undef memmove
#include "memslots/listener.c"
#include "memslots/pin.c"
#include "memslots/dirty.c"
#include "memslots/commit.c"

/* The slot that is removed, and one that stays. */
#define GOING	0
#define STAYING 1

#define NR_PAGES 2

#define HVA (1ULL << 32)

static const uint64_t page = 1 << 16; /* a multiple of each page size */

static struct {
	struct bf_slots slots;
	struct __bf_srcu_slot srcu_slots[NR_SLOTS];
	struct bf_slot slot[2];
	struct arena arena;
	int gone; /* the memory of GOING */
	/* The first word of each page of GOING, and the VMM's copy. */
	uint64_t guest[NR_PAGES], copied[NR_PAGES];
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

/* An access of a reader that is not ordered before this is a data race. */
void bf_view_retire(struct bf_memslots_view *view)
{
	bf_nodes_free(view->replaced);
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
		  const struct kvm_userspace_memory_region2 *change)
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

static void guest_store(void *to, const void *from)
{
	uint64_t at = ((uintptr_t)to - HVA) / bf_host_page();

	check(!__atomic_load_n(&world.gone, __ATOMIC_RELAXED),
	      "a write to memory that is gone");
	__atomic_store_n(&world.guest[at], *(const char *)from,
			 __ATOMIC_RELAXED);
}

static void write_page(uint64_t number)
{
	const char data = (char)(machine_self() + 1);

	bf_memslots_write(&world.slots.map, 0, number * bf_host_page(), &data,
			  1);
}

static void write_page_0(void *unused)
{
	write_page(0);
}

static void write_page_1(void *unused)
{
	write_page(1);
}

/* Looks in the published view as well. */
static void mark_no_memory(void *unused)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(&world.slots.map, &snapshot);
	check(!bf_memslots_mark_dirty(&snapshot, 0, 2 * page, 1),
	      "a mark where no slot is");
	bf_memslots_drop(&snapshot);
}

/* The holder of a pin marks in a snapshot that it has taken before. */
static void write_pinned(void *unused)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(&world.slots.map, &snapshot);
	guest_store((void *)(uintptr_t)HVA, "p");
	bf_memslots_mark_dirty(&snapshot, 0, GOING * page, 1);
	bf_memslots_drop(&snapshot);
}

static void copy_pages(uint64_t bitmap)
{
	uint64_t i;

	for (i = 0; i < NR_PAGES; i++)
		if (bitmap >> i & 1)
			world.copied[i] = __atomic_load_n(&world.guest[i],
							  __ATOMIC_RELAXED);
}

/* Returns the pages to copy, and clears their marks. */
static uint64_t harvest(void)
{
	uint64_t bitmap = 0;
	const struct kvm_dirty_log get = {
		.slot = GOING,
		.dirty_bitmap = &bitmap,
	};
	const struct kvm_clear_dirty_log clear = {
		.slot = GOING,
		.num_pages = (uint32_t)(page / bf_host_page()),
		.dirty_bitmap = &bitmap,
	};

	check(!bf_memslots_get_dirty_log(&world.slots.map, &get), "no log");
	if (world.slots.config.dirty_log && bitmap)
		check(!bf_memslots_clear_dirty_log(&world.slots.map, &clear),
		      "no log to clear");
	return bitmap;
}

static void copy_dirty_pages(void *unused)
{
	copy_pages(harvest());
}

static void copy_after_refusal(void *unused)
{
	remove_in_vain(NULL);
	copy_dirty_pages(NULL);
}

static int set_slot(uint32_t number, uint32_t flags)
{
	const struct kvm_userspace_memory_region region = {
		.slot = number,
		.flags = flags,
		.guest_phys_addr = number * page,
		.memory_size = page,
		.userspace_addr = HVA,
	};

	return bf_memslots_set(&world.slots.map, &region);
}

static void begin_to_log(void *unused)
{
	check(!set_slot(GOING, KVM_MEM_LOG_DIRTY_PAGES), "no new flags");
	copy_pages(~0ULL);
}

static void check_slot(void);
static void check_copy(void);
static void check_nothing(void);

static const struct scenario {
	const char *name;
	void (*threads[MACHINE_THREADS])(void *unused);
	unsigned int nr_threads;
	void (*check)(void);
	int (*set)(void *opaque,
		   const struct kvm_userspace_memory_region2 *change);
	bool in_place;
	bool stays;	/* GOING, at the end */
	uint32_t flags; /* of GOING, at the beginning */
	uint64_t dirty_log;
} scenarios[] = {
	{"removed beside lookups",
	 {remove_slot, read_in_two_sections},
	 2,
	 .check = check_slot},
	{"refused beside lookups",
	 {remove_in_vain, read_in_two_sections},
	 2,
	 .check = check_slot,
	 .set = refuse,
	 .stays = true},
	{"removed in place beside lookups",
	 {remove_slot, read_in_two_sections},
	 2,
	 .check = check_slot,
	 .in_place = true},
	{"refused in place beside lookups",
	 {remove_in_vain, read_in_two_sections},
	 2,
	 .check = check_slot,
	 .set = refuse,
	 .in_place = true,
	 .stays = true},
	{"written beside a harvest",
	 {write_page_0, write_page_1, copy_dirty_pages},
	 3,
	 .check = check_copy,
	 .flags = KVM_MEM_LOG_DIRTY_PAGES},
	{"one page written beside a harvest",
	 {write_page_0, write_page_0, copy_dirty_pages},
	 3,
	 .check = check_copy,
	 .flags = KVM_MEM_LOG_DIRTY_PAGES},
	{"written beside a clearing",
	 {write_page_0, write_page_1, copy_dirty_pages},
	 3,
	 .check = check_copy,
	 .flags = KVM_MEM_LOG_DIRTY_PAGES,
	 .dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE},
	{"logged beside writes",
	 {begin_to_log, write_page_0},
	 2,
	 .check = check_copy},
	{"removed beside a mark",
	 {remove_slot, mark_no_memory},
	 2,
	 .check = check_slot},
	{"refused beside a pin",
	 {copy_after_refusal, write_pinned},
	 2,
	 .check = check_copy,
	 .set = refuse,
	 .flags = KVM_MEM_LOG_DIRTY_PAGES},
	{"refused in place beside a pin",
	 {copy_after_refusal, write_pinned},
	 2,
	 .check = check_copy,
	 .set = refuse,
	 .in_place = true,
	 .flags = KVM_MEM_LOG_DIRTY_PAGES},
	{"removed beside logged writes",
	 {remove_slot, write_page_0},
	 2,
	 .check = check_nothing,
	 .flags = KVM_MEM_LOG_DIRTY_PAGES},
};

static const struct scenario *scenario;

static void add_slot(uint32_t number, uint32_t flags)
{
	world.slot[number].region.slot = number;
	check(!set_slot(number, flags), "an addition failed");
}

static void init(void)
{
	memset(&world, 0, sizeof(world));
	bf_srcu_nr_slots = NR_SLOTS;
	init_domain(&world.slots.map.srcu, world.srcu_slots);
	world.slots.config.spaces = 1;
	world.slots.config.slots = 2;
	world.slots.map.view = bf_view_new(1);
	world.slots.config.dirty_log = scenario->dirty_log;
	add_slot(GOING, scenario->flags);
	add_slot(STAYING, 0);
	world.slots.guest.set = scenario->set;
	world.arena.no_memory = scenario->in_place;
}

static void check_nothing(void)
{
}

/* The devices have stopped. */
static void check_copy(void)
{
	copy_dirty_pages(NULL);
	check(!memcmp(world.copied, world.guest, sizeof(world.guest)),
	      "a page was written and is in no log");
}

static void check_slot(void)
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
		.nr_threads = scenario->nr_threads,
		.check = scenario->check,
		.world = &world,
		.world_size = sizeof(world),
	};
	unsigned int i;

	for (i = 0; i < scenario->nr_threads; i++)
		program.threads[i] = scenario->threads[i];
	/* PSO allows all that TSO allows. */
	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
