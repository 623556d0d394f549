// SPDX-License-Identifier: MIT
/* Maps, their views and their slots by number, from creation to the end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memslots/change.h"
#include "memslots/host.h"

#define MAX_SLOTS 32767

struct bf_memslots_view *bf_view_new(uint32_t spaces)
{
	struct bf_memslots_view *view = calloc(1, bf_view_size(spaces));

	if (!view)
		return NULL;
	view->spaces = spaces;
	view->replaced = &view->node;
	return view;
}

void bf_view_retire(struct bf_memslots_view *view)
{
	void (*done)(void *opaque) = view->done;
	void *opaque = view->opaque;

	bf_nodes_free(view->replaced);
	if (done)
		done(opaque);
}

void bf_view_called(struct srcu_head *head)
{
	bf_view_retire(container_of(head, struct bf_memslots_view, head));
}

struct bf_slot *bf_slot_get(struct bf_slots *slots, uint32_t number)
{
	struct bf_slot *slot = bf_sparse_load(&slots->by_number, number);
	uint32_t *end = &slots->ends[number >> 16];

	if (slot || bf_sparse_reserve(&slots->by_number, number))
		return slot;
	slot = calloc(1, sizeof(*slot));
	if (!slot)
		return NULL;
	slot->region.slot = number;
	bf_sparse_store(&slots->by_number, number, slot);
	if ((number & 0xffff) >= *end)
		*end = (number & 0xffff) + 1;
	return slot;
}

struct bf_slot *bf_slot_find(const struct bf_slots *slots, uint32_t number)
{
	struct bf_slot *slot = bf_sparse_load(&slots->by_number, number);

	return slot && slot->region.memory_size ? slot : NULL;
}

static void slot_free(struct bf_slot *slot)
{
	bf_dirty_free(slot);
	free(slot->spare);
	free(slot);
}

static void slots_free(struct bf_slots *slots)
{
	struct bf_slot *slot;
	uint32_t space, id;

	for (space = 0; space < slots->config.spaces; space++)
		for (id = 0; id < slots->ends[space]; id++) {
			slot = bf_sparse_load(&slots->by_number,
					      space << 16 | id);
			if (slot)
				slot_free(slot);
		}
	bf_sparse_free(&slots->by_number);
}

int bf_memslots_free_slot(struct bf_memslots *map, uint32_t space,
			  uint32_t *slot)
{
	struct bf_slots *slots = bf_slots_of(map);
	uint32_t number = space << 16, end = number + slots->config.slots;

	if (space >= slots->config.spaces)
		return -EINVAL;
	pthread_mutex_lock(&slots->lock);
	while (number < end && bf_slot_find(slots, number))
		number++;
	pthread_mutex_unlock(&slots->lock);
	if (number == end)
		return -ENOSPC;
	*slot = number;
	return 0;
}

static int complete_config(struct bf_memslots_config *config)
{
	int ret;

	if (config->slot_flags & ~(uint64_t)KVM_MEM_GUEST_MEMFD)
		return -EINVAL;
	ret = config->forward ? bf_forward_ask(config) : 0;
	if (ret)
		return ret;
	if (!config->spaces)
		config->spaces = 1;
	if (!config->slots)
		config->slots = bf_host_slots;
	if (config->spaces > BF_MEMSLOTS_SPACES || config->slots > MAX_SLOTS ||
	    config->gpa_bits > 64 || !config->pause != !config->resume ||
	    config->dirty_log &
		    ~(uint64_t)KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE ||
	    !bf_reserved_is_zero(config->reserved))
		return -EINVAL;
	return 0;
}

/* Allocates the parts of a map; on error it frees them again. */
static int slots_build(struct bf_slots *slots)
{
	int ret;

	slots->map.view = bf_view_new(slots->config.spaces);
	if (!slots->map.view)
		return -ENOMEM;
	ret = bf_srcu_init(&slots->map.srcu, "memslots");
	if (ret)
		free(bf_slots_view(slots));
	return ret;
}

static struct bf_slots_guest choose_guest(struct bf_slots *slots,
					  const struct bf_slots_guest *guest)
{
	if (guest)
		return *guest;
	if (!slots->config.forward)
		return (struct bf_slots_guest){0};
	return (struct bf_slots_guest){bf_forward_set, slots};
}

int bf_slots_create(struct bf_memslots **mapp,
		    const struct bf_memslots_config *config,
		    const struct bf_slots_guest *guest)
{
	struct bf_memslots_config full = {0};
	struct bf_slots *slots;
	int ret;

	if (config)
		full = *config;
	ret = complete_config(&full);
	if (ret)
		return ret;
	slots = aligned_alloc(__alignof__(*slots), sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots, 0, sizeof(*slots));
	slots->config = full;
	slots->guest = choose_guest(slots, guest);
	ret = slots_build(slots);
	if (ret) {
		free(slots);
		return ret;
	}
	pthread_mutex_init(&slots->lock, NULL);
	pthread_mutex_init(&slots->pin_lock, NULL);
	pthread_cond_init(&slots->unpinned, NULL);
	*mapp = &slots->map;
	return 0;
}

int bf_memslots_create(const struct bf_memslots_config *config,
		       struct bf_memslots **mapp)
{
	return bf_slots_create(mapp, config, NULL);
}

void bf_memslots_destroy(struct bf_memslots *map)
{
	struct bf_slots *slots;
	struct bf_memslots_view *view;
	uint32_t space;

	if (!map)
		return;
	slots = bf_slots_of(map);
	srcu_barrier(&map->srcu);
	bf_deferred_end(&slots->deferred);
	view = bf_slots_view(slots);
	for (space = 0; space < view->spaces; space++)
		bf_span_free(view->roots[space], NULL);
	free(view);
	slots_free(slots);
	cleanup_srcu_struct(&map->srcu);
	pthread_cond_destroy(&slots->unpinned);
	pthread_mutex_destroy(&slots->pin_lock);
	pthread_mutex_destroy(&slots->lock);
	free(slots);
}
