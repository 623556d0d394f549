// SPDX-License-Identifier: MIT
/*
 * An addition to a full leaf makes a node of it.  A removal makes a leaf of a
 * node with half as many entries, so that the next addition does not make a
 * node again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/trie.h"

/* Leaves are this many bits of the hash below the root, or more. */
#define LEAF_SHIFT (2 * BF_TRIE_BITS)

/* A node with at most so many entries becomes a leaf. */
#define FEW_ENTRIES (BF_TRIE_LEAVES / 2)

/* Leaves grow by some entries at once, so that an edit copies them less often. */
#define ROOM_STEP 4

static struct bf_trie_entry *slot_entry(uintptr_t slot)
{
	return (struct bf_trie_entry *)slot;
}

static uintptr_t leaf_slot(const struct bf_trie_leaf *leaf)
{
	return (uintptr_t)leaf + BF_TRIE_LEAF;
}

/* The slot of a hash in a node that is shift bits below the root. */
static uintptr_t *trie_slot(struct bf_trie_node *node, uint64_t hash,
			    unsigned int shift)
{
	return &node->slot[(hash >> shift) % BF_TRIE_SLOTS];
}

/*
 * The node in *slotp, copied unless the edit owns it; the edit owns the slot.
 * NULL: no memory.
 */
static struct bf_trie_node *trie_own_node(struct bf_edit *edit,
					  uintptr_t *slotp)
{
	struct bf_trie_node *node = bf_trie_node(*slotp);

	if (bf_edit_owns(edit, &node->node))
		return node;
	node = bf_edit_copy(edit, &node->node, sizeof(*node), sizeof(*node));
	if (node)
		*slotp = (uintptr_t)node + BF_TRIE_NODE;
	return node;
}

static struct bf_trie_leaf *trie_leaf_make(struct bf_edit *edit, uint32_t count)
{
	const uint32_t room = (count + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
	struct bf_trie_leaf *leaf = bf_edit_make(
		edit, sizeof(*leaf) + room * sizeof(leaf->entry[0]));

	if (leaf)
		leaf->room = room;
	return leaf;
}

static void leaf_append(struct bf_trie_leaf *leaf, struct bf_trie_entry *entry)
{
	leaf->tag[leaf->count] = bf_trie_tag(entry->hash);
	leaf->entry[leaf->count++] = entry;
}

static void leaf_append_all(struct bf_trie_leaf *leaf,
			    const struct bf_trie_leaf *from)
{
	uint32_t i;

	for (i = 0; i < from->count; i++) {
		/* The entry was cleared in place. */
		if (!from->entry[i])
			continue;
		leaf->tag[leaf->count] = from->tag[i];
		leaf->entry[leaf->count++] = from->entry[i];
	}
}

/*
 * The leaf in *slotp with room for more entries, copied unless the edit owns it
 * and it has the room; NULL: no memory.
 */
static struct bf_trie_leaf *trie_own_leaf(struct bf_edit *edit,
					  uintptr_t *slotp, uint32_t more)
{
	struct bf_trie_leaf *old = bf_trie_leaf(*slotp), *leaf;

	if (bf_edit_owns(edit, &old->node) && old->count + more <= old->room)
		return old;
	leaf = trie_leaf_make(edit, old->count + more);
	if (!leaf)
		return NULL;
	leaf_append_all(leaf, old);
	bf_edit_drop(edit, &old->node);
	*slotp = leaf_slot(leaf);
	return leaf;
}

static int trie_leaf_add(struct bf_edit *edit, uintptr_t *slotp,
			 struct bf_trie_entry *entry)
{
	struct bf_trie_leaf *leaf = trie_own_leaf(edit, slotp, 1);

	if (!leaf)
		return -ENOMEM;
	leaf_append(leaf, entry);
	return 0;
}

/* Makes a leaf of the entry in the slot and the new one. */
static int slot_make_leaf(struct bf_edit *edit, uintptr_t *slotp,
			  struct bf_trie_entry *entry)
{
	struct bf_trie_leaf *leaf = trie_leaf_make(edit, 2);

