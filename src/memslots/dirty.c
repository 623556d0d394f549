// SPDX-License-Identifier: MIT
/*
 * Dirty logging: the bitmap of a slot with KVM_MEM_LOG_DIRTY_PAGES.
 *
 * A writer stores to a page and then sets its bit, in one section.  A harvest
 * takes the bit, and the VMM reads the page after that.  Either the harvest
 * finds the bit, and the VMM reads what was written before it was set; or the
 * writer sets the bit after the harvest, and the next one finds it.
 *
 * The writer sets a bit that is set already, too.  A load that finds it set may
 * come before the stores to the page, and the harvest in between: the VMM then
 * reads the old page, and no bit is left.
 *
 * A bitmap is a node of the edits that make and drop it, so readers may set
 * bits until the grace period of the view that has it last.  As in KVM, a slot
 * that is moved keeps its bitmap.  A slot that gets another tag keeps it too:
 * readers of the views before and after mark in the same words, so a change
 * that is undone has lost no mark either.
 */
#include <errno.h>
#include <stdlib.h>

#include "memslots/change.h"
#include "memslots/host.h"

#define WORD_PAGES 64

struct dirty_bitmap {
	struct bf_node node;
	uint64_t words[]; /* of WORD_PAGES pages */
};

struct bf_dirty {
	struct bf_node node;
	void *tag; /* of the slot */
	uint64_t page_shift;
	struct dirty_bitmap *bitmap;
};

static size_t nr_words(uint64_t pages)
{
	return (pages + WORD_PAGES - 1) / WORD_PAGES;
}

static uint64_t slot_pages(const struct bf_slot *slot)
{
	return slot->region.memory_size / bf_host_page();
}

static struct dirty_bitmap *bitmap_new(struct bf_edit *edit,
				       const struct bf_slot *slot)
{
	size_t words = nr_words(slot_pages(slot));

	return bf_edit_zalloc(edit, sizeof(struct dirty_bitmap) +
					    words * sizeof(uint64_t));
}

/* With the bitmap, or with a new one. */
static struct bf_dirty *dirty_new(struct bf_edit *edit,
				  const struct bf_slot *slot,
				  struct dirty_bitmap *bitmap)
{
	struct bf_dirty *dirty = bf_edit_zalloc(edit, sizeof(*dirty));

	if (!dirty)
		return NULL;
	dirty->tag = slot->tag;
	dirty->page_shift = (uint64_t)__builtin_ctzll(bf_host_page());
	dirty->bitmap = bitmap ? bitmap : bitmap_new(edit, slot);
	return dirty->bitmap ? dirty : NULL;
}

void *bf_dirty_tag(const struct bf_dirty *dirty)
{
	return dirty->tag;
}

void bf_dirty_free(struct bf_slot *slot)
{
	if (slot->dirty)
		free(slot->dirty->bitmap);
	free(slot->dirty);
}

void bf_dirty_retire(struct bf_slot *slot, struct bf_memslots_view *view)
{
	struct bf_dirty *dirty = slot->dirty;

	if (!dirty)
		return;
	LIST_NEXT(&dirty->node, link) = view->replaced;
	LIST_NEXT(&dirty->bitmap->node, link) = &dirty->node;
	view->replaced = &dirty->bitmap->node;
	slot->dirty = NULL;
}

static bool slot_logs(const struct bf_slot *slot)
{
	return slot->region.memory_size &&
	       slot->region.flags & KVM_MEM_LOG_DIRTY_PAGES;
}

/* Is the bitmap that of the slot's memory? */
static bool keeps_bitmap(const struct bf_touched *touched)
{
	enum bf_slot_change_kind kind = bf_touched_kind(touched);

	return kind == BF_CHANGE_NONE || kind == BF_CHANGE_MOVE ||
	       kind == BF_CHANGE_FLAGS;
}

