// SPDX-License-Identifier: MIT
/*
 * The structure of kvmtool's bus (mmio.c, util/rbtree-interval.c): an interval
 * tree and one mutex.  The tree is a red-black tree by base in which each node
 * has the highest end of its subtree.  An access takes the mutex to find its
 * range and to take a reference, runs the handler without the mutex, and takes
 * the mutex again to drop the reference.  The last reference to a removed range
 * frees it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tools/bench/peers/bus_peer.h"
#include "tools/bench/peers/rbtree.h"
#include "base/util.h"

struct interval {
	struct rb_node node;
	uint64_t end;	  /* of this interval */
	uint64_t max_end; /* highest end of the subtree */
	struct bf_io_range_desc desc;
	unsigned int users;
	bool removed;
};

struct interval_bus {
	struct rb_tree tree;
	pthread_mutex_t lock;
};

static struct interval *interval_of(struct rb_node *node)
{
	return container_of(node, struct interval, node);
}

static uint64_t max_end(struct rb_node *node)
{
	return node ? interval_of(node)->max_end : 0;
}

static void interval_bus_update(struct rb_node *node)
{
	struct interval *interval = interval_of(node);
	uint64_t end = interval->end;

	for (int side = 0; side < 2; side++) {
		if (max_end(node->child[side]) > end)
			end = max_end(node->child[side]);
	}
	interval->max_end = end;
}

static void *interval_bus_create(void)
{
	struct interval_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return NULL;
	bus->tree.update = interval_bus_update;
	pthread_mutex_init(&bus->lock, NULL);
	return bus;
}

static void interval_bus_destroy(void *opaque)
{
	struct interval_bus *bus = opaque;
	struct rb_node *node;

	while ((node = bus->tree.root)) {
		rb_erase(&bus->tree, node);
		free(interval_of(node));
	}
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}

static bool interval_bus_insert(struct rb_tree *tree, struct interval *new)
{
	struct rb_node *parent = NULL, *node = tree->root;
	bool higher = false;

	while (node) {
		const struct interval *interval = interval_of(node);

		if (new->desc.addr < interval->end &&
		    interval->desc.addr < new->end)
			return false;
		parent = node;
		higher = new->desc.addr >= interval->end;
		node = node->child[higher];
	}
	rb_insert(tree, &new->node, parent, higher);
	return true;
}

static void *interval_bus_add(void *opaque, const struct bf_io_range_desc *desc)
{
	struct interval *interval = calloc(1, sizeof(*interval));
	struct interval_bus *bus = opaque;
	bool inserted;

	if (!interval)
		return NULL;
	interval->desc = *desc;
	interval->end = desc->addr + desc->size;
	pthread_mutex_lock(&bus->lock);
	inserted = interval_bus_insert(&bus->tree, interval);
	pthread_mutex_unlock(&bus->lock);
	if (inserted)
		return interval;
	free(interval);
	return NULL;
}

static void interval_bus_remove(void *opaque, void *range)
{
	struct interval_bus *bus = opaque;
	struct interval *interval = range;
	bool idle;

	pthread_mutex_lock(&bus->lock);
	rb_erase(&bus->tree, &interval->node);
	interval->removed = true;
	idle = !interval->users;
	pthread_mutex_unlock(&bus->lock);
	if (idle)
		free(interval);
}

/* Descend left while an interval there ends above the address. */
static struct interval *interval_bus_find(const struct rb_tree *tree,
					  uint64_t addr)
{
	struct rb_node *node = tree->root;
	struct interval *interval;

	while (node) {
		interval = interval_of(node);
		if (max_end(node->child[0]) > addr)
			node = node->child[0];
		else if (addr < interval->desc.addr)
			return NULL;
		else if (addr < interval->end)
			return interval;
		else
			node = node->child[1];
	}
	return NULL;
}

static struct interval *interval_bus_get(struct interval_bus *bus,
					 const struct bf_io_access *access)
{
	struct interval *interval;

	pthread_mutex_lock(&bus->lock);
	interval = interval_bus_find(&bus->tree, access->addr);
	if (interval && !bus_takes(&interval->desc, access))
		interval = NULL;
	if (interval)
		interval->users++;
	pthread_mutex_unlock(&bus->lock);
	return interval;
}

static void interval_bus_put(struct interval_bus *bus,
			     struct interval *interval)
{
	bool last;

	pthread_mutex_lock(&bus->lock);
	last = --interval->users == 0 && interval->removed;
	pthread_mutex_unlock(&bus->lock);
	if (last)
		free(interval);
}

static __attribute__((noinline)) int
access_bus(void *opaque, const struct bf_io_access *access)
{
	struct interval_bus *bus = opaque;
	struct interval *interval = interval_bus_get(bus, access);
	int ret;

	if (!interval)
		return -EOPNOTSUPP;
	ret = bus_call(&interval->desc, access);
	interval_bus_put(bus, interval);
	return ret;
}

static void interval_bus_write_all(void *bus, const uint64_t *addrs,
				   size_t count)
{
	bus_write_all(bus, access_bus, addrs, count);
}

const struct bus_peer bus_interval_mutex = {
	.name = "interval tree, mutex",
	.create = interval_bus_create,
	.destroy = interval_bus_destroy,
	.add = interval_bus_add,
	.remove = interval_bus_remove,
	.write_all = interval_bus_write_all,
};
