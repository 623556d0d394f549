// SPDX-License-Identifier: MIT
/*
 * The structure of bhyve's memory bus (usr.sbin/bhyve/mem.c): a red-black tree
 * by base, a cache of the range that a vCPU used last, and one rwlock.  An
 * access holds the lock for reading until its handler has returned.  So a
 * removal waits for all handlers, and a handler cannot change the bus.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tools/bench/peers/bus_peer.h"
#include "tools/bench/peers/rbtree.h"
#include "base/util.h"

struct tree_range {
	struct rb_node node;
	struct bf_io_range_desc desc;
};

struct tree_bus {
	struct rb_tree tree;
	pthread_rwlock_t lock;
	unsigned long removals; /* each invalidates the caches */
};

/* The cache of a thread, which stands for a vCPU. */
static __thread struct {
	const struct tree_bus *bus;
	const struct tree_range *range;
	unsigned long removals;
} last_used;

static struct tree_range *range_of(struct rb_node *node)
{
	return container_of(node, struct tree_range, node);
}

static void *tree_bus_create(void)
{
	struct tree_bus *bus = calloc(1, sizeof(*bus));

	if (bus)
		pthread_rwlock_init(&bus->lock, NULL);
	return bus;
}

static void tree_bus_destroy(void *opaque)
{
	struct tree_bus *bus = opaque;
	struct rb_node *node;

	while ((node = bus->tree.root)) {
		rb_erase(&bus->tree, node);
		free(range_of(node));
	}
	pthread_rwlock_destroy(&bus->lock);
	if (last_used.bus == bus)
		last_used.bus = NULL;
	free(bus);
}

static bool tree_bus_insert(struct rb_tree *tree, struct tree_range *new)
{
	struct rb_node *parent = NULL, *node = tree->root;
	bool higher = false;

	while (node) {
		const struct bf_io_range_desc *desc = &range_of(node)->desc;

		if (new->desc.addr < desc->addr + desc->size &&
		    desc->addr < new->desc.addr + new->desc.size)
			return false;
		parent = node;
		higher = new->desc.addr > desc->addr;
		node = node->child[higher];
	}
	rb_insert(tree, &new->node, parent, higher);
	return true;
}

static void *tree_bus_add(void *opaque, const struct bf_io_range_desc *desc)
{
	struct tree_range *range = calloc(1, sizeof(*range));
	struct tree_bus *bus = opaque;
	bool inserted;

	if (!range)
		return NULL;
	range->desc = *desc;
	pthread_rwlock_wrlock(&bus->lock);
	inserted = tree_bus_insert(&bus->tree, range);
	pthread_rwlock_unlock(&bus->lock);
	if (inserted)
		return range;
	free(range);
	return NULL;
}

static void tree_bus_remove(void *opaque, void *handle)
{
	struct tree_bus *bus = opaque;
	struct tree_range *range = handle;

	pthread_rwlock_wrlock(&bus->lock);
	rb_erase(&bus->tree, &range->node);
	bus->removals++;
	pthread_rwlock_unlock(&bus->lock);
	free(range);
}

static const struct tree_range *tree_bus_find(const struct rb_tree *tree,
					      uint64_t addr)
{
	struct rb_node *node = tree->root;

	while (node) {
		const struct tree_range *range = range_of(node);

		if (addr < range->desc.addr)
			node = node->child[0];
		else if (addr - range->desc.addr < range->desc.size)
			return range;
		else
			node = node->child[1];
	}
	return NULL;
}

static const struct tree_range *find_cached(const struct tree_bus *bus,
					    const struct bf_io_access *access)
{
	const struct tree_range *range;

	if (last_used.bus == bus && last_used.removals == bus->removals &&
	    bus_takes(&last_used.range->desc, access))
		return last_used.range;
	range = tree_bus_find(&bus->tree, access->addr);
	if (!range || !bus_takes(&range->desc, access))
		return NULL;
	last_used.bus = bus;
	last_used.range = range;
	last_used.removals = bus->removals;
	return range;
}

static __attribute__((noinline)) int
access_bus(void *opaque, const struct bf_io_access *access)
{
	struct tree_bus *bus = opaque;
	const struct tree_range *range;
	int ret = -EOPNOTSUPP;

	pthread_rwlock_rdlock(&bus->lock);
	range = find_cached(bus, access);
	if (range)
		ret = bus_call(&range->desc, access);
	pthread_rwlock_unlock(&bus->lock);
	return ret;
}

static void tree_bus_write_all(void *bus, const uint64_t *addrs, size_t count)
{
	bus_write_all(bus, access_bus, addrs, count);
}

const struct bus_peer bus_rbtree_rwlock = {
	.name = "RB tree, rwlock",
	.create = tree_bus_create,
	.destroy = tree_bus_destroy,
	.add = tree_bus_add,
	.remove = tree_bus_remove,
	.write_all = tree_bus_write_all,
};
