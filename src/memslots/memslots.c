// SPDX-License-Identifier: MIT
/* Maps and their views: from making to freeing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memslots/forward.h"

#define DEFAULT_SLOTS 32764 /* KVM's on x86 */
#define MAX_SLOTS     32767

/* The number of the last view of the process; 64 bits do not wrap. */
static uint64_t last_generation;

uint64_t bf_view_next_generation(void)
{
	return __atomic_add_fetch(&last_generation, BF_MEMSLOTS_SPACES,
				  __ATOMIC_RELAXED);
}

static size_t roots_size(uint32_t spaces)
{
	return spaces * sizeof(struct bf_slot_node *);
}

struct bf_memslots_view *bf_view_alloc(uint32_t spaces)
{
	struct bf_memslots_view *view =
		calloc(1, sizeof(*view) + roots_size(spaces));

	if (view)
		view->spaces = spaces;
	return view;
}

struct bf_memslots_view *bf_view_new(uint32_t spaces,
				     const struct bf_memslots_view *from)
{
	struct bf_memslots_view *view = bf_view_alloc(spaces);

	if (!view)
		return NULL;
	view->generation = bf_view_next_generation();
#ifdef BF_MEMSLOTS_BREAK_GENERATION
	if (from)
		view->generation = from->generation;
#endif
	if (from)
		memcpy(view->roots, from->roots, roots_size(spaces));
	return view;
}

void bf_view_retire(struct bf_memslots_view *view)
{
	void (*done)(void *opaque) = view->done;
	void *opaque = view->opaque;

	bf_slot_nodes_free(view->stale);
	free(view);
	if (done)
		done(opaque);
}

void bf_view_called(struct srcu_head *head)
{
	bf_view_retire(container_of(head, struct bf_memslots_view, head));
}

static int complete_config(struct bf_memslots_config *config)
{
	int ret = config->forward ? bf_forward_ask(config) : 0;

	if (ret)
		return ret;
	if (!config->spaces)
		config->spaces = 1;
	if (!config->slots)
		config->slots = DEFAULT_SLOTS;
	if (config->spaces > BF_MEMSLOTS_SPACES || config->slots > MAX_SLOTS ||
	    config->gpa_bits > 64 || !config->pause != !config->resume)
		return -EINVAL;
	return 0;
}

/* What a map is made of; each step undoes what was done before it. */
static int build_map(struct bf_slots *slots)
{
	int ret = bf_ids_init(&slots->ids, slots->config.spaces);

	if (ret)
		return ret;
	slots->map.view = bf_view_new(slots->config.spaces, NULL);
	ret = slots->map.view ? bf_srcu_init(&slots->map.srcu, "memslots") :
				-ENOMEM;
	if (ret) {
		free(bf_slots_view(slots));
		bf_ids_free(&slots->ids);
	}
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
	ret = build_map(slots);
	if (ret) {
		free(slots);
		return ret;
	}
	pthread_mutex_init(&slots->lock, NULL);
	*mapp = &slots->map;
	return 0;
}

int bf_memslots_create(struct bf_memslots **mapp,
		       const struct bf_memslots_config *config)
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
	view = bf_slots_view(slots);
	for (space = 0; space < view->spaces; space++)
		bf_tree_free(view->roots[space]);
	free(view);
	bf_ids_free(&slots->ids);
	cleanup_srcu_struct(&map->srcu);
	pthread_mutex_destroy(&slots->lock);
	free(slots);
}
