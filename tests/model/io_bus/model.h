/* SPDX-License-Identifier: MIT */
/*
 * A model of the bus, as simple as possible: a list of entries, in the order of
 * their registration, that every operation walks from end to end.
 */
#ifndef BF_TESTS_IO_BUS_MODEL_H
#define BF_TESTS_IO_BUS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belfry/io_bus.h"

struct subject;

struct model_entry {
	enum bf_io_kind kind;
	uint16_t space;
	uint64_t addr;
	uint64_t size;	  /* a doorbell's length, 0 for any */
	int64_t priority; /* of a range */
	bool wildcard;
	uint64_t datamatch;
	struct subject *subject; /* the entry of the real bus */
};

struct model {
	size_t count;
	size_t room;
	struct model_entry *entries;
};

void model_init(struct model *model, size_t room);
void model_free(struct model *model);
void model_copy(struct model *to, const struct model *from);

void model_add(struct model *model, const struct model_entry *entry);

/* Does nothing if the entry is absent: the bus has failed earlier. */
void model_remove(struct model *model, const struct subject *subject);

struct model_entry *model_entry(const struct model *model,
				const struct subject *subject);

/* Whether the entry is valid, whatever else is on the bus. */
bool model_valid(const struct model_entry *entry);

/* Whether two entries may not be on one bus. */
bool model_collide(const struct model_entry *a, const struct model_entry *b);

/* Whether the entry collides with any entry of the model. */
bool model_collides(const struct model *model, const struct model_entry *entry);

/* Whether the party of a conflict describes this entry. */
bool model_describes(const struct bf_io_party *party,
		     const struct model_entry *entry, const char *name);

/*
 * The entry of this kind that takes an access of 1 to 8 bytes first, or the one
 * after @before; NULL: there is none.  The access has data if it is a write.
 */
const struct model_entry *model_find(const struct model *model,
				     enum bf_io_kind kind,
				     const struct bf_io_access *access,
				     const struct model_entry *before);

/* The data of an access, zero-extended. */
uint64_t model_value(const void *data, uint32_t len);

#endif
