// SPDX-License-Identifier: MIT
/* The trees of doorbells. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/doorbell.h"

/* By length_index. */
#define NR_LENGTHS 5

/* Lengths that no doorbell can have share the index of length 0. */
static const uint8_t length_index[BF_IO_MAX_LEN + 1] = {
	[1] = 1,
	[2] = 2,
	[4] = 3,
	[8] = 4,
};

/* The doorbells at one address. */
struct doorbell_addr {
	struct bf_node node;
	/* A doorbell of length 0 is the wildcard of each length. */
	struct bf_doorbell_target wildcard[NR_LENGTHS];
	struct bf_span_node *matches[NR_LENGTHS]; /* of struct doorbell_match */
};

/* In the tree of a space. */
struct addr_entry {
	struct bf_span_entry span;
	struct doorbell_addr *at;
};

struct doorbell_match {
	struct bf_span_entry span; /* of the datamatch */
	struct bf_doorbell_target target;
};

static struct addr_entry *addr_entry_of(const struct bf_span_entry *entry)
{
	return container_of(entry, struct addr_entry, span);
}

static struct bf_doorbell_target match_target(const struct bf_span_entry *entry)
{
	return container_of(entry, struct doorbell_match, span)->target;
}

/* In a section, or with the bus locked; NULL: no doorbell is there. */
static struct doorbell_addr *addr_find(const struct bf_io_roots *roots,
				       uint64_t addr)
{
	const struct bf_span_hit hit = bf_span_find(
		roots->doorbells, sizeof(struct addr_entry), addr, 1);

	return hit.entry ? addr_entry_of(hit.entry)->at : NULL;
}

static struct bf_doorbell_target match_find(const struct doorbell_addr *at,
					    unsigned int i, uint64_t value)
{
	const struct bf_span_hit hit = bf_span_find(
		at->matches[i], sizeof(struct doorbell_match), value, 1);

	return hit.entry ? match_target(hit.entry) :
			   (struct bf_doorbell_target){NULL, NULL};
}

/* Relaxed: see clear_wildcard(). */
static struct bf_doorbell_target wildcard_find(const struct doorbell_addr *at,
					       unsigned int i)
{
	return (struct bf_doorbell_target){
		__atomic_load_n(&at->wildcard[i].doorbell, __ATOMIC_RELAXED),
		at->wildcard[i].eventfd,
	};
}

struct bf_doorbell_target bf_doorbell_match(const struct bf_io_roots *roots,
					    const struct bf_io_access *access)
{
	const unsigned int i = length_index[access->len];
	const struct doorbell_addr *at = addr_find(roots, access->addr);
	struct bf_doorbell_target target = {NULL, NULL};

	if (!at)
		return target;
	target = wildcard_find(at, i);
	if (target.doorbell || !at->matches[i])
		return target;
	return match_find(at, i, bf_access_value(access));
}

static unsigned int first_length(const struct bf_entry *entry)
{
	return length_index[entry->size];
}

/* A doorbell of length 0 takes part in all lengths. */
static unsigned int end_length(const struct bf_entry *entry)
{
	return entry->size ? first_length(entry) + 1 : NR_LENGTHS;
}

static struct bf_io_doorbell *any_of_length(const struct doorbell_addr *at,
					    unsigned int i)
{
	struct bf_span_entry *entry;
	struct bf_span span;

	if (at->wildcard[i].doorbell)
		return at->wildcard[i].doorbell;
	entry = bf_span_next(at->matches[i], 0, &span);
	return entry ? match_target(entry).doorbell : NULL;
}

static struct bf_io_doorbell *
collision_of_length(const struct doorbell_addr *at, unsigned int i,
		    const struct bf_entry *new)
{
	if (new->wildcard || at->wildcard[i].doorbell)
		return any_of_length(at, i);
	return match_find(at, i, new->datamatch).doorbell;
}

