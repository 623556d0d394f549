// SPDX-License-Identifier: MIT
/* The trees of doorbells. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/doorbell.h"

/* Lengths that no doorbell can have share the index of length 0. */
static const uint8_t length_index[BF_IO_MAX_LEN + 1] = {
	[1] = 1,
	[2] = 2,
	[4] = 3,
	[8] = 4,
};

/* The doorbells of one length at one address. */
struct doorbell_addr {
	struct bf_span_entry span;	    /* of the address */
	struct bf_doorbell_target wildcard; /* of the values, if there is one */
	struct bf_span_node *matches;	    /* of struct doorbell_match */
};

struct doorbell_match {
	struct bf_span_entry span; /* of the datamatch */
	struct bf_doorbell_target target;
};

static struct doorbell_addr *addr_of(struct bf_span_entry *entry)
{
	return container_of(entry, struct doorbell_addr, span);
}

static struct bf_doorbell_target match_target(const struct bf_span_entry *entry)
{
	return container_of(entry, struct doorbell_match, span)->target;
}

/* In a section, or with the bus locked; NULL: no doorbell is there. */
static struct doorbell_addr *addr_find(const struct bf_span_node *root,
				       uint64_t addr)
{
	const struct bf_span_hit hit =
		bf_span_find(root, sizeof(struct doorbell_addr), addr, 1);

	return hit.entry ? addr_of(hit.entry) : NULL;
}

static struct bf_doorbell_target match_find(const struct doorbell_addr *at,
					    uint64_t value)
{
	const struct bf_span_hit hit = bf_span_find(
		at->matches, sizeof(struct doorbell_match), value, 1);

	return hit.entry ? match_target(hit.entry) :
			   (struct bf_doorbell_target){NULL, NULL};
}

/* Relaxed: see bf_doorbell_tree_clear(). */
static struct bf_doorbell_target wildcard_of(const struct doorbell_addr *at)
{
	return (struct bf_doorbell_target){
		__atomic_load_n(&at->wildcard.doorbell, __ATOMIC_RELAXED),
		at->wildcard.eventfd,
	};
}

static struct bf_doorbell_target match_in(const struct bf_span_node *root,
					  const struct bf_io_access *access)
{
	const struct doorbell_addr *at = addr_find(root, access->addr);
	struct bf_doorbell_target target = {NULL, NULL};

	if (!at)
		return target;
	target = wildcard_of(at);
	return target.doorbell || !at->matches ?
		       target :
		       match_find(at, bf_access_value(access));
}

struct bf_doorbell_target
bf_doorbell_match(const struct bf_doorbell_trees *trees,
		  const struct bf_io_access *access)
{
	const struct bf_doorbell_target target =
		match_in(trees->by_length[length_index[access->len]], access);

	return target.doorbell ? target : match_in(trees->by_length[0], access);
}

/* In a state that no access can see, or with the bus locked. */
static struct bf_span_node **root_of(struct bf_io_roots *roots,
				     const struct bf_entry *entry)
{
	return &roots->doorbells.by_length[length_index[entry->size]];
}

/* @at: the doorbells of a length at the address of @new, or NULL. */
static struct bf_io_doorbell *collision_at(const struct doorbell_addr *at,
					   const struct bf_entry *new)
{
	struct bf_span_entry *entry;
	struct bf_span span;

	if (!at)
		return NULL;
	if (at->wildcard.doorbell)
		return at->wildcard.doorbell;
	if (!new->wildcard)
		return match_find(at, new->datamatch).doorbell;
	entry = bf_span_next(at->matches, 0, &span);
	return entry ? match_target(entry).doorbell : NULL;
}

/*
 * The doorbell that a new one collides with, or NULL.  One of length 0 takes
 * part in all lengths.  @at is of the length of @new.
 */
static struct bf_io_doorbell *find_collision(const struct bf_io_roots *roots,
					     const struct doorbell_addr *at,
					     const struct bf_entry *new)
{
	struct bf_span_node *const *by_length = roots->doorbells.by_length;
	struct bf_io_doorbell *other = collision_at(at, new);
	unsigned int i;

	if (new->size)
		return other ? other :
			       collision_at(addr_find(by_length[0], new->addr),
					    new);
	for (i = 1; i < BF_DOORBELL_LENGTHS && !other; i++)
		other = collision_at(addr_find(by_length[i], new->addr), new);
	return other;
}

static struct bf_doorbell_target target_of(struct bf_io_doorbell *doorbell)
{
	return (struct bf_doorbell_target){
		doorbell,
		doorbell->counted ? NULL : doorbell->eventfd,
	};
}

/* Adds a doorbell to an entry that the edit owns. */
static int addr_add(struct bf_edit *edit, struct doorbell_addr *at,
		    struct bf_entry *entry)
{
	const struct bf_span span = {entry->datamatch, entry->datamatch};
	const struct doorbell_match match = {
		.target = target_of(bf_doorbell_of(entry))};
	struct bf_span_entry *existing;

	if (!entry->wildcard)
		return bf_span_add(edit, &at->matches, span, &match.span,
				   sizeof(match), &existing);
	at->wildcard = match.target;
	return 0;
}

/* Adds the first doorbell of an address. */
static int addr_make(struct bf_edit *edit, struct bf_span_node **root,
		     struct bf_entry *entry)
{
	const struct bf_span span = {entry->addr, entry->addr};
	struct doorbell_addr new = {.matches = NULL};
	struct bf_span_entry *existing;
	int ret = addr_add(edit, &new, entry);

