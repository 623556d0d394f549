// SPDX-License-Identifier: MIT
/*
 * An addition splits each full node on its way down.  A removal frees nodes
 * that become empty, and joins none: to look at a neighbour would cost a cache
 * miss, and joined nodes would be split again by the next additions.  The
 * height is that of the most entries since the tree was empty.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/span_tree.h"

/* The size of an entry or of a pointer to a child. */
static size_t item_size(const struct bf_span_node *node)
{
	return node->level ? sizeof(struct bf_span_node *) : node->entry_size;
}

static void *item_at(const struct bf_span_node *node, uint32_t i)
{
	if (node->level)
		return &bf_span_children(node)[i];
	return bf_span_entry(node, node->entry_size, i);
}

/* The size of a node with so many items. */
static size_t node_size(uint32_t level, size_t entry_size, uint32_t items)
{
	return sizeof(struct bf_span_node) +
	       items * (level ? sizeof(struct bf_span_node *) : entry_size);
}

/* How many keys of a node are at or below addr. */
static uint32_t rank_of(const struct bf_span_node *node, uint64_t addr)
{
	if (addr == UINT64_MAX)
		return node->count;
	return node->first[0] <= addr ?
		       (uint32_t)(bf_span_key(node, addr) - node->first) + 1 :
		       0;
}

/* Sets the count, and the keys of unused places. */
static void node_set_count(struct bf_span_node *node, uint32_t count)
{
	uint32_t i;

	node->count = (uint16_t)count;
	for (i = count; i < BF_SPAN_FANOUT; i++)
		node->first[i] = UINT64_MAX;
}

static struct bf_span_node *node_make(struct bf_edit *edit, uint32_t level,
				      size_t entry_size)
{
	struct bf_span_node *node = bf_edit_alloc(
		edit, node_size(level, entry_size, BF_SPAN_FANOUT));

	if (!node)
		return NULL;
	node->level = (uint16_t)level;
	node->entry_size = (uint32_t)entry_size;
	node_set_count(node, 0);
	return node;
}

/* Makes *nodep a node that the edit may change; NULL: no memory. */
static struct bf_span_node *node_own(struct bf_edit *edit,
				     struct bf_span_node **nodep)
{
	struct bf_span_node *node = *nodep;

	if (bf_edit_owns(edit, &node->node))
		return node;
	node = bf_edit_copy(
		edit, &node->node,
		node_size(node->level, node->entry_size, BF_SPAN_FANOUT),
		node_size(node->level, node->entry_size, node->count));
	if (node)
		*nodep = node;
	return node;
}

static struct bf_span_node *child_own(struct bf_edit *edit,
				      struct bf_span_node *node, uint32_t i)
{
	return node_own(edit, &bf_span_children(node)[i]);
}

/* Moves count items, in one node or between two of a level. */
static void items_move(struct bf_span_node *to, uint32_t at,
		       const struct bf_span_node *from, uint32_t start,
		       uint32_t count)
{
	if (!count)
		return;
	memmove(&to->first[at], &from->first[start],
		count * sizeof(to->first[0]));
	memmove(item_at(to, at), item_at(from, start), count * item_size(to));
}

static void item_insert(struct bf_span_node *node, uint32_t i, uint64_t first,
			const void *item)
{
	items_move(node, i + 1, node, i, node->count - i);
	node->first[i] = first;
	memcpy(item_at(node, i), item, item_size(node));
	node->count++;
}

static void item_delete(struct bf_span_node *node, uint32_t i)
{
	node->count--;
	items_move(node, i, node, i + 1, node->count - i);
	node->first[node->count] = UINT64_MAX;
}

static void child_insert(struct bf_span_node *node, uint32_t i,
			 struct bf_span_node *child)
{
	item_insert(node, i, child->first[0], &child);
}

/*
 * How many items of a full node stay in it: half; or all but one where the new
 * item comes behind all others.  Devices often get rising addresses, which
 * would leave each node half full and the tree higher.
 */
static uint32_t lower_part(const struct bf_span_node *node, uint64_t first)
{
	return first > node->first[node->count - 1] ? node->count - 1U :
						      node->count / 2U;
}

