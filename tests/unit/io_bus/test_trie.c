// SPDX-License-Identifier: MIT
/*
 * The trie against an array of its keys: random edits, some of them aborted,
 * and removals in place.  After each batch the test checks keys and nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io_bus/trie.h"
#include "base/random.h"

#define MAX_KEYS 20000

struct item {
	struct bf_trie_entry entry;
	bool present;
};

static struct item items[2][MAX_KEYS]; /* for each key an item and a spare */
static bool other[MAX_KEYS];	       /* the trie has the spare */
static uintptr_t root;
static uint64_t stamp;

static struct item *item_of(size_t key)
{
	return &items[other[key]][key];
}

static uint64_t seed = 1;

static size_t below(size_t n)
{
	return random_below(&seed, (unsigned int)n);
}

static bool is_present(size_t key)
{
	return item_of(key)->present;
}

/* Keys that are close together, far apart, and equal in their low bits. */
static uint64_t key_value(size_t key)
{
	switch (key % 3) {
	case 0:
		return key;
	case 1:
		return (uint64_t)key << 40;
	default:
		return UINT64_MAX - key * 0x1000;
	}
}

static int setup(void **state)
{
	memset(items, 0, sizeof(items));
	memset(other, 0, sizeof(other));
	root = 0;
	for (size_t key = 0; key < MAX_KEYS; key++)
		for (int i = 0; i < 2; i++)
			items[i][key].entry.hash = bf_trie_hash(key_value(key));
	return 0;
}

static void test_key_of_a_hash(void **state)
{
	uint64_t key = 1;

	for (int i = 0; i < 100000; i++, key = key * 6364136223846793005 + 1)
		assert_int_equal(bf_trie_key(bf_trie_hash(key)), key);
	assert_int_equal(bf_trie_key(bf_trie_hash(0)), 0);
	assert_int_equal(bf_trie_key(bf_trie_hash(UINT64_MAX)), UINT64_MAX);
}

static int count_one(void *opaque, struct bf_trie_entry *entry)
{
	(*(size_t *)opaque)++;
	return 0;
}

static size_t count_of(uintptr_t slot)
{
	size_t count = 0;

	bf_trie_each(slot, count_one, &count);
	return count;
}

/* The items are not in memory of their own. */
static void ignore_entry(struct bf_trie_entry *entry)
{
}

static int teardown(void **state)
{
	bf_trie_destroy(root, ignore_entry);
	return 0;
}

static void change(struct bf_edit *edit, uintptr_t *where, size_t key)
{
	int ret;

	if (!is_present(key)) {
		ret = bf_trie_add(edit, where, &item_of(key)->entry);
		item_of(key)->present = true;
	} else if (below(4)) {
		ret = bf_trie_remove(edit, where, item_of(key)->entry.hash);
		item_of(key)->present = false;
	} else {
		item_of(key)->present = false;
		other[key] = !other[key];
		item_of(key)->present = true;
		ret = bf_trie_replace(edit, where, &item_of(key)->entry);
	}
	assert_int_equal(ret, 0);
}

/* Several changes in one edit. */
static void edit(size_t keys, size_t changes)
{
	struct bf_edit edit;

	bf_edit_begin(&edit, ++stamp);
	while (changes--)
		change(&edit, &root, below(keys));
	bf_nodes_free(bf_edit_end(&edit));
}

/* An edit that is aborted leaves the trie as it was. */
static void abort_edit(size_t keys, size_t changes)
{
	uintptr_t copy = root;
	struct bf_edit edit;
	size_t key;

	bf_edit_begin(&edit, ++stamp);
	while (changes--) {
		key = below(keys);
		if (is_present(key))
			assert_int_equal(
				bf_trie_replace(&edit, &copy,
						&items[!other[key]][key].entry),
				0);
	}
	bf_edit_abort(&edit);
}

