/* SPDX-License-Identifier: MIT */
/*
 * What a bus has to answer, written down as plainly as can be: a list of what
 * is registered, and every question answered by walking all of it.
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
	uint64_t size; /* a doorbell's length, 0 for any */
	bool wildcard;
	uint64_t datamatch;
	struct subject *subject; /* what stands for it on the bus */
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
/* Nothing happens where it is not in there: the bus went wrong before. */
void model_remove(struct model *model, const struct subject *subject);
struct model_entry *model_entry(const struct model *model,
				const struct subject *subject);

/* What an addition is refused for before anybody looks at the bus. */
bool model_valid(const struct model_entry *entry);

/* May two entries not be on one bus? */
bool model_collide(const struct model_entry *a, const struct model_entry *b);

/* Does the entry collide with any? */
bool model_collides(const struct model *model, const struct model_entry *entry);

/* Is it this entry that the party describes? */
bool model_describes(const struct bf_io_party *party,
		     const struct model_entry *entry, const char *name);

/*
 * The one of a kind that takes an access of 1 to 8 bytes, or NULL.  Data are
 * those of a write.
 */
const struct model_entry *model_find(const struct model *model,
				     enum bf_io_kind kind,
				     const struct bf_io_access *access);

/* The data of an access, zero-extended. */
uint64_t model_value(const void *data, uint32_t len);

#endif