/* Moves the upper part of child i to a new child behind it; both are owned. */
static int child_split(struct bf_edit *edit, struct bf_span_node *node,
		       uint32_t i, uint64_t first)
{
	struct bf_span_node *child = bf_span_children(node)[i], *upper;
	uint32_t keep = lower_part(child, first);

	upper = node_make(edit, child->level, child->entry_size);
	if (!upper)
		return -ENOMEM;
	items_move(upper, 0, child, keep, child->count - keep);
	node_set_count(upper, child->count - keep);
	node_set_count(child, keep);
	child_insert(node, i + 1, upper);
	return 0;
}

/* Puts a new root above a full one, so that the full one can be split. */
static int root_grow(struct bf_edit *edit, struct bf_span_node **root,
		     uint64_t first)
{
	struct bf_span_node *top =
		node_make(edit, (*root)->level + 1U, (*root)->entry_size);

	if (!top)
		return -ENOMEM;
	child_insert(top, 0, *root);
	*root = top;
	return child_split(edit, top, 0, first);
}

static bool is_full(const struct bf_span_node *node)
{
	return node->count == BF_SPAN_FANOUT;
}

static int root_own(struct bf_edit *edit, struct bf_span_node **root,
		    uint64_t first, size_t entry_size)
{
	if (!*root) {
		*root = node_make(edit, 0, entry_size);
		return *root ? 0 : -ENOMEM;
	}
	if (!node_own(edit, root))
		return -ENOMEM;
	return is_full(*root) ? root_grow(edit, root, first) : 0;
}

/* The child for an addition, owned and with room; NULL: no memory. */
static struct bf_span_node *
descend_to_add(struct bf_edit *edit, struct bf_span_node *node, uint64_t first)
{
	uint32_t rank = rank_of(node, first);
	struct bf_span_node *child;

	if (!rank) {
		/* The new entry will be the first of this node. */
		node->first[0] = first;
		rank = 1;
	}
	child = child_own(edit, node, rank - 1);
	if (!child || !is_full(child))
		return child;
	if (child_split(edit, node, rank - 1, first))
		return NULL;
	return bf_span_children(node)[rank_of(node, first) - 1];
}

static int entry_add(struct bf_edit *edit, struct bf_span_node **root,
		     struct bf_span span, const struct bf_span_entry *entry,
		     size_t entry_size)
{
	struct bf_span_node *node;
	uint32_t i;

	if (root_own(edit, root, span.first, entry_size))
		return -ENOMEM;
	for (node = *root; node->level;) {
		node = descend_to_add(edit, node, span.first);
		if (!node)
			return -ENOMEM;
	}
	i = rank_of(node, span.first);
	item_insert(node, i, span.first, entry);
	bf_span_entry(node, entry_size, i)->size = span.last - span.first + 1;
	return 0;
}

struct bf_span_place bf_span_last(const struct bf_span_node *root)
{
	const struct bf_span_node *node = root;

	while (node->level)
		node = bf_span_children(node)[node->count - 1];
	return (struct bf_span_place){node, &node->first[node->count - 1]};
}

/* The entry that begins last at or below addr; NULL: none does. */
static struct bf_span_entry *entry_at(const struct bf_span_node *root,
				      uint64_t addr, uint64_t *first)
{
	struct bf_span_place place;

	if (!root || root->first[0] > addr)
		return NULL;
	place = bf_span_seek(root, root->entry_size, addr);
	*first = *place.key;
	return bf_span_at(place, root->entry_size);
}

/*
 * Looks for an entry that overlaps the span, and removes all that were removed
 * in place inside of it: they would hide addresses of a new entry.  Returns 0,
 * -ENOMEM, or -EEXIST with the entry that overlaps and begins last.
 */
static int make_room(struct bf_edit *edit, struct bf_span_node **root,
		     struct bf_span span, struct bf_span_entry **existing)
{
	uint64_t addr = span.last, first, size;
	struct bf_span_entry *entry;

	while ((entry = entry_at(*root, addr, &first))) {
		size = bf_span_size(entry);
		if (size && first < span.first && span.first - first >= size)
			return 0;
		*existing = entry;
		if (size)
			return -EEXIST;
		if (first >= span.first && bf_span_remove(edit, root, first))
			return -ENOMEM;
		if (!first)
			return 0;
		addr = first - 1;
	}
	return 0;
}