static void clear(size_t keys)
{
	size_t key = below(keys);

	if (!is_present(key))
		return;
	bf_trie_clear(&root, item_of(key)->entry.hash);
	item_of(key)->present = false;
}

/* Counts are exact, and no node is superfluous. */
static void check_nodes(uintptr_t slot, unsigned int depth)
{
	struct bf_trie_node *node;

	if (slot & BF_TRIE_LEAF) {
		assert_true(depth >= 2);
		assert_in_range(bf_trie_leaf(slot)->count, 1, BF_TRIE_LEAVES);
	}
	if (!(slot & BF_TRIE_NODE))
		return;
	node = bf_trie_node(slot);
	assert_int_equal(node->count, count_of(slot));
	for (int i = 0; i < BF_TRIE_SLOTS; i++)
		check_nodes(node->slot[i], depth + 1);
}

static void check(size_t keys)
{
	struct bf_trie_entry *found;
	size_t key, count = 0;

	for (key = 0; key < keys; key++) {
		found = bf_trie_find(&root, item_of(key)->entry.hash);
		assert_ptr_equal(found,
				 is_present(key) ? &item_of(key)->entry : NULL);
		count += is_present(key);
	}
	assert_int_equal(count_of(root), count);
	assert_int_equal(bf_trie_any(root) != NULL, count != 0);
	check_nodes(root, 0);
}

static void remove_all(size_t keys)
{
	struct bf_edit edit;

	bf_edit_begin(&edit, ++stamp);
	for (size_t key = 0; key < keys; key++) {
		if (!is_present(key))
			continue;
		assert_int_equal(bf_trie_remove(&edit, &root,
						item_of(key)->entry.hash),
				 0);
		item_of(key)->present = false;
	}
	bf_nodes_free(bf_edit_end(&edit));
}

static const size_t sizes[] = {1, 2, 3, 20, 300, 5000, MAX_KEYS};

static void test_random_edits(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const size_t keys = sizes[i];

		for (int round = 0; round < 20; round++) {
			for (size_t n = 0; n < keys / 4 + 10; n++) {
				edit(keys, 1 + below(5));
				if (!below(8))
					abort_edit(keys, 3);
			}
			check(keys);
		}
		remove_all(keys);
		assert_int_equal(root, 0);
	}
}

/* Entries that were cleared in place do not disturb later edits. */
static void test_removals_in_place(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const size_t keys = sizes[i];

		for (int round = 0; round < 20; round++) {
			for (size_t n = 0; n < keys / 4 + 10; n++) {
				edit(keys, 1 + below(3));
				clear(keys);
			}
			check(keys);
			for (size_t n = 0; round % 5 == 0 && n < 2 * keys; n++)
				clear(keys);
			check(keys);
		}
		remove_all(keys);
		check(keys);
	}
}

/* The deepest paths: hashes that differ in their last bits alone. */
static void test_hashes_with_equal_low_bits(void **state)
{
	struct bf_trie_entry alike[64];
	struct bf_edit edit;

	bf_edit_begin(&edit, ++stamp);
	for (uint64_t i = 0; i < 64; i++) {
		alike[i].hash = i % 16 << 60 | i / 16 << 12 | 0x123;
		assert_int_equal(bf_trie_add(&edit, &root, &alike[i]), 0);
	}
	bf_nodes_free(bf_edit_end(&edit));
	for (int i = 0; i < 64; i++)
		assert_ptr_equal(bf_trie_find(&root, alike[i].hash), &alike[i]);
	check_nodes(root, 0);
	bf_edit_begin(&edit, ++stamp);
	for (int i = 0; i < 64; i++)
		assert_int_equal(bf_trie_remove(&edit, &root, alike[i].hash),
				 0);
	bf_nodes_free(bf_edit_end(&edit));
	assert_int_equal(root, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_key_of_a_hash),
		TEST(test_random_edits),
		TEST(test_removals_in_place),
		TEST(test_hashes_with_equal_low_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