/* The doorbell that a new one collides with, or NULL. */
static struct bf_io_doorbell *find_collision(const struct doorbell_addr *at,
					     const struct bf_entry *new)
{
	struct bf_io_doorbell *other = NULL;
	unsigned int i;

	for (i = first_length(new); i < end_length(new) && !other; i++)
		other = collision_of_length(at, i, new);
	return other;
}

/*
 * Relaxed: in a published tree the grace period of the removal follows.  An
 * access that begins after that loads NULL.
 */
static void clear_wildcard(struct doorbell_addr *at,
			   const struct bf_entry *entry)
{
	unsigned int i;

	for (i = first_length(entry); i < end_length(entry); i++)
		__atomic_store_n(&at->wildcard[i].doorbell, NULL,
				 __ATOMIC_RELAXED);
}

static struct bf_doorbell_target target_of(struct bf_io_doorbell *doorbell)
{
	return (struct bf_doorbell_target){
		doorbell,
		doorbell->counted ? NULL : doorbell->eventfd,
	};
}

static int addr_add(struct bf_edit *edit, struct doorbell_addr *at,
		    struct bf_entry *entry)
{
	const struct bf_span span = {entry->datamatch, entry->datamatch};
	struct doorbell_match match = {
		.target = target_of(bf_doorbell_of(entry))};
	struct bf_span_entry *existing;
	unsigned int i = first_length(entry);

	if (!entry->wildcard)
		return bf_span_add(edit, &at->matches[i], span, &match.span,
				   sizeof(match), &existing);
	for (; i < end_length(entry); i++)
		at->wildcard[i] = match.target;
	return 0;
}

/* Adds the first doorbell of an address. */
static int addr_make(struct bf_edit *edit, struct bf_span_node **root,
		     struct bf_entry *entry)
{
	const struct bf_span span = {entry->addr, entry->addr};
	struct addr_entry new = {.at = bf_edit_make(edit, sizeof(*new.at))};
	struct bf_span_entry *existing;

	if (!new.at || addr_add(edit, new.at, entry))
		return -ENOMEM;
	return bf_span_add(edit, root, span, &new.span, sizeof(new), &existing);
}

/* The doorbells at the address, for the edit to change; NULL: no memory. */
static struct doorbell_addr *addr_own(struct bf_edit *edit,
				      struct bf_span_node **root, uint64_t addr)
{
	struct bf_span_entry *own = bf_span_own(edit, root, addr);
	struct addr_entry *entry;

	if (!own)
		return NULL;
	entry = addr_entry_of(own);
	if (!bf_edit_owns(edit, &entry->at->node))
		entry->at = bf_edit_copy(edit, &entry->at->node,
					 sizeof(*entry->at),
					 sizeof(*entry->at));
	return entry->at;
}

int bf_doorbell_tree_add(struct bf_change *change, struct bf_entry *entry,
			 struct bf_entry **existing)
{
	struct bf_io_roots *roots = bf_entry_roots(change->state, entry);
	struct doorbell_addr *at = addr_find(roots, entry->addr);
	struct bf_io_doorbell *other = at ? find_collision(at, entry) : NULL;

	if (other) {
		*existing = &other->entry;
		return -EEXIST;
	}
	if (!at)
		return addr_make(&change->edit, &roots->doorbells, entry);
	at = addr_own(&change->edit, &roots->doorbells, entry->addr);
	return at ? addr_add(&change->edit, at, entry) : -ENOMEM;
}

static bool addr_is_empty(const struct doorbell_addr *at)
{
	unsigned int i;

	for (i = 0; i < NR_LENGTHS; i++)
		if (at->wildcard[i].doorbell || at->matches[i])
			return false;
	return true;
}

int bf_doorbell_tree_remove(struct bf_change *change,
			    const struct bf_entry *entry)
{
	struct bf_io_roots *roots = bf_entry_roots(change->state, entry);
	struct doorbell_addr *at =
		addr_own(&change->edit, &roots->doorbells, entry->addr);

	if (!at)
		return -ENOMEM;
	if (entry->wildcard)
		clear_wildcard(at, entry);
	else if (bf_span_remove(&change->edit,
				&at->matches[first_length(entry)],
				entry->datamatch))
		return -ENOMEM;
	if (!addr_is_empty(at))
		return 0;
	bf_edit_drop(&change->edit, &at->node);
	return bf_span_remove(&change->edit, &roots->doorbells, entry->addr);
}

