/* SPDX-License-Identifier: MIT */
/*
 * Two levels of atomic pointers, so that a number is looked up without a lock
 * and a program with few fds pays for few.
 */
#include <stdlib.h>
#include <string.h>

#include "preload/fds/fdtable.h"

#define LEAF_SLOTS 1024u
#define LEAVES	   1024u
#define MAX_FD	   (LEAVES * LEAF_SLOTS - 1)

typedef _Atomic(struct object *) slot_t;

struct leaf {
	slot_t slots[LEAF_SLOTS];
};

static _Atomic(struct leaf *) leaves[LEAVES];

static slot_t *find_slot(int fd)
{
	unsigned int n = (unsigned int)fd;
	struct leaf *leaf;

	if (n > MAX_FD)
		return NULL;
	/* Acquire: pairs with the release in make_leaf(). */
	leaf = atomic_load_explicit(&leaves[n / LEAF_SLOTS],
				    memory_order_acquire);
	return leaf ? &leaf->slots[n % LEAF_SLOTS] : NULL;
}

/*
 * Release: orders the zeroed slots before the leaf's address, for
 * find_slot().  Without this a reader could take old memory for an object.
 */
static bool make_leaf(unsigned int n)
{
	struct leaf *none = NULL;
	struct leaf *leaf = calloc(1, sizeof(*leaf));

	if (!leaf)
		return false;
	if (!atomic_compare_exchange_strong_explicit(
		    &leaves[n / LEAF_SLOTS], &none, leaf, memory_order_release,
		    memory_order_relaxed))
		free(leaf);
	return true;
}

/*
 * An object that is gone lets nobody count on it; one that was used again in
 * between does, but then its number holds something else by now.  Acquire of
 * the second look: keeps it behind the counting (the CAS in object_tryget()),
 * after which the object cannot change any more.
 */
struct object *fdtable_get(int fd)
{
	slot_t *slot = find_slot(fd);
	struct object *obj;

	if (!slot)
		return NULL;
	while ((obj = atomic_load_explicit(slot, memory_order_acquire))) {
		if (!object_tryget(obj))
			continue;
		if (atomic_load_explicit(slot, memory_order_acquire) == obj)
			return obj;
		object_put(obj);
	}
	return NULL;
}

struct object *fdtable_get_kind(int fd, enum object_kind kind)
{
	struct object *obj = fdtable_get(fd);

	if (obj && obj->kind != kind) {
		object_put(obj);
		return NULL;
	}
	return obj;
}

/*
 * Release: orders the object's contents before its address, for the acquire
 * in fdtable_get().  Without this another thread could find a VM without its
 * front.
 */
bool fdtable_set(int fd, struct object *obj)
{
	unsigned int n = (unsigned int)fd;
	struct object *old;
	slot_t *slot;

	if (n > MAX_FD)
		return false;
	slot = find_slot(fd);
	if (!slot && make_leaf(n))
		slot = find_slot(fd);
	if (!slot)
		return false;
	old = atomic_exchange_explicit(slot, obj, memory_order_acq_rel);
	if (old)
		object_put(old);
	return true;
}

bool fdtable_knows(int fd)
{
	slot_t *slot = find_slot(fd);

	return slot && atomic_load_explicit(slot, memory_order_relaxed);
}

struct object *fdtable_take(int fd)
{
	slot_t *slot = find_slot(fd);

	if (!slot)
		return NULL;
	return atomic_exchange_explicit(slot, NULL, memory_order_acq_rel);
}

static void walk_leaf(unsigned int n, unsigned int last, void (*fn)(int fd))
{
	struct leaf *leaf = atomic_load_explicit(&leaves[n / LEAF_SLOTS],
						 memory_order_acquire);

	if (!leaf)
		return;
	do {
		if (atomic_load_explicit(&leaf->slots[n % LEAF_SLOTS],
					 memory_order_relaxed))
			fn((int)n);
	} while (n++ < last && n % LEAF_SLOTS);
}

void fdtable_walk(unsigned int first, unsigned int last, void (*fn)(int fd))
{
	if (last > MAX_FD)
		last = MAX_FD;
	while (first <= last) {
		walk_leaf(first, last, fn);
		first = (first / LEAF_SLOTS + 1) * LEAF_SLOTS;
	}
}

static struct object *find_in_leaf(unsigned int n, bool (*is)(int, int), int fd)
{
	struct leaf *leaf =
		atomic_load_explicit(&leaves[n], memory_order_acquire);

	for (unsigned int i = 0; leaf && i < LEAF_SLOTS; i++) {
		if (atomic_load_explicit(&leaf->slots[i],
					 memory_order_relaxed) &&
		    is((int)(n * LEAF_SLOTS + i), fd))
			return fdtable_get((int)(n * LEAF_SLOTS + i));
	}
	return NULL;
}

struct object *fdtable_find(bool (*is)(int number, int fd), int fd)
{
	struct object *obj = NULL;

	for (unsigned int n = 0; n < LEAVES && !obj; n++)
		obj = find_in_leaf(n, is, fd);
	return obj;
}

void fdtable_forget(void)
{
	for (unsigned int i = 0; i < LEAVES; i++) {
		struct leaf *leaf =
			atomic_load_explicit(&leaves[i], memory_order_relaxed);

		if (leaf)
			memset(leaf, 0, sizeof(*leaf));
	}
}
