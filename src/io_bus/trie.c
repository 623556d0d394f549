// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "io_bus/trie.h"

/* Nodes on the way to an entry: 64 bits in steps of 5. */
#define MAX_DEPTH 13

static struct bf_trie_entry *slot_entry(uintptr_t slot)
{
	return (struct bf_trie_entry *)slot;
}

/*
 * Makes the node in *slotp, which is the edit's to change, the edit's too;
 * NULL: no memory.
 */
static struct bf_trie_node *own_node(struct bf_edit *edit, uintptr_t *slotp)
{
	struct bf_trie_node *node = bf_trie_node(*slotp);

	if (bf_edit_owns(edit, &node->node))
		return node;
	node = bf_edit_copy(edit, &node->node, sizeof(*node));
	if (node)
		*slotp = (uintptr_t)node + BF_TRIE_NODE;
	return node;
}

/* A way down: slots[depth] is the last one, not a node. */
struct path {
	unsigned int depth;
	uintptr_t *slots[MAX_DEPTH + 1];
};

/* Owns every node on the way to where hash is, or would be. */
static int own_path(struct bf_edit *edit, uintptr_t *root, uint64_t hash,
		    struct path *path)
{
	struct bf_trie_node *node;

	path->depth = 0;
	path->slots[0] = root;
	while (*path->slots[path->depth] & BF_TRIE_NODE) {
		node = own_node(edit, path->slots[path->depth]);
		if (!node)
			return -ENOMEM;
		path->slots[++path->depth] = &node->slot[hash % BF_TRIE_SLOTS];
		hash >>= BF_TRIE_BITS;
	}
	return 0;
}

/* A node in the place of the entry in *slotp, with that entry in it. */
static struct bf_trie_node *push_down(struct bf_edit *edit, uintptr_t *slotp,
				      unsigned int shift)
{
	struct bf_trie_node *node = bf_edit_make(edit, sizeof(*node));
	uint64_t rest = slot_entry(*slotp)->hash >> shift;

	if (!node)
		return NULL;
	node->slot[rest % BF_TRIE_SLOTS] = *slotp;
	*slotp = (uintptr_t)node + BF_TRIE_NODE;
	return node;
}

int bf_trie_add(struct bf_edit *edit, uintptr_t *root,
		struct bf_trie_entry *entry)
{
	struct bf_trie_node *node;
	struct path path;
	unsigned int shift;
	uintptr_t *slotp;

	if (own_path(edit, root, entry->hash, &path))
		return -ENOMEM;
	slotp = path.slots[path.depth];
	for (shift = path.depth * BF_TRIE_BITS; *slotp; shift += BF_TRIE_BITS) {
		node = push_down(edit, slotp, shift);
		if (!node)
			return -ENOMEM;
		slotp = &node->slot[(entry->hash >> shift) % BF_TRIE_SLOTS];
	}
	*slotp = (uintptr_t)entry;
	return 0;
}

int bf_trie_replace(struct bf_edit *edit, uintptr_t *root,
		    struct bf_trie_entry *entry)
{
	struct path path;

	if (own_path(edit, root, entry->hash, &path))
		return -ENOMEM;
	*path.slots[path.depth] = (uintptr_t)entry;
	return 0;
}

/*
 * What can stand for the node in the slot that leads to it: nothing, if it is
 * empty; its entry, if it has but one; otherwise itself.
 */
static uintptr_t shrunk(const struct bf_trie_node *node)
{
	const uintptr_t itself = (uintptr_t)node + BF_TRIE_NODE;
	uintptr_t only = 0;
	int i;

	for (i = 0; i < BF_TRIE_SLOTS; i++) {
		if (!node->slot[i])
			continue;
		if (only || node->slot[i] & BF_TRIE_NODE)
			return itself;
		only = node->slot[i];
	}
	return only;
}

int bf_trie_remove(struct bf_edit *edit, uintptr_t *root, uint64_t hash)
{
	struct bf_trie_node *node;
	struct path path;
	uintptr_t slot;

	if (own_path(edit, root, hash, &path))
		return -ENOMEM;
	*path.slots[path.depth] = 0;
	while (path.depth-- > 0) {
		node = bf_trie_node(*path.slots[path.depth]);
		slot = shrunk(node);
		if (slot & BF_TRIE_NODE)
			break;
		*path.slots[path.depth] = slot;
		bf_edit_drop(edit, &node->node);
	}
	return 0;
}

void bf_trie_clear(uintptr_t *root, uint64_t hash)
{
	uint64_t rest = hash;

	for (; *root & BF_TRIE_NODE; rest >>= BF_TRIE_BITS)
		root = &bf_trie_node(*root)->slot[rest % BF_TRIE_SLOTS];
	/* Relaxed: readers find the entry or do not, nothing hangs on it. */
	__atomic_store_n(root, 0, __ATOMIC_RELAXED);
}

static int stop_at(void *opaque, struct bf_trie_entry *entry)
{
	*(struct bf_trie_entry **)opaque = entry;
	return 1;
}

struct bf_trie_entry *bf_trie_any(uintptr_t root)
{
	struct bf_trie_entry *entry = NULL;

	bf_trie_each(root, stop_at, &entry);
	return entry;
}

int bf_trie_each(uintptr_t root,
		 int (*fn)(void *opaque, struct bf_trie_entry *entry),
		 void *opaque)
{
	uintptr_t slot;
	int i, ret = 0;

	if (!(root & BF_TRIE_NODE))
		return root ? fn(opaque, slot_entry(root)) : 0;
	for (i = 0; i < BF_TRIE_SLOTS && !ret; i++) {
		slot = __atomic_load_n(&bf_trie_node(root)->slot[i],
				       __ATOMIC_CONSUME);
		if (slot)
			ret = bf_trie_each(slot, fn, opaque);
	}
	return ret;
}

void bf_trie_free(uintptr_t root)
{
	uintptr_t slot;
	int i;

	if (!(root & BF_TRIE_NODE))
		return;
	for (i = 0; i < BF_TRIE_SLOTS; i++) {
		slot = bf_trie_node(root)->slot[i];
		if (slot & BF_TRIE_NODE)
			bf_trie_free(slot);
	}
	free(bf_trie_node(root));
}