/* An address without doorbells stays until the next change of that address. */
void bf_doorbell_tree_clear(struct bf_io_roots *roots,
			    const struct bf_entry *entry)
{
	uint64_t addr;
	struct bf_span_entry *found = bf_span_seek(roots->doorbells,
						   sizeof(struct addr_entry),
						   entry->addr, &addr);
	struct doorbell_addr *at = addr_entry_of(found)->at;

	if (entry->wildcard)
		clear_wildcard(at, entry);
	else
		bf_span_set_size(at->matches[first_length(entry)],
				 entry->datamatch, 0);
}

static struct bf_span doorbell_span(const struct bf_io_doorbell *doorbell,
				    uint64_t addr)
{
	const uint64_t size = doorbell->entry.size;

	return (struct bf_span){addr, addr + (size ? size - 1 : 0)};
}

static int matches_each(const struct bf_span_node *matches, uint64_t addr,
			bf_entry_fn fn, void *opaque)
{
	struct bf_io_doorbell *doorbell;
	struct bf_span_entry *entry;
	struct bf_span value;
	int ret = 0;

	bf_span_for_each(entry, matches, &value) {
		doorbell = match_target(entry).doorbell;
		ret = fn(opaque, doorbell_span(doorbell, addr),
			 &doorbell->entry);
		if (ret)
			break;
	}
	return ret;
}

static int addr_each(const struct doorbell_addr *at, uint64_t addr,
		     bf_entry_fn fn, void *opaque)
{
	struct bf_io_doorbell *doorbell;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_LENGTHS && !ret; i++) {
		doorbell = wildcard_find(at, i).doorbell;
		/* At its last length, because fn may free it. */
		if (doorbell && end_length(&doorbell->entry) == i + 1)
			ret = fn(opaque, doorbell_span(doorbell, addr),
				 &doorbell->entry);
		if (!ret)
			ret = matches_each(at->matches[i], addr, fn, opaque);
	}
	return ret;
}

int bf_doorbells_each(const struct bf_span_node *root, bf_entry_fn fn,
		      void *opaque)
{
	struct bf_span_entry *entry;
	struct bf_span span;
	int ret = 0;

	bf_span_for_each(entry, root, &span) {
		ret = addr_each(addr_entry_of(entry)->at, span.first, fn,
				opaque);
		if (ret)
			break;
	}
	return ret;
}

static void addr_free(struct doorbell_addr *at)
{
	unsigned int i;

	for (i = 0; i < NR_LENGTHS; i++)
		bf_span_free(at->matches[i]);
	free(at);
}

void bf_doorbells_free(struct bf_span_node *root)
{
	struct bf_span_entry *entry;
	struct bf_span span;

	bf_span_for_each(entry, root, &span)
		addr_free(addr_entry_of(entry)->at);
	bf_span_free(root);
}

bool bf_doorbell_len_valid(uint32_t len)
{
	return !len || (len <= BF_IO_MAX_LEN && length_index[len]);
}

struct bf_io_doorbell *
bf_doorbell_lookup(const struct bf_io_state *state,
		   const struct bf_io_doorbell_desc *desc)
{
	const struct doorbell_addr *at;
	struct bf_io_doorbell *doorbell;
	unsigned int i;

	if (desc->space >= BF_IO_SPACES || !bf_doorbell_len_valid(desc->len))
		return NULL;
	at = addr_find(&state->space[desc->space], desc->addr);
	if (!at)
		return NULL;
	i = length_index[desc->len];
	doorbell = desc->wildcard ? at->wildcard[i].doorbell :
				    match_find(at, i, desc->datamatch).doorbell;
	return doorbell && doorbell->entry.size == desc->len ? doorbell : NULL;
}
