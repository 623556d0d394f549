// SPDX-License-Identifier: MIT
/*
 * The structure of kvmtool's bus (mmio.c, util/rbtree-interval.c): an interval
 * tree, a red-black tree by base whose nodes know the highest end below them,
 * and one mutex.  An access takes it to find its range and count itself in, and
 * again to count itself out; the handler runs without.  Who counts itself out
 * last frees a range that was removed meanwhile.
 */
#include <pthread.h>
#include <stdlib.h>

#include "bus_peer.h"
#include "rbtree.h"
#include "base/util.h"

struct interval {
	struct rb_node node;
	uint64_t end;	  /* of this one */
	uint64_t max_end; /* of it and all below it */
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

static void update(struct rb_node *node)
{
	struct interval *interval = interval_of(node);
	uint64_t end = interval->end;

	for (int side = 0; side < 2; side++) {
		if (max_end(node->child[side]) > end)
			end = max_end(node->child[side]);
	}
	interval->max_end = end;
}

static void *create(void)
{
	struct interval_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return NULL;
	bus->tree.update = update;
	pthread_mutex_init(&bus->lock, NULL);
	return bus;
}

static void destroy(void *opaque)
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

static bool insert(struct rb_tree *tree, struct interval *new)
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

static void *add(void *opaque, const struct bf_io_range_desc *desc)
{
	struct interval *interval = calloc(1, sizeof(*interval));
	struct interval_bus *bus = opaque;
	bool inserted;

	if (!interval)
		return NULL;
	interval->desc = *desc;
	interval->end = desc->addr + desc->size;
	pthread_mutex_lock(&bus->lock);
	inserted = insert(&bus->tree, interval);
	pthread_mutex_unlock(&bus->lock);
	if (inserted)
		return interval;
	free(interval);
	return NULL;
}

static void remove_interval(void *opaque, void *range)
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

/* Left as long as something there ends behind the address. */
static struct interval *find(const struct rb_tree *tree, uint64_t addr)
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

static struct interval *get(struct interval_bus *bus,
			    const struct bf_io_access *access)
{
	struct interval *interval;

	pthread_mutex_lock(&bus->lock);
	interval = find(&bus->tree, access->addr);
	if (interval && !bus_takes(&interval->desc, access))
		interval = NULL;
	if (interval)
		interval->users++;
	pthread_mutex_unlock(&bus->lock);
	return interval;
}

static void put(struct interval_bus *bus, struct interval *interval)
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
	struct interval *interval = get(bus, access);
	int ret;

	if (!interval)
		return -EOPNOTSUPP;
	ret = bus_call(&interval->desc, access);
	put(bus, interval);
	return ret;
}

static void write_all(void *bus, const uint64_t *addrs, size_t count)
{
	bus_write_all(bus, access_bus, addrs, count);
}

const struct bus_peer bus_interval_mutex = {
	.name = "interval tree, mutex",
	.create = create,
	.destroy = destroy,
	.add = add,
	.remove = remove_interval,
	.write_all = write_all,
};
