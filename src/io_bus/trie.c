// SPDX-License-Identifier: MIT
/*
 * A node is made where a leaf is full, and goes where few entries are left
 * below: so few that the leaf that takes its place is not full again at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/trie.h"

/* How many bits of the hash have been used up where leaves begin. */
#define LEAF_SHIFT (2 * BF_TRIE_BITS)

/* A node with so few entries below becomes a leaf. */
#define JOIN_MAX (BF_TRIE_LEAVES / 2)

/* Room is made for some more at once: an edit need not copy a leaf for each. */
#define ROOM_STEP 4

static struct bf_trie_entry *slot_entry(uintptr_t slot)
{
	return (struct bf_trie_entry *)slot;
}

static uintptr_t leaf_slot(const struct bf_trie_leaf *leaf)
{
	return (uintptr_t)leaf + BF_TRIE_LEAF;
}

/* Where a node shift bits down the hash has it. */
static uintptr_t *slot_of(struct bf_trie_node *node, uint64_t hash,
			  unsigned int shift)
{
	return &node->slot[(hash >> shift) % BF_TRIE_SLOTS];
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
	node = bf_edit_copy(edit, &node->node, sizeof(*node), sizeof(*node));
	if (node)
		*slotp = (uintptr_t)node + BF_TRIE_NODE;
	return node;
}

static struct bf_trie_leaf *make_leaf(struct bf_edit *edit, uint32_t count)
{
	const uint32_t room = (count + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
	struct bf_trie_leaf *leaf = bf_edit_make(
		edit, sizeof(*leaf) + room * sizeof(leaf->entry[0]));

	if (leaf)
		leaf->room = room;
	return leaf;
}

static void put(struct bf_trie_leaf *leaf, struct bf_trie_entry *entry)
{
	leaf->tag[leaf->count] = bf_trie_tag(entry->hash);
	leaf->entry[leaf->count++] = entry;
}

static void put_all(struct bf_trie_leaf *leaf, const struct bf_trie_leaf *from)
{
	uint32_t i;

	for (i = 0; i < from->count; i++) {
		/* What was cleared in place does not come along. */
		if (!from->entry[i])
			continue;
		leaf->tag[leaf->count] = from->tag[i];
		leaf->entry[leaf->count++] = from->entry[i];
	}
}

/*
 * Makes the leaf in *slotp the edit's, with room for one more than there are if
 * that is wanted; NULL: no memory.
 */
static struct bf_trie_leaf *own_leaf(struct bf_edit *edit, uintptr_t *slotp,
				     uint32_t more)
{
	struct bf_trie_leaf *old = bf_trie_leaf(*slotp), *leaf;

	if (bf_edit_owns(edit, &old->node) && old->count + more <= old->room)
		return old;
	leaf = make_leaf(edit, old->count + more);
	if (!leaf)
		return NULL;
	put_all(leaf, old);
	bf_edit_drop(edit, &old->node);
	*slotp = leaf_slot(leaf);
	return leaf;
}

static int add_to_leaf(struct bf_edit *edit, uintptr_t *slotp,
		       struct bf_trie_entry *entry)
{
	struct bf_trie_leaf *leaf = own_leaf(edit, slotp, 1);

	if (!leaf)
		return -ENOMEM;
	put(leaf, entry);
	return 0;
}

/* A leaf of the entry that is there and the new one. */
static int add_leaf(struct bf_edit *edit, uintptr_t *slotp,
		    struct bf_trie_entry *entry)
{
	struct bf_trie_leaf *leaf = make_leaf(edit, 2);

	if (!leaf)
		return -ENOMEM;
	put(leaf, slot_entry(*slotp));
	put(leaf, entry);
	*slotp = leaf_slot(leaf);
	return 0;
}

/* Where there is no node yet. */
static int add_below(struct bf_edit *edit, uintptr_t *slotp,
		     struct bf_trie_entry *entry)
{
	if (*slotp & BF_TRIE_LEAF)
		return add_to_leaf(edit, slotp, entry);
	if (*slotp)
		return add_leaf(edit, slotp, entry);
	*slotp = (uintptr_t)entry;
	return 0;
}

/* Puts an entry below a node, shift bits down, that the edit has made. */
static int add_to_node(struct bf_edit *edit, struct bf_trie_node *node,
		       struct bf_trie_entry *entry, unsigned int shift)
{
	node->count++;
	return add_below(edit, slot_of(node, entry->hash, shift), entry);
}

static int split_leaf(struct bf_edit *edit, struct bf_trie_node *node,
		      struct bf_trie_leaf *leaf, unsigned int shift)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < leaf->count && !ret; i++)
		if (leaf->entry[i])
			ret = add_to_node(edit, node, leaf->entry[i], shift);
	bf_edit_drop(edit, &leaf->node);
	return ret;
}

/* A node, shift bits down, in the place of what is there, and over it. */
static int split(struct bf_edit *edit, uintptr_t *slotp, unsigned int shift)
{
	struct bf_trie_node *node = bf_edit_make(edit, sizeof(*node));
	const uintptr_t below = *slotp;

	if (!node)
		return -ENOMEM;
	*slotp = (uintptr_t)node + BF_TRIE_NODE;
	return below & BF_TRIE_LEAF ?
		       split_leaf(edit, node, bf_trie_leaf(below), shift) :
		       add_to_node(edit, node, slot_entry(below), shift);
}

