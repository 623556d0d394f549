// SPDX-License-Identifier: MIT
/*
 * On its way down an addition splits what is full and a removal joins what
 * fits in one node with room to spare, so both pass once, and nothing has to
 * be carried up but the first address of a node, which is always exact.
 */
#include <errno.h>
#include <string.h>

#include "io_bus/span_tree.h"

/* Joined nodes have room for additions before they are split again. */
#define JOIN_MAX (BF_SPAN_FANOUT * 3 / 4)

/*
 * No tree that fits in memory comes near: what is half empty is joined, and
 * the root rises when it has 16 nodes below.
 */
#define MAX_HEIGHT 32

static size_t node_size(uint32_t level)
{
	return sizeof(struct bf_span_node) +
	       (level ? 0 : BF_SPAN_FANOUT * sizeof(uint64_t));
}

static void pad(struct bf_span_node *node)
{
	uint32_t i;

	for (i = node->count; i < BF_SPAN_FANOUT; i++)
		node->first[i] = UINT64_MAX;
}

static struct bf_span_node *make_node(struct bf_edit *edit, uint32_t level)
{
	struct bf_span_node *node = bf_edit_make(edit, node_size(level));

	if (node)
		node->level = level;
	return node;
}

/* Makes *nodep the edit's to change; NULL: no memory. */
static struct bf_span_node *own(struct bf_edit *edit,
				struct bf_span_node **nodep)
{
	struct bf_span_node *node = *nodep;

	if (bf_edit_owns(edit, &node->node))
		return node;
	node = bf_edit_copy(edit, &node->node, node_size(node->level));
	if (node)
		*nodep = node;
	return node;
}

static struct bf_span_node *own_child(struct bf_edit *edit,
				      struct bf_span_node *node, uint32_t i)
{
	struct bf_span_node *child = node->ptr[i];

	if (!own(edit, &child))
		return NULL;
	node->ptr[i] = child;
	return child;
}

/* Moves count entries, in one node or between two of a level. */
static void move_entries(struct bf_span_node *to, uint32_t at,
			 const struct bf_span_node *from, uint32_t start,
			 uint32_t count)
{
	memmove(&to->first[at], &from->first[start],
		count * sizeof(to->first[0]));
	memmove(&to->ptr[at], &from->ptr[start], count * sizeof(to->ptr[0]));
	if (!to->level)
		memmove(&to->last[at], &from->last[start],
			count * sizeof(to->last[0]));
}

/* Makes room at i; the caller fills it. */
static void open_gap(struct bf_span_node *node, uint32_t i)
{
	move_entries(node, i + 1, node, i, node->count - i);
	node->count++;
}

static void close_gap(struct bf_span_node *node, uint32_t i)
{
	node->count--;
	move_entries(node, i, node, i + 1, node->count - i);
	pad(node);
}

static void put_child(struct bf_span_node *node, uint32_t i,
		      struct bf_span_node *child)
{
	open_gap(node, i);
	node->first[i] = child->first[0];
	node->ptr[i] = child;
}

/*
 * How many of a full node stay in it: half, or, where the new one comes behind
 * all others, all but one.  Devices are often placed at rising addresses, which
 * would leave nodes half full and the tree higher.
 */
static uint32_t lower_part(const struct bf_span_node *node, uint64_t first)
{
	return first > node->first[node->count - 1] ? node->count - 1 :
						      node->count / 2;
}

/* The upper part of child i moves to a new one behind it; both are owned. */
static int split_child(struct bf_edit *edit, struct bf_span_node *node,
		       uint32_t i, uint64_t first)
{
	struct bf_span_node *child = node->ptr[i], *upper;

	upper = make_node(edit, child->level);
	if (!upper)
		return -ENOMEM;
	upper->count = child->count - lower_part(child, first);
	child->count -= upper->count;
	move_entries(upper, 0, child, child->count, upper->count);
	pad(upper);
	pad(child);
	put_child(node, i + 1, upper);
	return 0;
}

