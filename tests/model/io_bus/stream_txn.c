// SPDX-License-Identifier: MIT
/* Transactions of the operation stream. */
#include <errno.h>

#include "stream.h"

#define MAX_CHANGES 8

/* One that is being built, and what it means. */
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

static void want(struct change_set *set, const struct model_entry *entry,
		 bool added)
{
	set->added[set->nr_wanted] = added;
	set->wanted[set->nr_wanted++] = *entry;
}

static int ask_to_add(struct change_set *set, const struct model_entry *entry)
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

static void put_addition(struct change_set *set)
{
	struct stream *stream = set->stream;
	struct model_entry entry = stream_wish(stream);
	int ret, expected = model_valid(&entry) ? stream_bell_error(&entry) :
						  -EINVAL;

	if (stream->model.count + set->nr_wanted >= stream->shape.room) {
		subject_drop(entry.subject);
		return;
	}
	stream_run_short(stream);
	ret = ask_to_add(set, &entry);
	expected = stream_answer(stream, ret, expected);
	stream_expect(stream, "an addition put in", ret, expected);
	if (ret)
		subject_drop(entry.subject);
	else
		want(set, &entry, true);
}

static int ask_to_remove(struct change_set *set, struct subject *subject)
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

static void put_removal(struct change_set *set)
{
	struct model_entry *entry = stream_pick(set->stream, BF_IO_NONE);
	int ret, expected;

	if (!entry)
		return;
	stream_run_short(set->stream);
	ret = ask_to_remove(set, entry->subject);
	expected = stream_answer(set->stream, ret,
				 is_in(set, entry->subject) ? -EBUSY : 0);
	stream_expect(set->stream, "a removal put in", ret, expected);
	if (!ret)
		set->removed[set->nr_removed++] = entry->subject;
}

static int ask_to_move(struct change_set *set, const struct model_entry *entry)
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

/* Two errors at once: either will do. */
static void put_move(struct change_set *set)
{
	struct model_entry *entry = stream_pick(set->stream, BF_IO_NONE), moved;
	uint64_t addr = stream_addr(set->stream);
	int ret, expected = 0;

	if (!entry)
		return;
	moved = *entry;
	moved.addr = addr;
	stream_run_short(set->stream);
	ret = ask_to_move(set, &moved);
	if (is_in(set, moved.subject))
		expected = !model_valid(&moved) && ret == -EINVAL ? -EINVAL :
								    -EBUSY;
	else if (!model_valid(&moved))
		expected = -EINVAL;
	expected = stream_answer(set->stream, ret, expected);
	stream_expect(set->stream, "a move put in", ret, expected);
	if (!ret)
		want(set, &moved, false);
}

static void put_changes(struct change_set *set)
{
	unsigned int choice, count = stream_byte(set->stream) % MAX_CHANGES;

	for (unsigned int i = 0; i < count; i++) {
		choice = stream_byte(set->stream) % 8;
		if (choice < 4)
			put_addition(set);
		else if (choice < 6)
			put_removal(set);
		else
			put_move(set);
	}
}

/* What stays on the bus. */
static void take_out(const struct change_set *set, struct model *model)
{
	for (unsigned int i = 0; i < set->nr_removed; i++)
		model_remove(model, set->removed[i]);
	for (unsigned int i = 0; i < set->nr_wanted; i++)
		if (!set->added[i])
			model_remove(model, set->wanted[i].subject);
}

/* 0 with all of it put in, or -EEXIST. */
static int put_in(const struct change_set *set, struct model *model)
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

/* Any pair that collides, of which one is the transaction's. */
static void check_conflict(struct change_set *set, const struct model *all,
			   const struct bf_io_conflict *conflict)
{
	set->stream->totals->refused++;
	for (unsigned int i = 0; i < set->nr_wanted; i++)
		if (is_conflict(all, &set->wanted[i], conflict))
			return;
	stream_problem(set->stream, "a transaction's conflict is none");
}

/* The handler in which it is may not be over before their removal is. */
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

static void commit(struct change_set *set)
{
	struct stream *stream = set->stream;
	struct bf_io_conflict conflict = {.wanted.kind = BF_IO_NONE};
	struct model after;
	int ret, expected;

	model_init(&after, stream->shape.room + MAX_CHANGES);
	model_copy(&after, &stream->model);
	take_out(set, &after);
	expected = put_in(set, &after);
	mark_removed(set, true);
	stream_run_short(stream);
	ret = bf_io_txn_commit(set->txn, &conflict);
	expected = stream_answer(stream, ret, expected);
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

	stream_run_short(stream);
	ret = bf_io_txn_begin(stream->bus, &set.txn);
	stream_expect(stream, "a beginning", ret,
		      stream_answer(stream, ret, 0));
	if (ret)
		return;
	put_changes(&set);
	if (stream_byte(stream) % 8) {
		commit(&set);
		return;
	}
	bf_io_txn_abort(set.txn);
	drop_additions(&set);
}
