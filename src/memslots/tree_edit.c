// SPDX-License-Identifier: MIT
/*
 * Changing a tree without disturbing who reads it: the nodes on the way are
 * copied, once an edit, and what an edit has copied or made it may change.
 *
 * Nodes are split when they are full, an append leaving the left one full, so
 * that slots added in order fill their nodes.  Neighbours are merged when a
 * removal leaves them less than three quarters of a node together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memslots/tree.h"
#include "base/util.h"

static unsigned int capacity(unsigned int level)
{
	return level ? BF_INNER_MAX : BF_LEAF_MAX;
}

/* Size of what stands behind each key. */
static size_t payload_size(unsigned int level)
{
	return level ? sizeof(struct bf_slot_node *) :
		       sizeof(struct bf_mapping);
}

static void *payload(struct bf_slot_node *node, size_t pos)
{
	if (node->level)
		return &bf_slot_node_children(node)[pos];
	return &bf_slot_node_mappings(node)[pos];
}

static size_t node_size(unsigned int level)
{
	size_t size =
		sizeof(struct bf_slot_node) +
		capacity(level) * (sizeof(uint64_t) + payload_size(level));

	return (size + 63) & ~(size_t)63;
}

static void set_count(struct bf_slot_node *node, size_t count)
{
	size_t i;

	for (i = count; i < node->count; i++)
		node->keys[i] = UINT64_MAX;
	node->count = (uint16_t)count;
}

static struct bf_slot_node *node_alloc(struct bf_slot_edit *edit,
				       unsigned int level)
{
	struct bf_slot_node *node = aligned_alloc(64, node_size(level));

	if (!node)
		return NULL;
	node->stamp = edit->stamp;
	node->level = (uint8_t)level;
	node->dead = false;
	node->next = edit->fresh;
	edit->fresh = node;
	return node;
}

static struct bf_slot_node *node_new(struct bf_slot_edit *edit,
				     unsigned int level)
{
	struct bf_slot_node *node = node_alloc(edit, level);

	if (!node)
		return NULL;
	node->count = (uint16_t)capacity(level);
	set_count(node, 0);
	return node;
}

/* The tree has no use for a node any more. */
static void node_drop(struct bf_slot_edit *edit, struct bf_slot_node *node)
{
	if (node->stamp == edit->stamp) {
		node->dead = true;
		return;
	}
	node->next = edit->stale;
	edit->stale = node;
}

/* Makes *nodep one that this edit may change. */
static int own(struct bf_slot_edit *edit, struct bf_slot_node **nodep)
{
	struct bf_slot_node *old = *nodep, *node;

#ifdef BF_MEMSLOTS_BREAK_COPY
	return 0;
#endif
	if (old->stamp == edit->stamp)
		return 0;
	node = node_alloc(edit, old->level);
	if (!node)
		return -ENOMEM;
	node->count = old->count;
	memcpy(node->keys, old->keys,
	       node_size(old->level) - offsetof(struct bf_slot_node, keys));
	node_drop(edit, old);
	*nodep = node;
	return 0;
}

/* Moves the entries from pos on by one, and makes a new one. */
static void put_at(struct bf_slot_node *node, size_t pos, uint64_t key,
		   const void *what)
{
	size_t behind = node->count - pos;
	size_t size = payload_size(node->level);

	memmove(&node->keys[pos + 1], &node->keys[pos],
		behind * sizeof(node->keys[0]));
	memmove(payload(node, pos + 1), payload(node, pos), behind * size);
	node->keys[pos] = key;
	memcpy(payload(node, pos), what, size);
	set_count(node, node->count + 1U);
}

static void take_at(struct bf_slot_node *node, size_t pos)
{
	size_t behind = node->count - pos - 1;

	memmove(&node->keys[pos], &node->keys[pos + 1],
		behind * sizeof(node->keys[0]));
	memmove(payload(node, pos), payload(node, pos + 1),
		behind * payload_size(node->level));
	set_count(node, node->count - 1U);
}

/* Appends the entries of from, from pos on, to those of to. */
static void append(struct bf_slot_node *to, const struct bf_slot_node *from,
		   size_t pos)
{
	size_t count = from->count - pos;

	memcpy(&to->keys[to->count], &from->keys[pos],
	       count * sizeof(to->keys[0]));
	memcpy(payload(to, to->count),
	       payload((struct bf_slot_node *)(uintptr_t)from, pos),
	       count * payload_size(to->level));
	set_count(to, to->count + count);
}

/* Puts an entry into a node, or into its new right neighbour, *split. */
static int put_or_split(struct bf_slot_edit *edit, struct bf_slot_node *node,
			size_t pos, uint64_t key, const void *what,
			struct bf_slot_node **split)
{
	size_t keep = node->count;
	struct bf_slot_node *right;

	if (keep < capacity(node->level)) {
		put_at(node, pos, key, what);
		return 0;
	}
	right = node_new(edit, node->level);
	if (!right)
		return -ENOMEM;
	if (pos < keep)
		keep /= 2;
	append(right, node, keep);
	set_count(node, keep);
	if (pos > keep || !right->count)
		put_at(right, pos - keep, key, what);
	else
		put_at(node, pos, key, what);
	*split = right;
	return 0;
}

static int insert(struct bf_slot_edit *edit, struct bf_slot_node **nodep,
		  uint64_t key, const struct bf_mapping *mapping,
		  struct bf_slot_node **split);