	if (!leaf)
		return -ENOMEM;
	leaf_append(leaf, slot_entry(*slotp));
	leaf_append(leaf, entry);
	*slotp = leaf_slot(leaf);
	return 0;
}

/* Adds to a slot that is not a node. */
static int slot_add(struct bf_edit *edit, uintptr_t *slotp,
		    struct bf_trie_entry *entry)
{
	if (*slotp & BF_TRIE_LEAF)
		return trie_leaf_add(edit, slotp, entry);
	if (*slotp)
		return slot_make_leaf(edit, slotp, entry);
	*slotp = (uintptr_t)entry;
	return 0;
}

/* Adds an entry below a node that the edit owns. */
static int trie_node_add(struct bf_edit *edit, struct bf_trie_node *node,
			 struct bf_trie_entry *entry, unsigned int shift)
{
	node->count++;
	return slot_add(edit, trie_slot(node, entry->hash, shift), entry);
}

static int trie_leaf_split(struct bf_edit *edit, struct bf_trie_node *node,
			   struct bf_trie_leaf *leaf, unsigned int shift)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < leaf->count && !ret; i++)
		if (leaf->entry[i])
			ret = trie_node_add(edit, node, leaf->entry[i], shift);
	bf_edit_drop(edit, &leaf->node);
	return ret;
}

/* Makes a node of the entry or the leaf in a slot. */
static int slot_split(struct bf_edit *edit, uintptr_t *slotp,
		      unsigned int shift)
{
	struct bf_trie_node *node = bf_edit_make(edit, sizeof(*node));
	const uintptr_t below = *slotp;

	if (!node)
		return -ENOMEM;
	*slotp = (uintptr_t)node + BF_TRIE_NODE;
	return below & BF_TRIE_LEAF ?
		       trie_leaf_split(edit, node, bf_trie_leaf(below), shift) :
		       trie_node_add(edit, node, slot_entry(below), shift);
}

/*
 * Does another entry need a node in the slot?  Above LEAF_SHIFT two entries do:
 * these nodes are few and in the cache, and a step through a node is shorter
 * than a search in a leaf.
 */
static bool slot_is_full(uintptr_t slot, unsigned int shift)
{
	if (slot & BF_TRIE_LEAF)
		return bf_trie_leaf(slot)->count == BF_TRIE_LEAVES;
	return slot && shift < LEAF_SHIFT;
}

/*
 * Steps down from the node in *slotp, which the edit then owns, and adds more
 * to the node's count of entries.  Returns the slot below; NULL: no memory.
 */
static uintptr_t *trie_step(struct bf_edit *edit, uintptr_t *slotp,
			    uint64_t hash, unsigned int shift, int more)
{
	struct bf_trie_node *node = trie_own_node(edit, slotp);

	if (!node)
		return NULL;
	node->count += (size_t)more;
	return trie_slot(node, hash, shift);
}

int bf_trie_add(struct bf_edit *edit, uintptr_t *root,
		struct bf_trie_entry *entry)
{
	uintptr_t *slotp = root;
	unsigned int shift;

	for (shift = 0; slotp; shift += BF_TRIE_BITS) {
		if (!(*slotp & BF_TRIE_NODE)) {
			if (!slot_is_full(*slotp, shift))
				return slot_add(edit, slotp, entry);
			if (slot_split(edit, slotp, shift))
				return -ENOMEM;
		}
		slotp = trie_step(edit, slotp, entry->hash, shift, 1);
	}
	return -ENOMEM;
}

/* The index of a hash that the leaf has. */
static unsigned int leaf_index(const struct bf_trie_leaf *leaf, uint64_t hash)
{
	struct bf_trie_entry *entry;

	return bf_trie_index(leaf, hash, &entry);
}

int bf_trie_replace(struct bf_edit *edit, uintptr_t *root,
		    struct bf_trie_entry *entry)
{
	struct bf_trie_leaf *leaf;
	uintptr_t *slotp = root;
	unsigned int shift;

	for (shift = 0; *slotp & BF_TRIE_NODE; shift += BF_TRIE_BITS) {
		slotp = trie_step(edit, slotp, entry->hash, shift, 0);
		if (!slotp)
			return -ENOMEM;
	}
	if (!(*slotp & BF_TRIE_LEAF)) {
		*slotp = (uintptr_t)entry;
		return 0;
	}
	leaf = trie_own_leaf(edit, slotp, 0);
	if (!leaf)
		return -ENOMEM;
	leaf->entry[leaf_index(leaf, entry->hash)] = entry;
	return 0;
}

/* Moves all entries below a slot to the leaf, and drops their nodes. */
static void leaf_gather(struct bf_edit *edit, struct bf_trie_leaf *leaf,
			uintptr_t slot)
{
	struct bf_trie_node *node;
	int i;

	if (slot & BF_TRIE_LEAF) {
		leaf_append_all(leaf, bf_trie_leaf(slot));
		bf_edit_drop(edit, &bf_trie_leaf(slot)->node);
	} else if (slot & BF_TRIE_NODE) {
		node = bf_trie_node(slot);
		for (i = 0; i < BF_TRIE_SLOTS; i++)
			leaf_gather(edit, leaf, node->slot[i]);
		bf_edit_drop(edit, &node->node);
	} else if (slot) {
		leaf_append(leaf, slot_entry(slot));
	}
}