static int mapping_set_dirty(struct bf_slot_change *change,
			     const struct bf_slot *slot)
{
	const struct kvm_userspace_memory_region *region = &slot->region;
	struct bf_span_entry *entry;

	entry = bf_span_own(&change->edit,
			    &change->view->roots[region->slot >> 16],
			    region->guest_phys_addr);
	if (!entry)
		return -ENOMEM;
	if (slot->dirty)
		bf_mapping_of(entry)->dirty = slot->dirty;
	else
		bf_mapping_of(entry)->tag = slot->tag;
	return 0;
}

static void dirty_drop(struct bf_edit *edit, struct bf_dirty *dirty,
		       bool with_bitmap)
{
	if (with_bitmap)
		bf_edit_drop(edit, &dirty->bitmap->node);
	bf_edit_drop(edit, &dirty->node);
}

static int touched_dirty(struct bf_slot_change *change,
			 const struct bf_touched *touched)
{
	struct bf_dirty *old = touched->old_dirty;
	struct bf_slot *slot = touched->slot;
	const bool logs = slot_logs(slot);
	const bool keeps = old && logs && keeps_bitmap(touched);

	if (!logs && !old)
		return 0;
	if (old)
		dirty_drop(&change->edit, old, !keeps);
	slot->dirty = NULL;
	if (logs) {
		slot->dirty = dirty_new(&change->edit, slot,
					keeps ? old->bitmap : NULL);
		if (!slot->dirty)
			return -ENOMEM;
	}
	return slot->region.memory_size ? mapping_set_dirty(change, slot) : 0;
}

int bf_slot_change_dirty(struct bf_slot_change *change)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < change->nr_touched; i++)
		ret = touched_dirty(change, &change->touched[i]);
	return ret;
}

/* The bits of the pages from one to another, in the word of the first. */
static uint64_t word_bits(uint64_t first, uint64_t last)
{
	uint64_t bits = ~0ULL << first % WORD_PAGES;

	if (first / WORD_PAGES == last / WORD_PAGES)
		bits &= ~0ULL >> (WORD_PAGES - 1 - last % WORD_PAGES);
	return bits;
}

/*
 * The release orders the writer's stores to the page before the bit, against
 * the acquire in word_take() or words_clear().  Without it the VMM may find
 * the bit and read the old page.
 */
void bf_dirty_mark(struct bf_dirty *dirty, uint64_t offset, uint64_t len)
{
	uint64_t page = offset >> dirty->page_shift;
	const uint64_t last = (offset + len - 1) >> dirty->page_shift;

	for (; page <= last; page = (page | (WORD_PAGES - 1)) + 1)
		__atomic_fetch_or(&dirty->bitmap->words[page / WORD_PAGES],
				  word_bits(page, last), __ATOMIC_RELEASE);
}

/*
 * A device that found the slot removed has marked nothing.  The fence orders
 * the store that brought the slot back before the marks, and so before the
 * VMM's loads of the pages, against the fence in find_returned().  Without it
 * the device may miss the slot, and the VMM take the mark and read the old
 * page.
 */
void bf_dirty_mark_all(struct bf_dirty *dirty, uint64_t size)
{
	if (!dirty)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	bf_dirty_mark(dirty, 0, size);
}

/* Was the slot, or its flag, away from KVM or from the published view? */
static bool was_away(const struct bf_slot_change *change,
		     const struct bf_touched *touched)
{
	enum bf_slot_change_kind kind = bf_touched_kind(touched);

	return !touched->slot->dirty || kind == BF_CHANGE_REPLACE ||
	       (kind == BF_CHANGE_MOVE && change->paused);
}

void bf_slot_change_mark_lost(const struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++)
		if (was_away(change, touched))
			bf_dirty_mark_all(touched->old_dirty,
					  touched->old.memory_size);
}

/*
 * The acquire orders the exchange before the VMM's loads of the pages, against
 * the release in bf_dirty_mark().  A word that is 0 has no bit to take.
 */