/*
 * Is another entry too many for what is there, shift bits down?  High up two
 * are: these nodes are few and near in any case, and a step in a node is
 * shorter than a search in a leaf.
 */
static bool is_full(uintptr_t slot, unsigned int shift)
{
	if (slot & BF_TRIE_LEAF)
		return bf_trie_leaf(slot)->count == BF_TRIE_LEAVES;
	return slot && shift < LEAF_SHIFT;
}

/*
 * A step down from the node in *slotp, which becomes the edit's, and whose
 * count of entries changes by more; NULL: no memory.
 */
static uintptr_t *own_step(struct bf_edit *edit, uintptr_t *slotp,
			   uint64_t hash, unsigned int shift, int more)
{
	struct bf_trie_node *node = own_node(edit, slotp);

	if (!node)
		return NULL;
	node->count += (size_t)more;
	return slot_of(node, hash, shift);
}

int bf_trie_add(struct bf_edit *edit, uintptr_t *root,
		struct bf_trie_entry *entry)
{
	uintptr_t *slotp = root;
	unsigned int shift;

	for (shift = 0; slotp; shift += BF_TRIE_BITS) {
		if (!(*slotp & BF_TRIE_NODE)) {
			if (!is_full(*slotp, shift))
				return add_below(edit, slotp, entry);
			if (split(edit, slotp, shift))
				return -ENOMEM;
		}
		slotp = own_step(edit, slotp, entry->hash, shift, 1);
	}
	return -ENOMEM;
}

/* Where the hash is, in a leaf that has it. */
static unsigned int index_in(const struct bf_trie_leaf *leaf, uint64_t hash)
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
		slotp = own_step(edit, slotp, entry->hash, shift, 0);
		if (!slotp)
			return -ENOMEM;
	}
	if (!(*slotp & BF_TRIE_LEAF)) {
		*slotp = (uintptr_t)entry;
		return 0;
	}
	leaf = own_leaf(edit, slotp, 0);
	if (!leaf)
		return -ENOMEM;
	leaf->entry[index_in(leaf, entry->hash)] = entry;
	return 0;
}

/* Puts all that is below into the leaf, and drops what it was in. */
static void gather(struct bf_edit *edit, struct bf_trie_leaf *leaf,
		   uintptr_t slot)
{
	struct bf_trie_node *node;
	int i;

	if (slot & BF_TRIE_LEAF) {
		put_all(leaf, bf_trie_leaf(slot));
		bf_edit_drop(edit, &bf_trie_leaf(slot)->node);
	} else if (slot & BF_TRIE_NODE) {
		node = bf_trie_node(slot);
		for (i = 0; i < BF_TRIE_SLOTS; i++)
			gather(edit, leaf, node->slot[i]);
		bf_edit_drop(edit, &node->node);
	} else if (slot) {
		put(leaf, slot_entry(slot));
	}
}

/*
 * A leaf in the place of a node with few entries below, and of one more, which
 * is not counted but not removed yet.
 */
static int join(struct bf_edit *edit, uintptr_t *slotp)
{
	struct bf_trie_leaf *leaf =
		make_leaf(edit, (uint32_t)bf_trie_node(*slotp)->count + 1);

	if (!leaf)
		return -ENOMEM;
	gather(edit, leaf, *slotp);
	*slotp = leaf_slot(leaf);
	return 0;
}

/* As is_full() has it. */
static bool has_few(const struct bf_trie_node *node, unsigned int shift)
{
	return node->count <= (shift < LEAF_SHIFT ? 1 : JOIN_MAX);
}

/* One that is left needs no leaf. */
static int remove_from_leaf(struct bf_edit *edit, uintptr_t *slotp,
			    uint64_t hash)
{
	struct bf_trie_leaf *leaf = own_leaf(edit, slotp, 0);
	unsigned int i;

	if (!leaf)
		return -ENOMEM;
	i = index_in(leaf, hash);
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
		below = own_step(edit, slotp, hash, shift, -1);
		if (!below)
			return -ENOMEM;
		if (has_few(bf_trie_node(*slotp), shift)) {
			if (join(edit, slotp))
				return -ENOMEM;
			break;
		}
		slotp = below;
	}
	if (*slotp & BF_TRIE_LEAF)
		return remove_from_leaf(edit, slotp, hash);
	*slotp = 0;
	return 0;
}

void bf_trie_clear(uintptr_t *root, uint64_t hash)
{
	struct bf_trie_leaf *leaf;
	uintptr_t *slotp = root;
	unsigned int shift;

	/* Readers do not look at the counts. */
	for (shift = 0; *slotp & BF_TRIE_NODE; shift += BF_TRIE_BITS) {
		bf_trie_node(*slotp)->count--;
		slotp = slot_of(bf_trie_node(*slotp), hash, shift);
	}
	if (*slotp & BF_TRIE_LEAF) {
		leaf = bf_trie_leaf(*slotp);
		__atomic_store_n(&leaf->entry[index_in(leaf, hash)], NULL,
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

static int each_of_leaf(const struct bf_trie_leaf *leaf,
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
		return each_of_leaf(bf_trie_leaf(root), fn, opaque);
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
	int i;

	if (root & BF_TRIE_LEAF)
		free(bf_trie_leaf(root));
	if (!(root & BF_TRIE_NODE))
		return;
	for (i = 0; i < BF_TRIE_SLOTS; i++)
		bf_trie_free(bf_trie_node(root)->slot[i]);
	free(bf_trie_node(root));
}
