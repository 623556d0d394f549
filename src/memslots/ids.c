// SPDX-License-Identifier: MIT
/* Slots by number. */
#include <errno.h>
#include <stdlib.h>

#include "memslots/ids.h"

int bf_ids_init(struct bf_ids *ids, uint32_t spaces)
{
	ids->spaces = spaces;
	ids->chunks = calloc((size_t)spaces * BF_IDS_CHUNKS,
			     sizeof(struct bf_slot *));
	return ids->chunks ? 0 : -ENOMEM;
}

static void chunk_free(struct bf_slot *chunk)
{
	uint32_t i;

	for (i = 0; i < BF_IDS_CHUNK; i++)
		free(chunk[i].spare);
	free(chunk);
}

void bf_ids_free(struct bf_ids *ids)
{
	size_t i;

	/* Most maps have one or two of them. */
	for (i = 0; i < (size_t)ids->spaces * BF_IDS_CHUNKS; i++)
		if (ids->chunks[i])
			chunk_free(ids->chunks[i]);
	free(ids->chunks);
}

static struct bf_slot *chunk_new(uint32_t first)
{
	struct bf_slot *chunk = calloc(BF_IDS_CHUNK, sizeof(*chunk));
	uint32_t i;

	for (i = 0; chunk && i < BF_IDS_CHUNK; i++)
		chunk[i].region.slot = first + i;
	return chunk;
}

static struct bf_slot **chunk_of(const struct bf_ids *ids, uint32_t number)
{
	uint32_t space = number >> 16, id = number & 0xffff;

	return &ids->chunks[space * BF_IDS_CHUNKS + id / BF_IDS_CHUNK];
}

struct bf_slot *bf_ids_slot(struct bf_ids *ids, uint32_t number)
{
	struct bf_slot **chunk = chunk_of(ids, number);

	if (!*chunk)
		*chunk = chunk_new(number - number % BF_IDS_CHUNK);
	return *chunk ? *chunk + number % BF_IDS_CHUNK : NULL;
}

struct bf_slot *bf_ids_find(const struct bf_ids *ids, uint32_t number)
{
	struct bf_slot *chunk = *chunk_of(ids, number);

	if (!chunk || !chunk[number % BF_IDS_CHUNK].region.memory_size)
		return NULL;
	return &chunk[number % BF_IDS_CHUNK];
}
