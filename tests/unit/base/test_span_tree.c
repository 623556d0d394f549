// SPDX-License-Identifier: MIT
/*
 * The tree of spans against a list of spans: random edits, some of them given
 * up or out of memory, removals in place, and old versions that must not
 * change.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testing/random.h"
#include "base/span_tree.h"
#include "tests/fault/alloc_fault.h"

/* Larger than the head, and no power of 2. */
struct entry {
	struct bf_span_entry head;
	uint64_t value;
	uint64_t check; /* ~value */
	uint64_t unused[2];
};

struct item {
	struct bf_span span;
	uint64_t value;
	bool removed; /* in place */
};

#define MAX_ITEMS 6000

struct list {
	struct item item[MAX_ITEMS];
	size_t count;
};

/* A published tree, its list, and the nodes that the next version replaced. */
struct version {
	struct bf_span_node *root;
	struct bf_node *replaced;
	struct list list;
};

#define MAX_VERSIONS 4

static struct version versions[MAX_VERSIONS]; /* the newest first */
static size_t nr_versions;
static uint64_t seed = 1, stamp;

static uint64_t below(uint64_t n)
{
	return random_below(&seed, (unsigned int)n);
}

static int setup(void **state)
{
	memset(&versions[0], 0, sizeof(versions[0]));
	nr_versions = 1;
	return 0;
}

static void forget_oldest(void)
{
	bf_nodes_free(versions[--nr_versions].replaced);
}

static int teardown(void **state)
{
	while (nr_versions > 1)
		forget_oldest();
	bf_span_free(versions[0].root, NULL);
	return 0;
}

/* The edit's tree becomes the newest version. */
static void publish(struct bf_edit *edit, struct bf_span_node *root,
		    const struct list *list)
{
	if (nr_versions == MAX_VERSIONS)
		forget_oldest();
	memmove(&versions[1], &versions[0], nr_versions * sizeof(versions[0]));
	nr_versions++;
	versions[1].replaced = bf_edit_end(edit);
	versions[0] = (struct version){.root = root};
	versions[0].list = *list;
}

/* Small addresses, the highest ones, and some in between. */
static uint64_t random_addr(void)
{
	const uint64_t near = below(1 << 12);

	switch (below(4)) {
	case 0:
		return near;
	case 1:
		return UINT64_MAX - near;
	default:
		return near << 44 | below(1 << 10);
	}
}

static struct bf_span random_span(void)
{
	const uint64_t first = random_addr();
	uint64_t more = below(4) ? below(8) : below(1 << 11);

	if (more > UINT64_MAX - first)
		more = UINT64_MAX - first;
	return (struct bf_span){first, first + more};
}

static bool overlaps(struct bf_span a, struct bf_span b)
{
	return a.first <= b.last && b.first <= a.last;
}

static struct item *list_overlap(struct list *list, struct bf_span span)
{
	struct item *item, *found = NULL;

	for (item = list->item; item < list->item + list->count; item++)
		if (!item->removed && overlaps(item->span, span) &&
		    (!found || item->span.first > found->span.first))
			found = item;
	return found;
}

/* The first item that contains addr or begins behind it. */
static const struct item *list_next(const struct list *list, uint64_t addr)
{
	const struct item *item, *found = NULL;

	for (item = list->item; item < list->item + list->count; item++)
		if (!item->removed && item->span.last >= addr &&
		    (!found || item->span.first < found->span.first))
			found = item;
	return found;
}

static void list_remove(struct list *list, struct item *item)
{
	*item = list->item[--list->count];
}

/* An addition drops the items inside of it that were removed in place. */
static void list_add(struct list *list, struct bf_span span, uint64_t value)
{
	size_t i;

	for (i = list->count; i-- > 0;)
		if (list->item[i].removed &&
		    list->item[i].span.first >= span.first &&
		    list->item[i].span.first <= span.last)
			list_remove(list, &list->item[i]);
	list->item[list->count++] = (struct item){span, value, false};
}