static uint64_t word_take(uint64_t *word)
{
	if (!__atomic_load_n(word, __ATOMIC_RELAXED))
		return 0;
	return __atomic_exchange_n(word, 0, __ATOMIC_ACQUIRE);
}

static void words_take(struct bf_dirty *dirty, size_t count, uint64_t *bitmap)
{
	size_t i;

	for (i = 0; i < count; i++)
		bitmap[i] = word_take(&dirty->bitmap->words[i]);
}

/* Relaxed: the VMM reads a page after it has cleared the bit. */
static void words_read(const struct bf_dirty *dirty, size_t count,
		       uint64_t *bitmap)
{
	size_t i;

	for (i = 0; i < count; i++)
		bitmap[i] = __atomic_load_n(&dirty->bitmap->words[i],
					    __ATOMIC_RELAXED);
}

/* The acquire: as in word_take(). */
static void words_clear(struct bf_dirty *dirty, uint64_t first, uint64_t last,
			const uint64_t *bitmap)
{
	uint64_t *words = dirty->bitmap->words, page, bits;

	for (page = first; page <= last; page += WORD_PAGES) {
		bits = bitmap[(page - first) / WORD_PAGES] &
		       word_bits(page, last);
		if (bits)
			__atomic_fetch_and(&words[page / WORD_PAGES], ~bits,
					   __ATOMIC_ACQUIRE);
	}
}

/* The slot of a number in range if it logs, else NULL; lock held. */
static struct bf_slot *logging_slot(const struct bf_slots *slots,
				    uint32_t number)
{
	struct bf_slot *slot = bf_slot_find(slots, number);

	return slot && slot->dirty ? slot : NULL;
}

int bf_memslots_get_dirty_log(struct bf_memslots *map,
			      const struct kvm_dirty_log *log)
{
	struct bf_slots *slots = bf_slots_of(map);
	struct bf_slot *slot;
	size_t count;

	if (!bf_rules_has_number(&slots->config, log->slot))
		return -EINVAL;
	pthread_mutex_lock(&slots->lock);
	slot = logging_slot(slots, log->slot);
	if (slot) {
		count = nr_words(slot_pages(slot));
		if (slots->config.dirty_log)
			words_read(slot->dirty, count, log->dirty_bitmap);
		else
			words_take(slot->dirty, count, log->dirty_bitmap);
	}
	pthread_mutex_unlock(&slots->lock);
	return slot ? 0 : -ENOENT;
}

/* As the kernel's: whole words, or up to the end of the slot. */
static bool is_range(const struct bf_slot *slot,
		     const struct kvm_clear_dirty_log *log)
{
	uint64_t pages = slot_pages(slot);

	return log->first_page <= pages &&
	       log->num_pages <= pages - log->first_page &&
	       (log->num_pages == pages - log->first_page ||
		!(log->num_pages % WORD_PAGES));
}

static int clear_locked(const struct bf_slots *slots,
			const struct kvm_clear_dirty_log *log)
{
	struct bf_slot *slot = logging_slot(slots, log->slot);

	if (!slot)
		return -ENOENT;
	if (!is_range(slot, log))
		return -EINVAL;
	if (log->num_pages)
		words_clear(slot->dirty, log->first_page,
			    log->first_page + log->num_pages - 1,
			    log->dirty_bitmap);
	return 0;
}

int bf_memslots_clear_dirty_log(struct bf_memslots *map,
				const struct kvm_clear_dirty_log *log)
{
	struct bf_slots *slots = bf_slots_of(map);
	int ret;

	if (!bf_rules_has_number(&slots->config, log->slot) ||
	    log->first_page % WORD_PAGES)
		return -EINVAL;
	pthread_mutex_lock(&slots->lock);
	ret = clear_locked(slots, log);
	pthread_mutex_unlock(&slots->lock);
	return ret;
}