int bf_span_add(struct bf_edit *edit, struct bf_span_node **root,
		struct bf_span span, const struct bf_span_entry *entry,
		size_t entry_size, struct bf_span_entry **existing)
{
	int ret = make_room(edit, root, span, existing);

	return ret ? ret : entry_add(edit, root, span, entry, entry_size);
}

/* Removes the entry at first below a node, which the edit owns. */
static int entry_remove(struct bf_edit *edit, struct bf_span_node *node,
			uint64_t first)
{
	uint32_t i = rank_of(node, first) - 1;
	struct bf_span_node *child;

	if (node->level) {
		child = child_own(edit, node, i);
		if (!child || entry_remove(edit, child, first))
			return -ENOMEM;
		if (child->count) {
			node->first[i] = child->first[0];
			return 0;
		}
		bf_edit_drop(edit, &child->node);
	}
	item_delete(node, i);
	return 0;
}

/* Drops a root that is empty, or that has a single child. */
static void root_shrink(struct bf_edit *edit, struct bf_span_node **root)
{
	struct bf_span_node *node;

	while ((node = *root) &&
	       (!node->count || (node->level && node->count == 1))) {
		*root = node->count ? bf_span_children(node)[0] : NULL;
		bf_edit_drop(edit, &node->node);
	}
}

int bf_span_remove(struct bf_edit *edit, struct bf_span_node **root,
		   uint64_t first)
{
	if (!node_own(edit, root) || entry_remove(edit, *root, first))
		return -ENOMEM;
	root_shrink(edit, root);
	return 0;
}

struct bf_span_entry *bf_span_own(struct bf_edit *edit,
				  struct bf_span_node **root, uint64_t first)
{
	struct bf_span_node *node = node_own(edit, root);

	while (node && node->level)
		node = child_own(edit, node, rank_of(node, first) - 1);
	return node ? bf_span_entry(node, node->entry_size,
				    rank_of(node, first) - 1) :
		      NULL;
}

void bf_span_set_size(struct bf_span_node *root, uint64_t first, uint64_t size)
{
	struct bf_span_entry *entry = entry_at(root, first, &first);

	__atomic_store_n(&entry->size, size, __ATOMIC_RELAXED);
}

/* Entry i of a leaf, if it contains addr or begins behind it, or NULL. */
static struct bf_span_entry *entry_from(const struct bf_span_node *leaf,
					uint32_t i, uint64_t addr,
					struct bf_span *span)
{
	struct bf_span_entry *entry = bf_span_entry(leaf, leaf->entry_size, i);
	const uint64_t first = leaf->first[i], size = bf_span_size(entry);

	if (!size || (first < addr && addr - first >= size))
		return NULL;
	*span = (struct bf_span){first, first + (size - 1)};
	return entry;
}

struct bf_span_entry *bf_span_next(const struct bf_span_node *root,
				   uint64_t addr, struct bf_span *span)
{
	struct bf_span_entry *entry = NULL;
	uint32_t rank, i;

	if (!root)
		return NULL;
	rank = rank_of(root, addr);
	for (i = rank ? rank - 1 : 0; i < root->count && !entry; i++)
		entry = root->level ? bf_span_next(bf_span_children(root)[i],
						   addr, span) :
				      entry_from(root, i, addr, span);
	return entry;
}

static void leaf_end(const struct bf_span_node *leaf, bf_span_end_fn end)
{
	struct bf_span_entry *entry;
	uint32_t i;

	for (i = 0; i < leaf->count; i++) {
		entry = bf_span_entry(leaf, leaf->entry_size, i);
		if (bf_span_size(entry))
			end(entry);
	}
}

/* As deep as the tree is high. */
void bf_span_free(struct bf_span_node *root, bf_span_end_fn end)
{
	uint32_t i;

	if (!root)
		return;
	for (i = 0; root->level && i < root->count; i++)
		bf_span_free(bf_span_children(root)[i], end);
	if (!root->level && end)
		leaf_end(root, end);
	free(root);
}