static uint64_t value_of(const struct bf_span_entry *head)
{
	const struct entry *entry = (const void *)head;

	assert_int_equal(entry->check, ~entry->value);
	return entry->value;
}

static struct entry entry_of(uint64_t value)
{
	return (struct entry){.value = value, .check = ~value};
}

static void check_find(struct version *version, uint64_t addr, uint64_t len)
{
	struct item *item =
		list_overlap(&version->list, (struct bf_span){addr, addr});
	struct bf_span_hit hit =
		bf_span_find(version->root, sizeof(struct entry), addr, len);

	if (!item || len - 1 > item->span.last - addr) {
		assert_null(hit.entry);
		return;
	}
	assert_non_null(hit.entry);
	assert_int_equal(value_of(hit.entry), item->value);
	assert_int_equal(hit.offset, addr - item->span.first);
	assert_int_equal(hit.size - 1, item->span.last - item->span.first);
}

static void check_next(const struct version *version, uint64_t addr)
{
	const struct item *item = list_next(&version->list, addr);
	struct bf_span_entry *entry;
	struct bf_span span;

	entry = bf_span_next(version->root, addr, &span);
	if (!item) {
		assert_null(entry);
		return;
	}
	assert_non_null(entry);
	assert_int_equal(value_of(entry), item->value);
	assert_int_equal(span.first, item->span.first);
	assert_int_equal(span.last, item->span.last);
}

/* An addition that does not fit, and changes nothing. */
static void check_overlap(struct version *version, struct bf_span span)
{
	struct item *item = list_overlap(&version->list, span);
	struct bf_span_node *root = version->root;
	const struct entry entry = entry_of(0);
	struct bf_span_entry *existing;
	struct bf_edit edit;

	if (!item)
		return;
	bf_edit_begin(&edit, ++stamp);
	assert_int_equal(bf_span_add(&edit, &root, span, &entry.head,
				     sizeof(entry), &existing),
			 -EEXIST);
	assert_int_equal(value_of(existing), item->value);
	bf_edit_abort(&edit);
}

/* At the ends of each span, and anywhere. */
static void check_lookups(struct version *version)
{
	const uint64_t lens[] = {1, 2, 8, UINT64_MAX};
	struct bf_span span;
	size_t i;

	for (i = 0; i < 40; i++) {
		span = random_span();
		if (version->list.count && below(2))
			span = version->list.item[below(version->list.count)]
				       .span;
		check_find(version, span.first, lens[below(4)]);
		check_find(version, span.last, lens[below(4)]);
		check_find(version, span.first - 1, 1);
		check_find(version, span.last + 1, 1);
		check_next(version, span.first);
		check_next(version, span.last + 1);
		check_overlap(version, span);
		check_overlap(version, random_span());
	}
}

static void check_keys(const struct bf_span_node *node)
{
	size_t i;

	assert_in_range(node->count, 1, BF_SPAN_FANOUT);
	for (i = 0; i < BF_SPAN_FANOUT; i++) {
		if (i >= node->count)
			assert_int_equal(node->first[i], UINT64_MAX);
		else if (i)
			assert_true(node->first[i - 1] < node->first[i]);
	}
}

/* All leaves are at one level, and each key is the first address below it. */
static size_t count_nodes(const struct bf_span_node *node)
{
	const struct bf_span_node *child;
	size_t i, items = 0;

	check_keys(node);
	if (!node->level)
		return node->count;
	for (i = 0; i < node->count; i++) {
		child = bf_span_children(node)[i];
		assert_int_equal(child->level, node->level - 1);
		assert_int_equal(child->first[0], node->first[i]);
		assert_int_equal(child->entry_size, node->entry_size);
		items += count_nodes(child);
	}
	return items;
}