/* A node above a full root, so that it can be split. */
static int grow(struct bf_edit *edit, struct bf_span_node **root,
		uint64_t first)
{
	struct bf_span_node *top = make_node(edit, (*root)->level + 1);

	if (!top)
		return -ENOMEM;
	put_child(top, 0, *root);
	pad(top);
	*root = top;
	return split_child(edit, top, 0, first);
}

static int own_root(struct bf_edit *edit, struct bf_span_node **root,
		    uint64_t first)
{
	if (!*root) {
		*root = make_node(edit, 0);
		if (!*root)
			return -ENOMEM;
		pad(*root);
		return 0;
	}
	if (!own(edit, root))
		return -ENOMEM;
	return (*root)->count < BF_SPAN_FANOUT ? 0 : grow(edit, root, first);
}

/* The child to go on in, owned and with room; NULL: no memory. */
static struct bf_span_node *
descend_to_add(struct bf_edit *edit, struct bf_span_node *node, uint64_t first)
{
	uint32_t rank = bf_span_rank(node, first);
	struct bf_span_node *child;

	/* The new one will be the first of all of this node. */
	if (!rank) {
		node->first[0] = first;
		rank = 1;
	}
	child = own_child(edit, node, rank - 1);
	if (!child || child->count < BF_SPAN_FANOUT)
		return child;
	if (split_child(edit, node, rank - 1, first))
		return NULL;
	/* Of the two, whose children are owned. */
	rank = bf_span_rank(node, first);
	return node->ptr[rank - 1];
}

static int add(struct bf_edit *edit, struct bf_span_node **root,
	       struct bf_span span, void *entry)
{
	struct bf_span_node *node;
	uint32_t i;

	if (own_root(edit, root, span.first))
		return -ENOMEM;
	for (node = *root; node->level;) {
		node = descend_to_add(edit, node, span.first);
		if (!node)
			return -ENOMEM;
	}
	i = bf_span_rank(node, span.first);
	open_gap(node, i);
	node->first[i] = span.first;
	node->last[i] = span.last;
	node->ptr[i] = entry;
	return 0;
}

/*
 * The last place that begins at or before the end of the span, if it reaches
 * into it; all others end before that one begins.
 */
static struct bf_span_place overlap(const struct bf_span_node *root,
				    struct bf_span span)
{
	struct bf_span_place place = bf_span_place(root, span.last);

	if (place.leaf && place.leaf->last[place.index] < span.first)
		place.leaf = NULL;
	return place;
}

/* Before first, there is nothing that anybody could go on with. */
static bool step_back(const struct bf_span_node *root,
		      struct bf_span_place *place)
{
	uint64_t first = place->leaf->first[place->index];

	if (!first)
		return false;
	*place = bf_span_place(root, first - 1);
	return place->leaf;
}

void *bf_span_overlap(const struct bf_span_node *root, struct bf_span span)
{
	struct bf_span_place place = overlap(root, span);

	if (!place.leaf)
		return NULL;
	do {
		if (place.leaf->last[place.index] < span.first)
			return NULL;
		if (place.leaf->ptr[place.index])
			return place.leaf->ptr[place.index];
	} while (step_back(root, &place));
	return NULL;
}

/* Those that were cleared in place still take up theirs. */
int bf_span_add(struct bf_edit *edit, struct bf_span_node **root,
		struct bf_span span, void *entry)
{
	struct bf_span_place cleared;

	while ((cleared = overlap(*root, span)).leaf)
		if (bf_span_remove(edit, root,
				   cleared.leaf->first[cleared.index]))
			return -ENOMEM;
	return add(edit, root, span, entry);
}

/* Joins children i and i + 1 if they fit in one; child i is owned. */
static void join_children(struct bf_edit *edit, struct bf_span_node *node,
			  uint32_t i)
{
	struct bf_span_node *lower = node->ptr[i], *upper = node->ptr[i + 1];

	if (lower->count + upper->count > JOIN_MAX)
		return;
	move_entries(lower, lower->count, upper, 0, upper->count);
	lower->count += upper->count;
	bf_edit_drop(edit, &upper->node);
	close_gap(node, i + 1);
}