	return ret ? ret :
		     bf_span_add(edit, root, span, &new.span, sizeof(new),
				 &existing);
}

int bf_doorbell_tree_add(struct bf_change *change, struct bf_entry *entry,
			 struct bf_entry **existing)
{
	struct bf_io_roots *roots = bf_entry_roots(change->state, entry);
	struct bf_span_node **root = root_of(roots, entry);
	const struct doorbell_addr *at = addr_find(*root, entry->addr);
	struct bf_io_doorbell *other = find_collision(roots, at, entry);
	struct bf_span_entry *own;

	if (other) {
		*existing = &other->entry;
		return -EEXIST;
	}
	roots->had_doorbells = true;
	if (!at)
		return addr_make(&change->edit, root, entry);
	own = bf_span_own(&change->edit, root, entry->addr);
	return own ? addr_add(&change->edit, addr_of(own), entry) : -ENOMEM;
}

int bf_doorbell_tree_remove(struct bf_change *change,
			    const struct bf_entry *entry)
{
	struct bf_span_node **root =
		root_of(bf_entry_roots(change->state, entry), entry);
	struct bf_span_entry *own =
		bf_span_own(&change->edit, root, entry->addr);
	struct doorbell_addr *at;

	if (!own)
		return -ENOMEM;
	at = addr_of(own);
	if (entry->wildcard)
		at->wildcard.doorbell = NULL;
	else if (bf_span_remove(&change->edit, &at->matches, entry->datamatch))
		return -ENOMEM;
	if (at->wildcard.doorbell || at->matches)
		return 0;
	return bf_span_remove(&change->edit, root, entry->addr);
}

/*
 * An address without doorbells stays until the next change of that address.
 *
 * Relaxed: the grace period of the removal follows.  An access that begins
 * after that loads NULL.
 */
void bf_doorbell_tree_clear(struct bf_io_roots *roots,
			    const struct bf_entry *entry)
{
	struct doorbell_addr *at =
		addr_find(*root_of(roots, entry), entry->addr);

	if (entry->wildcard)
		__atomic_store_n(&at->wildcard.doorbell, NULL,
				 __ATOMIC_RELAXED);
	else
		bf_span_set_size(at->matches, entry->datamatch, 0);
}

static int doorbell_visit(struct bf_io_doorbell *doorbell, uint64_t addr,
			  bf_entry_fn fn, void *opaque)
{
	const uint64_t size = doorbell->entry.size;
	const struct bf_span span = {addr, addr + (size ? size - 1 : 0)};

	return fn(opaque, span, &doorbell->entry);
}

static int addr_each(const struct doorbell_addr *at, uint64_t addr,
		     bf_entry_fn fn, void *opaque)
{
	struct bf_io_doorbell *wildcard = wildcard_of(at).doorbell;
	struct bf_span_entry *entry;
	struct bf_span value;
	int ret = 0;

	if (wildcard)
		return doorbell_visit(wildcard, addr, fn, opaque);
	bf_span_for_each(entry, at->matches, &value) {
		ret = doorbell_visit(match_target(entry).doorbell, addr, fn,
				     opaque);
		if (ret)
			break;
	}
	return ret;
}

static int tree_each(const struct bf_span_node *root, bf_entry_fn fn,
		     void *opaque)
{
	struct bf_span_entry *entry;
	struct bf_span span;
	int ret = 0;

	bf_span_for_each(entry, root, &span) {
		ret = addr_each(addr_of(entry), span.first, fn, opaque);
		if (ret)
			break;
	}
	return ret;
}

int bf_doorbells_each(const struct bf_doorbell_trees *trees, bf_entry_fn fn,
		      void *opaque)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < BF_DOORBELL_LENGTHS && !ret; i++)
		ret = tree_each(trees->by_length[i], fn, opaque);
	return ret;
}

static void match_free(struct bf_span_entry *entry)
{
	bf_entry_free(&match_target(entry).doorbell->entry);
}

static void addr_free(struct bf_span_entry *entry)
{
	const struct doorbell_addr *at = addr_of(entry);

	if (at->wildcard.doorbell)
		bf_entry_free(&at->wildcard.doorbell->entry);
	bf_span_free(at->matches, match_free);
}

void bf_doorbells_free(const struct bf_doorbell_trees *trees)
{
	unsigned int i;

	for (i = 0; i < BF_DOORBELL_LENGTHS; i++)
		bf_span_free(trees->by_length[i], addr_free);
}

bool bf_doorbell_len_valid(uint32_t len)
{
	return !len || (len <= BF_IO_MAX_LEN && length_index[len]);
}

struct bf_io_doorbell *
bf_doorbell_lookup(const struct bf_io_state *state,
		   const struct bf_io_doorbell_desc *desc)
{
	const struct bf_doorbell_trees *trees;
	const struct doorbell_addr *at;

	if (desc->space >= state->spaces || !bf_doorbell_len_valid(desc->len))
		return NULL;
	trees = &state->space[desc->space].doorbells;
	at = addr_find(trees->by_length[length_index[desc->len]], desc->addr);
	if (!at)
		return NULL;
	return desc->wildcard ? at->wildcard.doorbell :
				match_find(at, desc->datamatch).doorbell;
}