/* Walks the whole tree, beside the list; returns the number of entries. */
static size_t walk_tree(const struct version *version)
{
	struct bf_span_entry *entry;
	struct bf_span span;
	const struct item *item;
	uint64_t next = 0;
	size_t count = 0;

	bf_span_for_each(entry, version->root, &span) {
		assert_true(!count || span.first >= next);
		item = list_next(&version->list, span.first);
		if (!item)
			return SIZE_MAX;
		assert_int_equal(item->span.first, span.first);
		assert_int_equal(item->span.last, span.last);
		assert_int_equal(item->value, value_of(entry));
		next = span.last + 1;
		count++;
	}
	return count;
}

static size_t count_live(const struct list *list)
{
	size_t i, live = 0;

	for (i = 0; i < list->count; i++)
		live += !list->item[i].removed;
	return live;
}

static void check_version(struct version *version)
{
	if (version->root)
		assert_int_equal(count_nodes(version->root),
				 version->list.count);
	else
		assert_int_equal(version->list.count, 0);
	assert_int_equal(walk_tree(version), count_live(&version->list));
	check_lookups(version);
}

/* One random change of a tree and its list; 0 or -ENOMEM. */
static int change(struct bf_edit *edit, struct bf_span_node **root,
		  struct list *list, bool grow)
{
	struct item *item = &list->item[list->count ? below(list->count) : 0];
	struct entry entry = entry_of(below(UINT32_MAX));
	struct bf_span span = random_span();
	struct bf_span_entry *head;
	int ret;

	if (!list->count || below(8) < (grow ? 6 : 2)) {
		if (list_overlap(list, span) || list->count == MAX_ITEMS)
			return 0;
		ret = bf_span_add(edit, root, span, &entry.head, sizeof(entry),
				  &head);
		if (!ret)
			list_add(list, span, entry.value);
		return ret;
	}
	if (item->removed || below(4)) {
		if (bf_span_remove(edit, root, item->span.first))
			return -ENOMEM;
		list_remove(list, item);
		return 0;
	}
	head = bf_span_own(edit, root, item->span.first);
	if (!head)
		return -ENOMEM;
	entry.head = *head;
	memcpy(head, &entry, sizeof(entry));
	item->value = entry.value;
	return 0;
}

static int change_some(struct bf_edit *edit, struct bf_span_node **root,
		       struct list *list, bool grow)
{
	size_t i, count = 1 + below(below(4) ? 4 : 1200);

	for (i = 0; i < count; i++)
		if (change(edit, root, list, grow))
			return -ENOMEM;
	return 0;
}

/* The same change with each allocation failing in turn, and then none. */
static int change_without_memory(struct bf_edit *edit,
				 struct bf_span_node **root, struct list *list,
				 bool grow)
{
	const struct list before = *list;
	const uint64_t first_seed = seed;
	const long live = alloc_live();
	int n, ret;

	for (n = 1;; n += 1 + n / 2) {
		seed = first_seed;
		alloc_fail_at(n);
		ret = change_some(edit, root, list, grow);
		alloc_fail_at(0);
		if (!ret)
			return 0;
		bf_edit_abort(edit);
		assert_int_equal(alloc_live(), live);
		*root = versions[0].root;
		*list = before;
		check_version(&versions[0]);
		bf_edit_begin(edit, ++stamp);
	}
}

static void edit_once(bool grow, bool short_of_memory)
{
	struct bf_span_node *root = versions[0].root;
	static struct list list;
	struct bf_edit edit;
	int ret;

	list = versions[0].list;
	bf_edit_begin(&edit, ++stamp);
	ret = short_of_memory ?
		      change_without_memory(&edit, &root, &list, grow) :
		      change_some(&edit, &root, &list, grow);
	assert_int_equal(ret, 0);
	if (below(4))
		publish(&edit, root, &list);
	else
		bf_edit_abort(&edit);
}

/* Old versions have the entry or not: they may share its leaf. */
static void remove_in_place(void)
{
	struct list *list = &versions[0].list;
	struct item *item;

	while (nr_versions > 1)
		forget_oldest();
	versions[0].replaced = NULL;
	if (!list->count)
		return;
	item = &list->item[below(list->count)];
	bf_span_set_size(versions[0].root, item->span.first, 0);
	item->removed = true;
	check_version(&versions[0]);
	if (below(2))
		return;
	/* The removal failed: it comes back. */
	bf_span_set_size(versions[0].root, item->span.first,
			 item->span.last - item->span.first + 1);
	item->removed = false;
}

