// SPDX-License-Identifier: MIT
/*
 * Device ranges: per space a sorted array, replaced whole at each addition.
 * A removal only clears the pointer in its entry, so that it needs no memory
 * and cannot fail; the next addition leaves such entries out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/bus.h"
#include "util.h"

struct bf_io_range {
	uint64_t first;
	uint64_t last; /* inclusive: a range may end at 2^64 */
	uint16_t space;
	const struct bf_io_ops *ops;
	void *opaque;
	char name[32];
};

struct bf_range_slot {
	uint64_t first;
	uint64_t last;
	struct bf_io_range *range; /* NULL: removed */
};

struct bf_range_table {
	struct srcu_head head;
	size_t count;
	struct bf_range_slot slots[]; /* by first; disjoint */
};

static void table_free(struct srcu_head *head)
{
	free(container_of(head, struct bf_range_table, head));
}

/* How many slots begin at or before addr. */
static size_t slots_up_to(const struct bf_range_table *table, uint64_t addr)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (table->slots[mid].first <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The range that contains [addr, addr + len), in a section of the bus. */
static struct bf_io_range *find_range(const struct bf_range_table *table,
				      uint64_t addr, uint32_t len)
{
	const struct bf_range_slot *slot;
	size_t n = slots_up_to(table, addr);

	if (!n)
		return NULL;
	slot = &table->slots[n - 1];
	/* Not addr + len: that may wrap. */
	if (addr > slot->last || len - 1 > slot->last - addr)
		return NULL;
	return __atomic_load_n(&slot->range, __ATOMIC_CONSUME);
}

int bf_range_access(struct bf_io_bus *bus, const struct bf_io_access *access)
{
	const struct bf_range_table *table =
		srcu_dereference(bus->ranges[access->space], &bus->srcu);
	struct bf_io_range *range;

	range = table ? find_range(table, access->addr, access->len) : NULL;
	if (!range)
		return -EOPNOTSUPP;
	return bf_io_call_handler(bus, range->ops, range->opaque,
				  access->addr - range->first, access);
}

static struct bf_io_party range_party(const struct bf_io_range *range)
{
	struct bf_io_party party = {
		.kind = BF_IO_RANGE,
		.space = range->space,
		.addr = range->first,
		.size = range->last - range->first + 1,
	};

	memcpy(party.name, range->name, sizeof(party.name));
	return party;
}

/* The first live range that overlaps; update lock held. */
static struct bf_io_range *find_overlap(const struct bf_range_table *table,
					const struct bf_io_range *range)
{
	size_t i, n = table ? slots_up_to(table, range->last) : 0;

	/* Disjoint and sorted: going down, ends go down too. */
	for (i = n; i-- > 0 && table->slots[i].last >= range->first;)
		if (table->slots[i].range)
			return table->slots[i].range;
	return NULL;
}

static void add_slot(struct bf_range_table *table, struct bf_io_range *range)
{
	struct bf_range_slot *slot = &table->slots[table->count++];

	slot->first = range->first;
	slot->last = range->last;
	slot->range = range;
}

/* The live slots of old, and range in its place. */
static struct bf_range_table *table_with(const struct bf_range_table *old,
					 struct bf_io_range *range)
{
	size_t i, count = old ? old->count : 0;
	struct bf_range_table *table;
	bool placed = false;

	table = malloc(sizeof(*table) + (count + 1) * sizeof(table->slots[0]));
	if (!table)
		return NULL;
	table->count = 0;
	for (i = 0; i < count; i++) {
		if (!old->slots[i].range)
			continue;
		if (!placed && old->slots[i].first > range->first) {
			add_slot(table, range);
			placed = true;
		}
		add_slot(table, old->slots[i].range);
	}
	if (!placed)
		add_slot(table, range);
	return table;
}

static int publish_range(struct bf_io_bus *bus, struct bf_io_range *range,
			 struct bf_io_conflict *conflict)
{
	struct bf_range_table *old = bus->ranges[range->space], *table;
	struct bf_io_range *other = find_overlap(old, range);

	if (other) {
		if (conflict) {
			conflict->wanted = range_party(range);
			conflict->existing = range_party(other);
		}
		return -EEXIST;
	}
	table = table_with(old, range);
	if (!table)
		return -ENOMEM;
	srcu_assign_pointer(bus->ranges[range->space], table);
	if (old)
		bf_io_defer(bus, &old->head, table_free);
	return 0;
}

static struct bf_io_range *range_new(const struct bf_io_range_desc *desc)
{
	struct bf_io_range *range = calloc(1, sizeof(*range));

	if (!range)
		return NULL;
	range->first = desc->addr;
	range->last = desc->addr + (desc->size - 1);
	range->space = desc->space;
	range->ops = desc->ops;
	range->opaque = desc->opaque;
	bf_io_copy_name(range->name, desc->name);
	return range;
}

int bf_io_add_range(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		    struct bf_io_range **rangep,
		    struct bf_io_conflict *conflict)
{
	struct bf_io_range *range;
	int ret;

	if (!desc->size || !desc->ops || desc->space >= BF_IO_SPACES ||
	    desc->size - 1 > UINT64_MAX - desc->addr)
		return -EINVAL;
	range = range_new(desc);
	if (!range)
		return -ENOMEM;
	pthread_mutex_lock(&bus->lock);
	ret = publish_range(bus, range, conflict);
	pthread_mutex_unlock(&bus->lock);
	if (ret)
		free(range);
	else if (rangep)
		*rangep = range;
	return ret;
}

/* The slot of a range that is registered; update lock held. */
static struct bf_range_slot *range_slot(struct bf_io_bus *bus,
					const struct bf_io_range *range)
{
	struct bf_range_table *table = bus->ranges[range->space];

	return &table->slots[slots_up_to(table, range->first) - 1];
}

int bf_io_remove_range(struct bf_io_bus *bus, struct bf_io_range *range)
{
	if (bf_io_in_handler(bus))
		return -EDEADLK;
	pthread_mutex_lock(&bus->lock);
	__atomic_store_n(&range_slot(bus, range)->range, NULL,
			 __ATOMIC_RELAXED);
	pthread_mutex_unlock(&bus->lock);
	/*
	 * Also waits for those who still search an older table, where the
	 * pointer stands: they began before.
	 */
	synchronize_srcu_expedited(&bus->srcu);
	free(range);
	return 0;
}

void bf_ranges_destroy(struct bf_io_bus *bus)
{
	unsigned int space;
	size_t i;

	for (space = 0; space < BF_IO_SPACES; space++) {
		struct bf_range_table *table = bus->ranges[space];

		for (i = 0; table && i < table->count; i++)
			free(table->slots[i].range);
		free(table);
	}
}