/*
 * Makes a leaf of a node.  The leaf has one entry more than the node counts,
 * the one that the caller is about to remove.
 */
static int trie_node_join(struct bf_edit *edit, uintptr_t *slotp)
{
	struct bf_trie_leaf *leaf =
		trie_leaf_make(edit, (uint32_t)bf_trie_node(*slotp)->count + 1);

	if (!leaf)
		return -ENOMEM;
	leaf_gather(edit, leaf, *slotp);
	*slotp = leaf_slot(leaf);
	return 0;
}

/* The converse of slot_is_full(). */
static bool node_has_few(const struct bf_trie_node *node, unsigned int shift)
{
	return node->count <= (shift < LEAF_SHIFT ? 1 : FEW_ENTRIES);
}

/* A single entry needs no leaf. */
static int trie_leaf_remove(struct bf_edit *edit, uintptr_t *slotp,
			    uint64_t hash)
{
	struct bf_trie_leaf *leaf = trie_own_leaf(edit, slotp, 0);
	unsigned int i;

	if (!leaf)
		return -ENOMEM;
	i = leaf_index(leaf, hash);
	leaf->count--;
	leaf->tag[i] = leaf->tag[leaf->count];
	leaf->tag[leaf->count] = 0;
	leaf->entry[i] = leaf->entry[leaf->count];
	if (leaf->count <= 1) {
		*slotp = leaf->count ? (uintptr_t)leaf->entry[0] : 0;
		bf_edit_drop(edit, &leaf->node);
	}
	return 0;
}

int bf_trie_remove(struct bf_edit *edit, uintptr_t *root, uint64_t hash)
{
	uintptr_t *slotp = root, *below;
	unsigned int shift;

	for (shift = 0; *slotp & BF_TRIE_NODE; shift += BF_TRIE_BITS) {
		below = trie_step(edit, slotp, hash, shift, -1);
		if (!below)
			return -ENOMEM;
		if (node_has_few(bf_trie_node(*slotp), shift)) {
			if (trie_node_join(edit, slotp))
				return -ENOMEM;
			break;
		}
		slotp = below;
	}
	if (*slotp & BF_TRIE_LEAF)
		return trie_leaf_remove(edit, slotp, hash);
	*slotp = 0;
	return 0;
}

void bf_trie_clear(uintptr_t *root, uint64_t hash)
{
	struct bf_trie_leaf *leaf;
	uintptr_t *slotp = root;
	unsigned int shift;

	/* Readers do not read the counts. */
	for (shift = 0; *slotp & BF_TRIE_NODE; shift += BF_TRIE_BITS) {
		bf_trie_node(*slotp)->count--;
		slotp = trie_slot(bf_trie_node(*slotp), hash, shift);
	}
	if (*slotp & BF_TRIE_LEAF) {
		leaf = bf_trie_leaf(*slotp);
		__atomic_store_n(&leaf->entry[leaf_index(leaf, hash)], NULL,
				 __ATOMIC_RELAXED);
	} else {
		__atomic_store_n(slotp, 0, __ATOMIC_RELAXED);
	}
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

static int leaf_each(const struct bf_trie_leaf *leaf,
		     int (*fn)(void *opaque, struct bf_trie_entry *entry),
		     void *opaque)
{
	struct bf_trie_entry *entry;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < leaf->count && !ret; i++) {
		entry = __atomic_load_n(&leaf->entry[i], __ATOMIC_CONSUME);
		if (entry)
			ret = fn(opaque, entry);
	}
	return ret;
}

int bf_trie_each(uintptr_t root,
		 int (*fn)(void *opaque, struct bf_trie_entry *entry),
		 void *opaque)
{
	uintptr_t slot;
	int i, ret = 0;

	if (root & BF_TRIE_LEAF)
		return leaf_each(bf_trie_leaf(root), fn, opaque);
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

void bf_trie_destroy(uintptr_t root, void (*fn)(struct bf_trie_entry *entry))
{
	uint32_t i;

	if (root & BF_TRIE_LEAF) {
		for (i = 0; i < bf_trie_leaf(root)->count; i++)
			if (bf_trie_leaf(root)->entry[i])
				fn(bf_trie_leaf(root)->entry[i]);
		free(bf_trie_leaf(root));
	} else if (root & BF_TRIE_NODE) {
		for (i = 0; i < BF_TRIE_SLOTS; i++)
			if (bf_trie_node(root)->slot[i])
				bf_trie_destroy(bf_trie_node(root)->slot[i],
						fn);
		free(bf_trie_node(root));
	} else if (root) {
		fn(slot_entry(root));
	}
}