static void test_random_edits(void **state)
{
	size_t i, round;

	for (round = 0; round < 600; round++) {
		edit_once(round / 100 % 2 == 0, false);
		if (!below(8))
			remove_in_place();
		if (round % 8)
			continue;
		for (i = 0; i < nr_versions; i++)
			check_version(&versions[i]);
	}
}

static void test_edits_without_memory(void **state)
{
	const long live = alloc_live();
	size_t round;

	for (round = 0; round < 120; round++) {
		edit_once(round / 40 % 2 == 0, true);
		if (!below(8))
			remove_in_place();
	}
	teardown(state);
	assert_int_equal(alloc_live(), live);
	setup(state);
}

static void add_at(struct bf_edit *edit, struct bf_span_node **root,
		   uint64_t first)
{
	const struct entry entry = entry_of(first);
	struct bf_span_entry *existing;

	assert_int_equal(bf_span_add(edit, root, (struct bf_span){first, first},
				     &entry.head, sizeof(entry), &existing),
			 0);
}

/* A node that is split by rising addresses keeps all items but one. */
static void test_rising_addresses_fill_nodes(void **state)
{
	const uint64_t count = (BF_SPAN_FANOUT - 1) * (BF_SPAN_FANOUT - 1);
	struct bf_edit edit;
	uint64_t i;

	bf_edit_begin(&edit, ++stamp);
	for (i = 0; i < count; i++)
		add_at(&edit, &versions[0].root, i);
	bf_edit_end(&edit);
	assert_int_equal(versions[0].root->level, 1);
	assert_int_equal(count_nodes(versions[0].root), count);
}

/* Each removal leaves a sound tree, and the last one leaves no tree. */
static void test_shrinks_to_nothing(void **state)
{
	const uint64_t count = 5000; /* so that 7919 visits each */
	struct bf_edit edit;
	uint64_t i;

	bf_edit_begin(&edit, ++stamp);
	for (i = 0; i < count; i++)
		add_at(&edit, &versions[0].root, i * 7919 % count);
	bf_nodes_free(bf_edit_end(&edit));
	for (i = 0; i < count; i++) {
		bf_edit_begin(&edit, ++stamp);
		assert_int_equal(bf_span_remove(&edit, &versions[0].root,
						i * 3001 % count),
				 0);
		bf_nodes_free(bf_edit_end(&edit));
		if (i % 50 == 0)
			assert_int_equal(count_nodes(versions[0].root),
					 count - i - 1);
	}
	assert_null(versions[0].root);
}

/* The whole space but one address is the largest span there is. */
static void test_largest_span(void **state)
{
	const struct bf_span span = {1, UINT64_MAX};
	const struct entry entry = entry_of(7);
	struct bf_span_entry *existing;
	struct bf_span_hit hit;
	struct bf_edit edit;

	bf_edit_begin(&edit, ++stamp);
	assert_int_equal(bf_span_add(&edit, &versions[0].root, span,
				     &entry.head, sizeof(entry), &existing),
			 0);
	bf_edit_end(&edit);
	hit = bf_span_find(versions[0].root, sizeof(entry), 1, UINT64_MAX);
	assert_non_null(hit.entry);
	hit = bf_span_find(versions[0].root, sizeof(entry), UINT64_MAX, 1);
	assert_int_equal(hit.offset, UINT64_MAX - 1);
	hit = bf_span_find(versions[0].root, sizeof(entry), UINT64_MAX, 2);
	assert_null(hit.entry);
	hit = bf_span_find(versions[0].root, sizeof(entry), 0, 1);
	assert_null(hit.entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_edits, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_edits_without_memory,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_rising_addresses_fill_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shrinks_to_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_largest_span, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("span_tree", tests, NULL, NULL);
}