static int insert_below(struct bf_slot_edit *edit, struct bf_slot_node *node,
			uint64_t key, const struct bf_mapping *mapping,
			struct bf_slot_node **split)
{
	size_t pos = bf_inner_search(node, key);
	struct bf_slot_node **child = &bf_slot_node_children(node)[pos],
			    *right = NULL;
	int ret = insert(edit, child, key, mapping, &right);

	if (ret)
		return ret;
	node->keys[pos] = (*child)->keys[0];
	if (!right)
		return 0;
	return put_or_split(edit, node, pos + 1, right->keys[0], &right, split);
}

static int insert(struct bf_slot_edit *edit, struct bf_slot_node **nodep,
		  uint64_t key, const struct bf_mapping *mapping,
		  struct bf_slot_node **split)
{
	size_t pos;
	int ret = own(edit, nodep);

	if (ret)
		return ret;
	if ((*nodep)->level)
		return insert_below(edit, *nodep, key, mapping, split);
	pos = bf_leaf_search(*nodep, key);
	if ((*nodep)->keys[pos] < key)
		pos++;
	return put_or_split(edit, *nodep, pos, key, mapping, split);
}

/* A root above two nodes. */
static int grow(struct bf_slot_edit *edit, struct bf_slot_node **root,
		struct bf_slot_node *right)
{
	struct bf_slot_node *top = node_new(edit, (*root)->level + 1U);

	if (!top)
		return -ENOMEM;
	put_at(top, 0, (*root)->keys[0], root);
	put_at(top, 1, right->keys[0], &right);
	*root = top;
	return 0;
}

int bf_slot_edit_insert(struct bf_slot_edit *edit, struct bf_slot_node **root,
			uint64_t first, const struct bf_mapping *mapping)
{
	struct bf_slot_node *right = NULL;
	int ret;

	if (!*root) {
		*root = node_new(edit, 0);
		if (!*root)
			return -ENOMEM;
	}
	ret = insert(edit, root, first, mapping, &right);
	return ret || !right ? ret : grow(edit, root, right);
}

/* Merges child pos with its right neighbour if both are small. */
static int merge_at(struct bf_slot_edit *edit, struct bf_slot_node *node,
		    size_t pos)
{
	struct bf_slot_node **child = &bf_slot_node_children(node)[pos], *right;
	int ret;

	if (pos + 1 >= node->count)
		return 0;
	right = child[1];
	if (child[0]->count + right->count > capacity(right->level) * 3 / 4)
		return 0;
	ret = own(edit, child);
	if (ret)
		return ret;
	append(child[0], right, 0);
	node_drop(edit, right);
	take_at(node, pos + 1);
	return 0;
}

static int remove_from(struct bf_slot_edit *edit, struct bf_slot_node **nodep,
		       uint64_t key);

static int remove_below(struct bf_slot_edit *edit, struct bf_slot_node *node,
			uint64_t key)
{
	size_t pos = bf_inner_search(node, key);
	struct bf_slot_node **child = &bf_slot_node_children(node)[pos];
	int ret = remove_from(edit, child, key);

	if (ret)
		return ret;
	if (!(*child)->count) {
		node_drop(edit, *child);
		take_at(node, pos);
		return 0;
	}
	node->keys[pos] = (*child)->keys[0];
	ret = merge_at(edit, node, pos);
	return ret || !pos ? ret : merge_at(edit, node, pos - 1);
}

static int remove_from(struct bf_slot_edit *edit, struct bf_slot_node **nodep,
		       uint64_t key)
{
	int ret = own(edit, nodep);

	if (ret)
		return ret;
	if ((*nodep)->level)
		return remove_below(edit, *nodep, key);
	take_at(*nodep, bf_leaf_search(*nodep, key));
	return 0;
}

int bf_slot_edit_remove(struct bf_slot_edit *edit, struct bf_slot_node **root,
			uint64_t first)
{
	struct bf_slot_node *top;
	int ret = remove_from(edit, root, first);

	if (ret)
		return ret;
	while ((top = *root) && top->count <= (top->level ? 1 : 0)) {
		*root = top->count ? bf_slot_node_children(top)[0] : NULL;
		node_drop(edit, top);
	}
	return 0;
}

int bf_slot_edit_flags(struct bf_slot_edit *edit, struct bf_slot_node **root,
		       uint64_t first, uint32_t flags)
{
	struct bf_slot_node **nodep = root;
	int ret;

	while (!(ret = own(edit, nodep)) && (*nodep)->level)
		nodep = &bf_slot_node_children(
			*nodep)[bf_inner_search(*nodep, first)];
	if (!ret)
		bf_slot_node_mappings(*nodep)[bf_leaf_search(*nodep, first)]
			.flags = flags;
	return ret;
}

/* Frees the nodes that the edit made, all or the dead ones. */
static void free_fresh(struct bf_slot_edit *edit, bool all)
{
	struct bf_slot_node *node, *next;

	for (node = edit->fresh; node; node = next) {
		next = node->next;
		if (all || node->dead)
			free(node);
	}
	edit->fresh = NULL;
}

void bf_slot_edit_commit(struct bf_slot_edit *edit)
{
	free_fresh(edit, false);
}

void bf_slot_edit_abort(struct bf_slot_edit *edit)
{
	free_fresh(edit, true);
	edit->stale = NULL;
}
