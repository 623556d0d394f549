// SPDX-License-Identifier: MIT
/* Where doorbells are: by address, and there by length and value. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/doorbell.h"
#include "base/util.h"

/* Where a doorbell without datamatch stands. */
static struct bf_io_doorbell **wild_slot(struct bf_bell_addr *at, uint32_t len)
{
	return len ? &at->wild[bf_bell_length(len)] : &at->any;
}

struct bf_io_doorbell *bf_bell_find(const struct bf_io_state *state,
				    const struct bf_io_doorbell_desc *desc)
{
	struct bf_bell_addr *at;

	if (desc->space >= BF_IO_SPACES ||
	    (desc->len && !bf_bell_is_length(desc->len)))
		return NULL;
	at = bf_bell_addr(&state->space[desc->space], desc->addr);
	if (!at)
		return NULL;
	if (desc->wildcard)
		return *wild_slot(at, desc->len);
	return desc->len ? bf_bell_match(at, desc->len, desc->datamatch) : NULL;
}

static struct bf_io_doorbell *some_match(const struct bf_bell_addr *at,
					 unsigned int length)
{
	struct bf_trie_entry *entry = bf_trie_any(at->matches[length]);

	return entry ? bf_bell_of(entry) : NULL;
}

static struct bf_io_doorbell *some_doorbell(const struct bf_bell_addr *at)
{
	struct bf_io_doorbell *doorbell = at->any;
	unsigned int i;

	for (i = 0; i < BF_BELL_LENGTHS && !doorbell; i++)
		doorbell = at->wild[i] ? at->wild[i] : some_match(at, i);
	return doorbell;
}

/* Who stands in the way of the new one. */
static struct bf_io_doorbell *collision(const struct bf_bell_addr *at,
					const struct bf_io_doorbell *new)
{
	unsigned int i;

	if (!new->len)
		return some_doorbell(at);
	if (at->any)
		return at->any;
	i = bf_bell_length(new->len);
	if (at->wild[i])
		return at->wild[i];
	return new->wildcard ? some_match(at, i) :
			       bf_bell_match(at, new->len, new->datamatch);
}

struct bf_io_party bf_bell_party(const struct bf_io_doorbell *doorbell)
{
	return (struct bf_io_party){
		.kind = BF_IO_DOORBELL,
		.space = doorbell->space,
		.wildcard = doorbell->wildcard,
		.addr = doorbell->addr,
		.size = doorbell->len,
		.datamatch = doorbell->datamatch,
	};
}

static struct bf_bell_addr *new_addr(struct bf_change *change, uint16_t space,
				     uint64_t addr)
{
	struct bf_bell_addr *at = bf_edit_make(&change->edit, sizeof(*at));
	struct bf_io_roots *roots = bf_change_roots(change, space);

	if (!at)
		return NULL;
	at->entry.hash = bf_trie_hash(addr);
	return bf_trie_add(&change->edit, &roots->doorbells, &at->entry) ?
		       NULL :
		       at;
}

/* The change's own, to be altered; NULL: no memory. */
static struct bf_bell_addr *own_addr(struct bf_change *change, uint16_t space,
				     struct bf_bell_addr *at)
{
	if (bf_edit_owns(&change->edit, &at->node))
		return at;
	at = bf_edit_copy(&change->edit, &at->node, sizeof(*at), sizeof(*at));
	if (!at)
		return NULL;
	return bf_trie_replace(&change->edit,
			       &bf_change_roots(change, space)->doorbells,
			       &at->entry) ?
		       NULL :
		       at;
}

static int put(struct bf_change *change, struct bf_bell_addr *at,
	       struct bf_io_doorbell *doorbell)
{
	if (doorbell->wildcard) {
		*wild_slot(at, doorbell->len) = doorbell;
		return 0;
	}
	return bf_trie_add(&change->edit,
			   &at->matches[bf_bell_length(doorbell->len)],
			   &doorbell->match);
}

int bf_bell_add(struct bf_change *change, struct bf_io_doorbell *doorbell,
		struct bf_io_conflict *conflict)
{
	struct bf_bell_addr *at = bf_bell_addr(
		bf_change_roots(change, doorbell->space), doorbell->addr);
	const struct bf_io_doorbell *other = at ? collision(at, doorbell) :
						  NULL;

