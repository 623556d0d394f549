// SPDX-License-Identifier: MIT
/*
 * An addition splits each full node on its way down, and a removal joins nodes
 * that fit in one with room to spare.  So both walk down once, and only the
 * first address of a node has to be updated above it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/span_tree.h"

/*
 * No tree that fits in memory comes near: two neighbours have more than
 * JOIN_MAX items together, or a removal joins them.
 */
#define MAX_HEIGHT 32

/*
 * A removal looks at the neighbours of a node with at most so many items, each
 * of which costs a cache miss.
 */
#define FEW (BF_SPAN_FANOUT / 2)

/* Joined nodes have room for additions before they are split again. */
#define JOIN_MAX (BF_SPAN_FANOUT * 3 / 4)

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
		       (uint32_t)bf_span_index(node, addr) + 1 :
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
	node_set_count(node, node->count + 1U);
}

static void item_delete(struct bf_span_node *node, uint32_t i)
{
	items_move(node, i, node, i + 1, node->count - i - 1);
	node_set_count(node, node->count - 1U);
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

struct bf_span_entry *bf_span_last(const struct bf_span_node *root,
				   uint64_t *first)
{
	const struct bf_span_node *node = root;

	while (node->level)
		node = bf_span_children(node)[node->count - 1];
	*first = node->first[node->count - 1];
	return bf_span_entry(node, node->entry_size, node->count - 1U);
}

/* The entry that begins last at or below addr; NULL: none does. */
static struct bf_span_entry *entry_at(const struct bf_span_node *root,
				      uint64_t addr, uint64_t *first)
{
	if (!root || root->first[0] > addr)
		return NULL;
	return bf_span_seek(root, root->entry_size, addr, first);
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

/* Joins children i and i + 1 if they fit in one node; child i is owned. */
static void children_join(struct bf_edit *edit, struct bf_span_node *node,
			  uint32_t i)
{
	struct bf_span_node **child = &bf_span_children(node)[i];
	struct bf_span_node *lower = child[0], *upper = child[1];

	if (lower->count + upper->count > JOIN_MAX)
		return;
	items_move(lower, lower->count, upper, 0, upper->count);
	node_set_count(lower, lower->count + upper->count);
	bf_edit_drop(edit, &upper->node);
	item_delete(node, i + 1);
}

/* Joins child i, which is owned and has few items, with its neighbours. */
static int join_with_neighbours(struct bf_edit *edit, struct bf_span_node *node,
				uint32_t i)
{
	struct bf_span_node **child = &bf_span_children(node)[i];

	if (i + 1 < node->count)
		children_join(edit, node, i);
	if (!i || child[-1]->count + child[0]->count > JOIN_MAX)
		return 0;
	if (!child_own(edit, node, i - 1))
		return -ENOMEM;
	children_join(edit, node, i - 1);
	return 0;
}

/* A way down; node[i + 1] is child index[i] of node[i]. */
struct path {
	uint32_t depth;
	struct bf_span_node *node[MAX_HEIGHT];
	uint32_t index[MAX_HEIGHT];
};

/* Owns all nodes on the way to first, which is there, and joins small ones. */
static int path_own(struct bf_edit *edit, struct bf_span_node **root,
		    uint64_t first, struct path *path)
{
	struct bf_span_node *node = node_own(edit, root), *child;
	uint32_t i;

	for (path->depth = 0; node; path->depth++) {
		path->node[path->depth] = node;
		i = rank_of(node, first) - 1;
		if (node->level) {
			child = child_own(edit, node, i);
			if (!child || (child->count <= FEW &&
				       join_with_neighbours(edit, node, i)))
				return -ENOMEM;
			i = rank_of(node, first) - 1;
		}
		path->index[path->depth] = i;
		if (!node->level)
			return 0;
		node = bf_span_children(node)[i];
	}
	return -ENOMEM;
}

/* Passes the first address of the path's end to the nodes above. */
static void update_above(struct bf_edit *edit, struct path *path)
{
	struct bf_span_node *node, *above;
	uint32_t depth;

	for (depth = path->depth; depth > 0; depth--) {
		node = path->node[depth];
		above = path->node[depth - 1];
		if (node->count) {
			above->first[path->index[depth - 1]] = node->first[0];
			continue;
		}
		item_delete(above, path->index[depth - 1]);
		bf_edit_drop(edit, &node->node);
	}
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
	struct path path;

	if (path_own(edit, root, first, &path))
		return -ENOMEM;
	item_delete(path.node[path.depth], path.index[path.depth]);
	update_above(edit, &path);
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

/* The node to the right of the way to addr, at the lowest level that has one. */
static const struct bf_span_node *leaf_of(const struct bf_span_node *node,
					  uint64_t addr,
					  const struct bf_span_node **right)
{
	uint32_t rank;

	for (*right = NULL; node->level; node = bf_span_children(node)[rank]) {
		rank = rank_of(node, addr);
		if (rank < node->count)
			*right = bf_span_children(node)[rank];
		rank -= rank ? 1 : 0;
	}
	return node;
}

/* The first entry behind addr, removed in place or not, and its address. */
static struct bf_span_entry *entry_after(const struct bf_span_node *root,
					 uint64_t addr, uint64_t *first)
{
	const struct bf_span_node *right, *leaf = leaf_of(root, addr, &right);
	uint32_t i = rank_of(leaf, addr);

	if (i == leaf->count) {
		if (!right)
			return NULL;
		for (leaf = right; leaf->level;)
			leaf = bf_span_children(leaf)[0];
		i = 0;
	}
	*first = leaf->first[i];
	return bf_span_entry(leaf, leaf->entry_size, i);
}

struct bf_span_entry *bf_span_next(const struct bf_span_node *root,
				   uint64_t addr, struct bf_span *span)
{
	struct bf_span_entry *entry;
	struct bf_span_hit hit;
	uint64_t size;

	if (!root)
		return NULL;
	hit = bf_span_find(root, root->entry_size, addr, 1);
	if (hit.entry) {
		span->first = addr - hit.offset;
		span->last = span->first + (hit.size - 1);
		return hit.entry;
	}
	do {
		entry = entry_after(root, addr, &addr);
		if (!entry)
			return NULL;
		size = bf_span_size(entry);
	} while (!size);
	*span = (struct bf_span){addr, addr + (size - 1)};
	return entry;
}

static int each_of_leaf(const struct bf_span_node *leaf,
			int (*fn)(void *opaque, struct bf_span span,
				  struct bf_span_entry *entry),
			void *opaque)
{
	struct bf_span_entry *entry;
	struct bf_span span;
	uint64_t size;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < leaf->count && !ret; i++) {
		entry = bf_span_entry(leaf, leaf->entry_size, i);
		size = bf_span_size(entry);
		span.first = leaf->first[i];
		span.last = span.first + (size - 1);
		if (size)
			ret = fn(opaque, span, entry);
	}
	return ret;
}

int bf_span_each(const struct bf_span_node *root,
		 int (*fn)(void *opaque, struct bf_span span,
			   struct bf_span_entry *entry),
		 void *opaque)
{
	uint32_t i;
	int ret = 0;

	if (!root)
		return 0;
	if (!root->level)
		return each_of_leaf(root, fn, opaque);
	for (i = 0; i < root->count && !ret; i++)
		ret = bf_span_each(bf_span_children(root)[i], fn, opaque);
	return ret;
}

/* As deep as the tree is high. */
void bf_span_free(struct bf_span_node *root)
{
	uint32_t i;

	if (!root)
		return;
	for (i = 0; root->level && i < root->count; i++)
		bf_span_free(bf_span_children(root)[i]);
	free(root);
}
