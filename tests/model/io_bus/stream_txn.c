// SPDX-License-Identifier: MIT
/* Transactions of the operation stream. */
#include <errno.h>

#include "stream.h"

#define MAX_CHANGES 8

/* A transaction, and its changes for the model. */
struct change_set {
	struct stream *stream;
	struct bf_io_txn *txn;
	struct model_entry wanted[MAX_CHANGES]; /* additions and moves */
	bool added[MAX_CHANGES];
	unsigned int nr_wanted;
	struct subject *removed[MAX_CHANGES];
	unsigned int nr_removed;
};

static bool is_in(const struct change_set *set, const struct subject *subject)
{
	for (unsigned int i = 0; i < set->nr_removed; i++)
		if (set->removed[i] == subject)
			return true;
	for (unsigned int i = 0; i < set->nr_wanted; i++)
		if (set->wanted[i].subject == subject)
			return true;
	return false;
}

static void note_wanted(struct change_set *set, const struct model_entry *entry,
			bool added)
{
	set->added[set->nr_wanted] = added;
	set->wanted[set->nr_wanted++] = *entry;
}

static int txn_add(struct change_set *set, const struct model_entry *entry)
{
	const struct bf_io_doorbell_desc doorbell = subject_doorbell(entry);
	const struct bf_io_range_desc range = subject_range(entry);
	const struct bf_io_zone_desc zone = subject_zone(entry);
	struct subject *subject = entry->subject;

	switch (entry->kind) {
	case BF_IO_DOORBELL:
		return bf_io_txn_add_doorbell(set->txn, &doorbell,
					      &subject->doorbell);
	case BF_IO_RANGE:
		return bf_io_txn_add_range(set->txn, &range, &subject->range);
	default:
		return bf_io_txn_add_zone(set->txn, &zone, &subject->zone);
	}
}

static void queue_addition(struct change_set *set)
{
	struct stream *stream = set->stream;
	struct model_entry entry = stream_new_entry(stream);
	int ret, expected = model_valid(&entry) ? stream_eventfd_error(&entry) :
						  -EINVAL;

	if (stream->model.count + set->nr_wanted >= stream->shape.room) {
		subject_drop(entry.subject);
		return;
	}
	stream_fail_begin(stream);
	ret = txn_add(set, &entry);
	expected = stream_fail_end(stream, ret, expected);
	stream_expect(stream, "an addition in a set", ret, expected);
	if (ret)
		subject_drop(entry.subject);
	else
		note_wanted(set, &entry, true);
}

static int txn_remove(struct change_set *set, struct subject *subject)
{
	struct device *device = subject->device;

	switch (subject->kind) {
	case BF_IO_DOORBELL:
		return bf_io_txn_remove_doorbell(set->txn, subject->doorbell,
						 subject_completed, device);
	case BF_IO_RANGE:
		return bf_io_txn_remove_range(set->txn, subject->range,
					      subject_completed, device);
	default:
		return bf_io_txn_remove_zone(set->txn, subject->zone,
					     subject_completed, device);
	}
}

static void queue_removal(struct change_set *set)
{
	struct model_entry *entry = stream_pick(set->stream, BF_IO_NONE);
	int ret, expected;

	if (!entry)
		return;
	stream_fail_begin(set->stream);
	ret = txn_remove(set, entry->subject);
	expected = stream_fail_end(set->stream, ret,
				   is_in(set, entry->subject) ? -EBUSY : 0);
	stream_expect(set->stream, "a removal in a set", ret, expected);
	if (!ret)
		set->removed[set->nr_removed++] = entry->subject;
}

static int txn_move(struct change_set *set, const struct model_entry *entry)
{
	struct subject *subject = entry->subject;

	switch (entry->kind) {
	case BF_IO_DOORBELL:
		return bf_io_txn_move_doorbell(set->txn, subject->doorbell,
					       entry->addr);
	case BF_IO_RANGE:
		return bf_io_txn_move_range(set->txn, subject->range,
					    entry->addr);
	default:
		return bf_io_txn_move_zone(set->txn, subject->zone,
					   entry->addr);
	}
}