	if (other) {
		if (conflict) {
			conflict->wanted = bf_bell_party(doorbell);
			conflict->existing = bf_bell_party(other);
		}
		return -EEXIST;
	}
	at = at ? own_addr(change, doorbell->space, at) :
		  new_addr(change, doorbell->space, doorbell->addr);
	return at ? put(change, at, doorbell) : -ENOMEM;
}

static bool is_empty(const struct bf_bell_addr *at)
{
	unsigned int i;

	for (i = 0; i < BF_BELL_LENGTHS; i++)
		if (at->wild[i] || at->matches[i])
			return false;
	return !at->any;
}

/* What a registered doorbell is at; compilers cannot know that it is. */
static struct bf_bell_addr *place_of(const struct bf_io_roots *roots,
				     const struct bf_io_doorbell *doorbell)
{
	struct bf_bell_addr *at = bf_bell_addr(roots, doorbell->addr);

	if (!at)
		__builtin_unreachable();
	return at;
}

int bf_bell_remove(struct bf_change *change,
		   const struct bf_io_doorbell *doorbell)
{
	uintptr_t *root = &bf_change_roots(change, doorbell->space)->doorbells;
	struct bf_bell_addr *at =
		place_of(bf_change_roots(change, doorbell->space), doorbell);

	at = own_addr(change, doorbell->space, at);
	if (!at)
		return -ENOMEM;
	if (doorbell->wildcard)
		*wild_slot(at, doorbell->len) = NULL;
	else if (bf_trie_remove(&change->edit,
				&at->matches[bf_bell_length(doorbell->len)],
				doorbell->match.hash))
		return -ENOMEM;
	if (!is_empty(at))
		return 0;
	bf_edit_drop(&change->edit, &at->node);
	return bf_trie_remove(&change->edit, root, at->entry.hash);
}

/* An address that nothing is left at stays, until the next change there. */
void bf_bell_clear(struct bf_io_bus *bus, const struct bf_io_doorbell *doorbell)
{
	struct bf_bell_addr *at =
		place_of(&bus->state->space[doorbell->space], doorbell);

	if (!doorbell->wildcard)
		bf_trie_clear(&at->matches[bf_bell_length(doorbell->len)],
			      doorbell->match.hash);
	else
		__atomic_store_n(wild_slot(at, doorbell->len), NULL,
				 __ATOMIC_RELAXED);
}

struct visit {
	int (*fn)(void *opaque, struct bf_io_doorbell *doorbell);
	void *opaque;
};

static int visit_match(void *opaque, struct bf_trie_entry *entry)
{
	const struct visit *visit = opaque;

	return visit->fn(visit->opaque, bf_bell_of(entry));
}

int bf_bell_each(const struct bf_bell_addr *at,
		 int (*fn)(void *opaque, struct bf_io_doorbell *doorbell),
		 void *opaque)
{
	struct visit visit = {fn, opaque};
	struct bf_io_doorbell *wild;
	unsigned int i;
	int ret = 0;

	wild = __atomic_load_n(&at->any, __ATOMIC_CONSUME);
	if (wild)
		ret = fn(opaque, wild);
	for (i = 0; i < BF_BELL_LENGTHS && !ret; i++) {
		wild = __atomic_load_n(&at->wild[i], __ATOMIC_CONSUME);
		ret = wild ? fn(opaque, wild) :
			     bf_trie_each(__atomic_load_n(&at->matches[i],
							  __ATOMIC_CONSUME),
					  visit_match, &visit);
	}
	return ret;
}

static int addr_free(void *opaque, struct bf_trie_entry *entry)
{
	struct bf_bell_addr *at = bf_bell_addr_of(entry);
	unsigned int i;

	for (i = 0; i < BF_BELL_LENGTHS; i++)
		bf_trie_free(at->matches[i]);
	free(at);
	return 0;
}

void bf_bells_free(uintptr_t root)
{
	bf_trie_each(root, addr_free, NULL);
	bf_trie_free(root);
}
