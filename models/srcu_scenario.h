/* SPDX-License-Identifier: MIT */
/*
 * The scenario of both checkers.  Readers load and mark the published object;
 * the updater publishes the next object, waits for a grace period and poisons
 * the old one.  The safety property: no reader sees the poison inside its
 * section, each mark is visible to the updater after the grace period, and the
 * poison, which comes later, remains.
 *
 * A checker includes this after src/srcu/gp.c and reader.c, and defines
 * NR_SLOTS, NR_OBJECTS, check(), wait_for_readers() and thread_number(), which
 * is below NR_SLOTS.
 */
#ifndef BF_MODELS_SRCU_SCENARIO_H
#define BF_MODELS_SRCU_SCENARIO_H

enum object_state {
	OBJECT_LIVE = 1,
	OBJECT_POISON = 2,
};

struct object {
	int state;
	int mark;	/* stored by readers; poison at the end */
	int mark_after; /* the updater's load after the grace period */
	bool was_marked[NR_SLOTS]; /* by a reader of this number */
};

static struct world {
	struct srcu_struct domain;
	struct __bf_srcu_slot slots[NR_SLOTS];
	struct object objects[NR_OBJECTS];
	struct object *published;
	int updates;
	/* The hand-over of a section from one thread to another. */
	int handed_idx;
	struct object *handed_object;
	bool driven; /* no grace period will follow */
	/* Store buffering of an old section and of a third thread. */
	int stored, stored_by_third;
	bool section_was_old, looked, seen, seen_by_third;
} world;

/* The world is all zero. */
static void world_init(bool fast)
{
	world.domain.fast = world.domain.membarrier = fast;
	world.domain.slots = world.slots;
	world.domain.rseq_slots = world.slots;
	bf_srcu_set_bank(&world.domain, 0);
	bf_srcu_nr_slots = NR_SLOTS;
	for (int i = 0; i < NR_OBJECTS; i++)
		world.objects[i].state = OBJECT_LIVE;
	world.published = &world.objects[0];
}

static bool was_marked(const struct object *object)
{
	bool marked = false;

	for (int i = 0; i < NR_SLOTS; i++)
		marked |= object->was_marked[i];
	return marked;
}

static void check_object(const struct object *object)
{
	check(object->mark == OBJECT_POISON,
	      "a section wrote to an object after it was poisoned");
	check(!was_marked(object) || object->mark_after,
	      "a section's store was not visible after the grace period");
}

/* Call this at the end, when all threads have returned. */
static void world_check(void)
{
	for (int i = 0; i < world.updates; i++)
		check_object(&world.objects[i]);
	check(!world.section_was_old || !world.looked || world.seen ||
		      world.seen_by_third,
	      "a grace period was no full barrier behind a section");
}

/* A section of a fenced reader or of a fast one. */
struct section {
	int idx;
	struct srcu_ctr *scp;
};

static void section_enter(struct section *section)
{
	section->idx = 0;
	section->scp = NULL;
	if (world.domain.fast)
		section->scp = srcu_read_lock_fast(&world.domain);
	else
		section->idx = srcu_read_lock(&world.domain);
}

static void section_leave(const struct section *section)
{
	if (world.domain.fast)
		srcu_read_unlock_fast(&world.domain, section->scp);
	else
		srcu_read_unlock(&world.domain, section->idx);
}

static void check_live(struct object *object)
{
	check(__atomic_load_n(&object->state, __ATOMIC_RELAXED) == OBJECT_LIVE,
	      "an object was poisoned under a reader");
}

static void mark(struct object *object)
{
	__atomic_store_n(&object->mark, OBJECT_LIVE, __ATOMIC_RELAXED);
	object->was_marked[thread_number()] = true;
	check_live(object);
}

static void read_once(void)
{
	struct section section;
	struct object *object;

	section_enter(&section);
	object = srcu_dereference(world.published, &world.domain);
	check_live(object);
	mark(object);
	section_leave(&section);
}

/* Publishes the next object; returns the one before it. */
static struct object *publish(void)
{
	struct object *old = &world.objects[world.updates++];

	srcu_assign_pointer(world.published, old + 1);
	return old;
}

/* After a grace period. */
static void poison(struct object *old)
{
	old->mark_after = __atomic_load_n(&old->mark, __ATOMIC_RELAXED);
	__atomic_store_n(&old->state, OBJECT_POISON, __ATOMIC_RELAXED);
	__atomic_store_n(&old->mark, OBJECT_POISON, __ATOMIC_RELAXED);
}

static void update(void)
{
	struct object *old = publish();

	wait_for_readers();
	poison(old);
}

#endif