/* If both errors apply, the bus may return either. */
static void queue_move(struct change_set *set)
{
	struct model_entry *entry = stream_pick(set->stream, BF_IO_NONE), moved;
	uint64_t addr = stream_addr(set->stream);
	int ret, expected = 0;

	if (!entry)
		return;
	moved = *entry;
	moved.addr = addr;
	stream_fail_begin(set->stream);
	ret = txn_move(set, &moved);
	if (is_in(set, moved.subject))
		expected = !model_valid(&moved) && ret == -EINVAL ? -EINVAL :
								    -EBUSY;
	else if (!model_valid(&moved))
		expected = -EINVAL;
	expected = stream_fail_end(set->stream, ret, expected);
	stream_expect(set->stream, "a move in a set", ret, expected);
	if (!ret)
		note_wanted(set, &moved, false);
}

static void queue_changes(struct change_set *set)
{
	unsigned int choice, count = stream_byte(set->stream) % MAX_CHANGES;

	for (unsigned int i = 0; i < count; i++) {
		choice = stream_byte(set->stream) % 8;
		if (choice < 4)
			queue_addition(set);
		else if (choice < 6)
			queue_removal(set);
		else
			queue_move(set);
	}
}

/* Removes the entries that the transaction removes or moves. */
static void model_remove_set(const struct change_set *set, struct model *model)
{
	for (unsigned int i = 0; i < set->nr_removed; i++)
		model_remove(model, set->removed[i]);
	for (unsigned int i = 0; i < set->nr_wanted; i++)
		if (!set->added[i])
			model_remove(model, set->wanted[i].subject);
}

/* Adds the entries that the transaction adds or moves; 0 or -EEXIST. */
static int model_add_set(const struct change_set *set, struct model *model)
{
	int ret = 0;

	for (unsigned int i = 0; i < set->nr_wanted; i++) {
		if (model_collides(model, &set->wanted[i]))
			ret = -EEXIST;
		model_add(model, &set->wanted[i]);
	}
	return ret;
}

static bool is_conflict(const struct model *all,
			const struct model_entry *entry,
			const struct bf_io_conflict *conflict)
{
	const struct model_entry *other = all->entries;

	if (!model_describes(&conflict->wanted, entry, entry->subject->name))
		return false;
	for (; other < all->entries + all->count; other++)
		if (other->subject != entry->subject &&
		    model_collide(other, entry) &&
		    model_describes(&conflict->existing, other,
				    other->subject->name))
			return true;
	return false;
}

/* The conflict may name any pair that collides, one of them in the set. */
static void check_conflict(struct change_set *set, const struct model *all,
			   const struct bf_io_conflict *conflict)
{
	set->stream->totals->refused++;
	for (unsigned int i = 0; i < set->nr_wanted; i++)
		if (is_conflict(all, &set->wanted[i], conflict))
			return;
	stream_problem(set->stream, "the parties of a conflict do not collide");
}

/* Call this before the commit: its removals may complete at once. */
static void mark_removed(struct change_set *set, bool removed)
{
	for (unsigned int i = 0; i < set->nr_removed; i++) {
		struct subject *subject = set->removed[i];

		if (removed)
			subject_removing(subject);
		else
			subject->removed = false;
	}
}

static void drop_additions(struct change_set *set)
{
	for (unsigned int i = 0; i < set->nr_wanted; i++)
		if (set->added[i])
			subject_drop(set->wanted[i].subject);
}

static void commit_set(struct change_set *set)
{
	struct stream *stream = set->stream;
	struct bf_io_conflict conflict = {.wanted.kind = BF_IO_NONE};
	struct model after;
	int ret, expected;

	model_init(&after, stream->shape.room + MAX_CHANGES);
	model_copy(&after, &stream->model);
	model_remove_set(set, &after);
	expected = model_add_set(set, &after);
	mark_removed(set, true);
	stream_fail_begin(stream);
	ret = bf_io_txn_commit(set->txn, &conflict);
	expected = stream_fail_end(stream, ret, expected);
	stream_expect(stream, "a commit", ret, expected);
	if (!ret) {
		model_copy(&stream->model, &after);
		stream->publications++;
		stream->totals->committed++;
	} else {
		mark_removed(set, false);
		drop_additions(set);
		if (ret == expected && ret == -EEXIST)
			check_conflict(set, &after, &conflict);
	}
	model_free(&after);
}

void stream_transact(struct stream *stream)
{
	struct change_set set = {.stream = stream};
	int ret;

	stream_fail_begin(stream);
	ret = bf_io_txn_begin(stream->bus, &set.txn);
	stream_expect(stream, "a begin", ret, stream_fail_end(stream, ret, 0));
	if (ret)
		return;
	queue_changes(&set);
	if (stream_byte(stream) % 8) {
		commit_set(&set);
		return;
	}
	bf_io_txn_abort(set.txn);
	drop_additions(&set);
}
