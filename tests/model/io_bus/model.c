// SPDX-License-Identifier: MIT
/* The model of a bus: a list of entries. */
#include <stdlib.h>
#include <string.h>

#include "model.h"

void model_init(struct model *model, size_t room)
{
	model->count = 0;
	model->room = room;
	model->entries = calloc(room, sizeof(*model->entries));
	if (!model->entries)
		abort();
}

void model_free(struct model *model)
{
	free(model->entries);
}

void model_copy(struct model *to, const struct model *from)
{
	to->count = from->count;
	memcpy(to->entries, from->entries,
	       from->count * sizeof(*from->entries));
}

void model_add(struct model *model, const struct model_entry *entry)
{
	if (model->count == model->room)
		abort();
	model->entries[model->count++] = *entry;
}

struct model_entry *model_entry(const struct model *model,
				const struct subject *subject)
{
	for (size_t i = 0; i < model->count; i++)
		if (model->entries[i].subject == subject)
			return &model->entries[i];
	return NULL;
}

void model_remove(struct model *model, const struct subject *subject)
{
	struct model_entry *entry = model_entry(model, subject);

	if (!entry)
		return;
	model->count--;
	memmove(entry, entry + 1,
		(size_t)(model->entries + model->count - entry) *
			sizeof(*entry));
}

static bool valid_doorbell(const struct model_entry *entry)
{
	uint64_t len = entry->size;

	if (len != 0 && len != 1 && len != 2 && len != 4 && len != 8)
		return false;
	if (len == 0 && !entry->wildcard)
		return false;
	return entry->addr + len >= entry->addr;
}

bool model_valid(const struct model_entry *entry)
{
	if (entry->space >= BF_IO_SPACES)
		return false;
	if (entry->kind == BF_IO_DOORBELL)
		return valid_doorbell(entry);
	if (entry->priority < -8 || entry->priority > 7)
		return false;
	return entry->size && entry->size - 1 <= UINT64_MAX - entry->addr;
}

static bool doorbells_collide(const struct model_entry *a,
			      const struct model_entry *b)
{
	if (a->addr != b->addr)
		return false;
	if (!a->size || !b->size)
		return true;
	return a->size == b->size &&
	       (a->wildcard || b->wildcard || a->datamatch == b->datamatch);
}

static uint64_t last_byte(const struct model_entry *entry)
{
	return entry->addr + (entry->size - 1);
}

bool model_collide(const struct model_entry *a, const struct model_entry *b)
{
	if (a->kind != b->kind || a->space != b->space)
		return false;
	if (a->kind == BF_IO_DOORBELL)
		return doorbells_collide(a, b);
	if (a->kind == BF_IO_ZONE || a->priority != b->priority)
		return false;
	return a->addr <= last_byte(b) && b->addr <= last_byte(a);
}

bool model_collides(const struct model *model, const struct model_entry *entry)
{
	for (size_t i = 0; i < model->count; i++)
		if (model_collide(&model->entries[i], entry))
			return true;
	return false;
}

bool model_describes(const struct bf_io_party *party,
		     const struct model_entry *entry, const char *name)
{
	if (party->kind != entry->kind || party->space != entry->space ||
	    party->addr != entry->addr || party->size != entry->size)
		return false;
	if (entry->kind != BF_IO_DOORBELL)
		return !strcmp(party->name, name);
	return party->wildcard == entry->wildcard &&
	       (entry->wildcard || party->datamatch == entry->datamatch);
}

uint64_t model_value(const void *data, uint32_t len)
{
	uint64_t value = 0;

	memcpy(&value, data, len < sizeof(value) ? len : sizeof(value));
	return value;
}

static bool doorbell_takes(const struct model_entry *entry,
			   const struct bf_io_access *access)
{
	return access->write && entry->addr == access->addr &&
	       (!entry->size || entry->size == access->len) &&
	       (entry->wildcard ||
		entry->datamatch == model_value(access->data, access->len));
}

static bool contains(const struct model_entry *entry,
		     const struct bf_io_access *access)
{
	uint64_t last = access->addr + (access->len - 1);

	return last >= access->addr && access->addr >= entry->addr &&
	       last <= last_byte(entry);
}

static bool takes(const struct model_entry *entry,
		  const struct bf_io_access *access)
{
	switch (entry->kind) {
	case BF_IO_DOORBELL:
		return doorbell_takes(entry, access);
	case BF_IO_ZONE:
		return access->write && contains(entry, access);
	default:
		return contains(entry, access);
	}
}

/* Ranges by descending priority; other entries in their order. */
static bool is_before(const struct model_entry *a, const struct model_entry *b)
{
	return a->kind == BF_IO_RANGE ? a->priority > b->priority : a < b;
}

const struct model_entry *model_find(const struct model *model,
				     enum bf_io_kind kind,
				     const struct bf_io_access *access,
				     const struct model_entry *before)
{
	const struct model_entry *entry = model->entries, *found = NULL;

	for (; entry < model->entries + model->count; entry++)
		if (entry->kind == kind && entry->space == access->space &&
		    takes(entry, access) &&
		    (!before || is_before(before, entry)) &&
		    (!found || is_before(entry, found)))
			found = entry;
	return found;
}
