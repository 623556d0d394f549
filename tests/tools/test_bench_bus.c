// SPDX-License-Identifier: MIT
/*
 * The buses of other structure in `belfry bench io_bus` are correct: random
 * changes and accesses have the result of a map with an owner for each word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "tools/bench/peers/bus_peer.h"

#define WORDS	1024 /* of 4 bytes, in the space */
#define ENTRIES 64
#define LONGEST 24 /* words in a range */
#define STEPS	200000

struct entry {
	void *range; /* handle of the bus; NULL: not registered */
	struct bf_io_range_desc desc;
};

static struct entry entries[ENTRIES];
static const struct entry *owners[WORDS]; /* NULL: no range there */

static struct {
	const struct entry *entry;
	uint64_t offset;
	unsigned int times;
} called;

static int on_write(void *opaque, uint64_t offset,
		    const struct bf_io_access *access)
{
	called.entry = opaque;
	called.offset = offset;
	called.times++;
	return 0;
}

static const struct bf_io_ops ops = {.write = on_write};

static size_t random_below(size_t below)
{
	static uint32_t state = 2463534242;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % below;
}

static void set_owner(const struct entry *entry, const struct entry *owner)
{
	size_t first = entry->desc.addr / 4, words = entry->desc.size / 4;

	for (size_t i = first; i < first + words; i++)
		owners[i] = owner;
}

static bool is_free(const struct bf_io_range_desc *desc)
{
	for (size_t i = desc->addr / 4; i < (desc->addr + desc->size) / 4; i++)
		if (owners[i])
			return false;
	return true;
}

static void add(const struct bus_peer *peer, void *bus, struct entry *entry)
{
	size_t words = 1 + random_below(LONGEST);

	entry->desc = (struct bf_io_range_desc){
		.addr = random_below(WORDS - words) * 4,
		.size = words * 4,
		.ops = &ops,
		.opaque = entry,
	};
	entry->range = peer->add(bus, &entry->desc);
	assert_int_equal(entry->range != NULL, is_free(&entry->desc));
	if (entry->range)
		set_owner(entry, entry);
}

static void remove_entry(const struct bus_peer *peer, void *bus,
			 struct entry *entry)
{
	peer->remove(bus, entry->range);
	entry->range = NULL;
	set_owner(entry, NULL);
}

/* Half of the accesses cross from one word to the next. */
static void access_one(const struct bus_peer *peer, void *bus)
{
	const uint64_t addr = random_below(2 * WORDS - 3) * 2;
	const struct entry *owner = owners[addr / 4];

	if (owners[(addr + 3) / 4] != owner)
		owner = NULL;
	called.times = 0;
	peer->write_all(bus, &addr, 1);
	assert_int_equal(called.times, owner != NULL);
	if (!owner)
		return;
	assert_ptr_equal(called.entry, owner);
	assert_int_equal(called.offset, addr - owner->desc.addr);
}

static void check(const struct bus_peer *peer)
{
	void *bus = peer->create();

	assert_non_null(bus);
	for (int i = 0; i < STEPS; i++) {
		struct entry *entry = &entries[random_below(ENTRIES)];

		if (!entry->range)
			add(peer, bus, entry);
		else if (random_below(3) == 0)
			remove_entry(peer, bus, entry);
		access_one(peer, bus);
	}
	for (int i = 0; i < ENTRIES; i++) {
		if (entries[i].range && i % 2)
			remove_entry(peer, bus, &entries[i]);
		else if (entries[i].range)
			set_owner(&entries[i], NULL);
		entries[i].range = NULL;
	}
	peer->destroy(bus);
}

static void test_peers_match_model(void **state)
{
	for (size_t i = 0; bus_peers[i]; i++)
		check(bus_peers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peers_match_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
