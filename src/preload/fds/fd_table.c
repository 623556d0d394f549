/* SPDX-License-Identifier: MIT */
/*
 * Two levels of atomic pointers: a lookup takes no lock, and a program with few
 * fds has one leaf.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/signals.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/vm.h"
#include "preload/seccomp/forbidden.h"

#define LEAF_SLOTS 1024u
#define LEAVES	   1024u
#define MAX_FD	   (LEAVES * LEAF_SLOTS - 1)

typedef _Atomic(struct object *) slot_t;

struct leaf {
	slot_t slots[LEAF_SLOTS];
};

/* The only one of most programs. */
static struct leaf first_leaf;

static _Atomic(struct leaf *) leaves[LEAVES] = {&first_leaf};

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
 * Not by calloc(): dup() is safe in a handler that interrupts malloc().
 *
 * Release: orders the zeroed slots before the leaf's address, for find_slot().
 * Without it a reader could take old memory for the address of an object.
 */
static bool make_leaf(unsigned int n)
{
	struct leaf *none = NULL;
	struct leaf *leaf = mmap(NULL, sizeof(*leaf), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (leaf == MAP_FAILED)
		return false;
	if (!atomic_compare_exchange_strong_explicit(
		    &leaves[n / LEAF_SLOTS], &none, leaf, memory_order_release,
		    memory_order_relaxed))
		munmap(leaf, sizeof(*leaf));
	return true;
}

/*
 * The object may end after the first load.  Then object_tryget() fails, or the
 * memory serves a new object by now and object_tryget() counts that one.  In
 * the latter case the slot holds something else, and the second load shows it.
 * The second load cannot come before the counting: object_tryget() acquires.
 *
 * Acquire on both loads: pairs with the release in fd_table_set().  The second
 * needs it too, because the same memory may have been entered again since the
 * first.  Without it the caller could see a VM without its front.
 */
static inline struct object *table_get(int fd)
{
	slot_t *slot = find_slot(fd);
	struct object *obj;

	if (!slot)
		return NULL;
	while ((obj = atomic_load_explicit(slot, memory_order_acquire))) {
		if (!object_tryget(obj))
			continue;
		if (likely(atomic_load_explicit(slot, memory_order_acquire) ==
			   obj))
			return obj;
		object_put(obj);
	}
	return NULL;
}

struct object *fd_table_get(int fd)
{
	return table_get(fd);
}

struct object *fd_table_get_kind(int fd, enum object_kind kind)
{
	struct object *obj = fd_table_get(fd);

	if (obj && obj->kind != kind) {
		object_put(obj);
		return NULL;
	}
	return obj;
}

/*
 * Release: orders the object's contents before its address, for fd_table_get().
 */
bool fd_table_set(int fd, struct object *obj)
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

bool fd_table_contains(int fd)
{
	slot_t *slot = find_slot(fd);

	return slot && atomic_load_explicit(slot, memory_order_relaxed);
}

struct object *fd_table_take(int fd)
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

void fd_table_walk(unsigned int first, unsigned int last, void (*fn)(int fd))
{
	if (last > MAX_FD)
		last = MAX_FD;
	while (first <= last) {
		walk_leaf(first, last, fn);
		first = (first / LEAF_SLOTS + 1) * LEAF_SLOTS;
	}
}

void fd_table_forget(void)
{
	for (unsigned int i = 0; i < LEAVES; i++) {
		struct leaf *leaf =
			atomic_load_explicit(&leaves[i], memory_order_relaxed);

		if (leaf)
			memset(leaf, 0, sizeof(*leaf));
	}
}

struct object *fd_table_get_owned(int fd)
{
	if (!fd_table_contains(fd) || !process_is_owner())
		return NULL;
	return fd_table_get(fd);
}

struct object *fd_table_take_owned(int fd)
{
	if (!fd_table_contains(fd) || !process_is_owner())
		return NULL;
	return fd_table_take(fd);
}

static struct object *find_same_file_in_leaf(unsigned int n, int fd)
{
	struct leaf *leaf =
		atomic_load_explicit(&leaves[n], memory_order_acquire);

	for (unsigned int i = 0; leaf && i < LEAF_SLOTS; i++) {
		int other = (int)(n * LEAF_SLOTS + i);

		if (atomic_load_explicit(&leaf->slots[i],
					 memory_order_relaxed) &&
		    other != fd && bf_same_file(other, fd) == 1)
			return fd_table_get(other);
	}
	return NULL;
}

static struct object *find_same_file(int fd)
{
	struct object *obj = NULL;

	for (unsigned int n = 0; n < LEAVES && !obj; n++)
		obj = find_same_file_in_leaf(n, fd);
	return obj;
}

/* A vCPU object needs a VM object. */
static struct object *new_untracked(enum object_kind kind)
{
	struct object *vm = object_new_vm(), *vcpu;

	if (!vm)
		return NULL;
	vm->vm.untracked = true;
	if (kind == OBJECT_VM)
		return vm;
	vcpu = object_new_vcpu(vm);
	object_put(vm);
	if (!vcpu)
		return NULL;
	vcpu->vcpu.id = RECORDED_NO_VCPU;
	vcpu->vcpu.stats = &config.stats->vcpu[0];
	return vcpu;
}

static struct object *learn_fd_held(int fd, enum object_kind kind)
{
	struct object *obj = find_same_file(fd);

	if (!obj)
		obj = new_untracked(kind);
	if (!obj)
		return NULL;
	object_get(obj);
	if (!fd_table_set(fd, obj))
		object_put(obj);
	return obj;
}

/*
 * NULL if the kernel cannot compare files, or a seccomp filter forbids the
 * comparison.
 */
static __attribute__((noinline)) struct object *learn_fd(int fd,
							 enum object_kind kind)
{
	struct signals_held held;
	struct object *obj;

	if (thread_forbids(FORBIDDEN_LEARN) || !process_is_owner() ||
	    bf_same_file(fd, fd) != 1)
		return NULL;
	held = signals_hold();
	obj = learn_fd_held(fd, kind);
	signals_release(held);
	return obj;
}

struct object *fd_table_lookup(int fd, enum object_kind kind)
{
	struct object *obj = table_get(fd);

	return likely(obj) ? obj : learn_fd(fd, kind);
}

void fd_table_alias(int fd, struct object *obj)
{
	if (fd_table_set(fd, obj))
		return;
	vm_pass_through(object_vm_of(obj), "an fd number is too large");
	object_put(obj);
}

void fd_table_pass_through(int fd, const char *why)
{
	struct object *obj = fd_table_get_owned(fd);

	if (!obj)
		return;
	vm_pass_through(object_vm_of(obj), why);
	object_put(obj);
}