/* The same with the one before it, which is owned first. */
static int join_with_neighbours(struct bf_edit *edit, struct bf_span_node *node,
				uint32_t i)
{
	const struct bf_span_node *child = node->ptr[i], *before;

	if (i + 1 < node->count)
		join_children(edit, node, i);
	if (!i)
		return 0;
	before = node->ptr[i - 1];
	if (before->count + child->count > JOIN_MAX)
		return 0;
	if (!own_child(edit, node, i - 1))
		return -ENOMEM;
	join_children(edit, node, i - 1);
	return 0;
}

/* A way down; node[i + 1] is child index[i] of node[i]. */
struct path {
	uint32_t depth;
	struct bf_span_node *node[MAX_HEIGHT];
	uint32_t index[MAX_HEIGHT];
};

/* Owns all nodes on the way to first, which is there. */
static int own_path(struct bf_edit *edit, struct bf_span_node **root,
		    uint64_t first, struct path *path)
{
	struct bf_span_node *node = own(edit, root);
	uint32_t i;

	for (path->depth = 0; node; path->depth++) {
		path->node[path->depth] = node;
		i = bf_span_rank(node, first) - 1;
		if (node->level) {
			if (!own_child(edit, node, i) ||
			    join_with_neighbours(edit, node, i))
				return -ENOMEM;
			i = bf_span_rank(node, first) - 1;
		}
		path->index[path->depth] = i;
		if (!node->level)
			return 0;
		node = node->ptr[i];
	}
	return -ENOMEM;
}

/* What the nodes above say of the end of the path. */
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
		close_gap(above, path->index[depth - 1]);
		bf_edit_drop(edit, &node->node);
	}
}

/* Neither an empty root nor one of a single child is needed. */
static void shrink_root(struct bf_edit *edit, struct bf_span_node **root)
{
	struct bf_span_node *node;

	while ((node = *root) &&
	       (!node->count || (node->level && node->count == 1))) {
		*root = node->count ? node->ptr[0] : NULL;
		bf_edit_drop(edit, &node->node);
	}
}

int bf_span_remove(struct bf_edit *edit, struct bf_span_node **root,
		   uint64_t first)
{
	struct path path;

	if (own_path(edit, root, first, &path))
		return -ENOMEM;
	close_gap(path.node[path.depth], path.index[path.depth]);
	update_above(edit, &path);
	shrink_root(edit, root);
	return 0;
}

void bf_span_clear(struct bf_span_node *root, uint64_t first)
{
	struct bf_span_place place = bf_span_place(root, first);
	struct bf_span_node *leaf = (struct bf_span_node *)place.leaf;

	/* Relaxed: see edit.h. */
	__atomic_store_n(&leaf->ptr[place.index], NULL, __ATOMIC_RELAXED);
}

static int each_of_leaf(const struct bf_span_node *leaf,
			int (*fn)(void *opaque, struct bf_span span,
				  void *entry),
			void *opaque)
{
	struct bf_span span;
	void *entry;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < leaf->count && !ret; i++) {
		entry = __atomic_load_n(&leaf->ptr[i], __ATOMIC_CONSUME);
		span = (struct bf_span){leaf->first[i], leaf->last[i]};
		if (entry)
			ret = fn(opaque, span, entry);
	}
	return ret;
}

int bf_span_each(const struct bf_span_node *root,
		 int (*fn)(void *opaque, struct bf_span span, void *entry),
		 void *opaque)
{
	uint32_t i;
	int ret = 0;

	if (!root)
		return 0;
	if (!root->level)
		return each_of_leaf(root, fn, opaque);
	for (i = 0; i < root->count && !ret; i++)
		ret = bf_span_each(root->ptr[i], fn, opaque);
	return ret;
}
