// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "io_bus/bus.h"
#include "io_bus/ptrhash.h"
#include "util.h"

#define MIN_SLOTS 8

static struct bf_ptrhash_table *table_new(size_t slots)
{
	struct bf_ptrhash_table *table;

	table = calloc(1, sizeof(*table) + slots * sizeof(table->slots[0]));
	if (table)
		table->mask = slots - 1;
	return table;
}

static void table_free(struct srcu_head *head)
{
	free(container_of(head, struct bf_ptrhash_table, head));
}

static bool is_entry(const struct bf_ptrhash_entry *entry)
{
	return entry && entry != BF_PTRHASH_GRAVE;
}

static size_t free_slot(const struct bf_ptrhash_table *table, uint64_t value)
{
	size_t i = value & table->mask;

	while (is_entry(table->slots[i]))
		i = (i + 1) & table->mask;
	return i;
}

/* Room for count entries at a quarter of the slots, so that it lasts. */
static size_t slots_for(size_t count)
{
	size_t slots = MIN_SLOTS;

	while (slots < 4 * count)
		slots *= 2;
	return slots;
}

static int rebuild(struct bf_ptrhash *hash, struct bf_io_bus *bus)
{
	struct bf_ptrhash_table *old = hash->table, *table;
	size_t i;

	table = table_new(slots_for(hash->live + 1));
	if (!table)
		return -ENOMEM;
	for (i = 0; old && i <= old->mask; i++) {
		struct bf_ptrhash_entry *entry = old->slots[i];

		if (is_entry(entry))
			table->slots[free_slot(table, entry->hash)] = entry;
	}
	hash->used = hash->live;
	/* Release: who loads the table sees its slots. */
	__atomic_store_n(&hash->table, table, __ATOMIC_RELEASE);
	if (old)
		bf_io_defer(bus, &old->head, table_free);
	return 0;
}

int bf_ptrhash_reserve(struct bf_ptrhash *hash, struct bf_io_bus *bus)
{
	if (hash->table && 2 * (hash->used + 1) <= hash->table->mask + 1)
		return 0;
	return rebuild(hash, bus);
}

void bf_ptrhash_insert(struct bf_ptrhash *hash, struct bf_ptrhash_entry *entry)
{
	size_t i = free_slot(hash->table, entry->hash);

	if (!hash->table->slots[i])
		hash->used++;
	hash->live++;
	/* Release: who finds the entry sees what embeds it. */
	__atomic_store_n(&hash->table->slots[i], entry, __ATOMIC_RELEASE);
}

void bf_ptrhash_remove(struct bf_ptrhash *hash, struct bf_ptrhash_entry *entry)
{
	struct bf_ptrhash_table *table = hash->table;
	size_t i = entry->hash & table->mask;

	while (table->slots[i] != entry)
		i = (i + 1) & table->mask;
	__atomic_store_n(&table->slots[i], BF_PTRHASH_GRAVE, __ATOMIC_RELAXED);
	hash->live--;
}

void bf_ptrhash_destroy(struct bf_ptrhash *hash,
			void (*fn)(struct bf_ptrhash_entry *entry))
{
	size_t i;

	if (!hash->table)
		return;
	for (i = 0; i <= hash->table->mask; i++)
		if (is_entry(hash->table->slots[i]))
			fn(hash->table->slots[i]);
	free(hash->table);
}
