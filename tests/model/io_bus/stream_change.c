// SPDX-License-Identifier: MIT
/* Additions, removals and moves of the operation stream. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"
#include "base/util.h"

struct subject *subject_new(struct stream *stream, enum bf_io_kind kind)
{
	static const char letters[] = "-drz";
	struct subject *subject = calloc(1, sizeof(*subject));

	subject->device = malloc(sizeof(*subject->device));
	subject->device->subject = subject;
	subject->stream = stream;
	subject->kind = kind;
	snprintf(subject->name, sizeof(subject->name), "%c%u", letters[kind],
		 stream->numbered++);
	subject->next = stream->subjects;
	stream->subjects = subject;
	return subject;
}

void subject_drop(struct subject *subject)
{
	free(subject->device);
	subject->device = NULL;
	subject->removed = true;
}

void subject_removing(struct subject *subject)
{
	subject->removed = true;
	subject->removed_in = subject->stream->handler;
}

/*
 * Runs in any thread.  The removal of a range or zone in a handler must not be
 * complete before the handler has returned; that of a doorbell may be.
 */
void subject_completed(void *opaque)
{
	struct device *device = opaque;
	struct subject *subject = device->subject;
	struct stream *stream = subject->stream;

	if (subject->kind != BF_IO_DOORBELL && subject->removed_in &&
	    subject->removed_in ==
		    __atomic_load_n(&stream->handler, __ATOMIC_RELAXED))
		__atomic_store_n(&stream->early, true, __ATOMIC_RELAXED);
	free(device);
	__atomic_fetch_add(&subject->completed, 1, __ATOMIC_RELEASE);
}

static int consumer_fd(const struct subject *subject)
{
	switch (subject->consumer) {
	case CONSUMER_CLOSED:
		return -1;
	case CONSUMER_OTHER:
		return subject->stream->no_eventfd;
	case CONSUMER_CALL:
		return -1;
	default:
		return subject->stream->eventfds[subject->consumer];
	}
}

struct bf_io_doorbell_desc subject_doorbell(const struct model_entry *entry)
{
	return (struct bf_io_doorbell_desc){
		.addr = entry->addr,
		.datamatch = entry->datamatch,
		.len = (uint32_t)entry->size,
		.space = entry->space,
		.wildcard = entry->wildcard,
		.counted = entry->subject->counted,
		.consumer = entry->subject->consumer == CONSUMER_CALL ?
				    BF_IO_CONSUMER_CALLBACK :
				    BF_IO_CONSUMER_EVENTFD,
		.eventfd = consumer_fd(entry->subject),
		.callback = subject_signal,
		.opaque = entry->subject->device,
	};
}

struct bf_io_range_desc subject_range(const struct model_entry *entry)
{
	const struct subject *subject = entry->subject;

	return (struct bf_io_range_desc){
		.addr = entry->addr,
		.size = entry->size,
		.space = entry->space,
		.name = subject->name,
		.ops = &subject_ops[subject->reads + 2 * subject->writes],
		.opaque = subject->device,
		.priority = entry->priority,
	};
}

struct bf_io_zone_desc subject_zone(const struct model_entry *entry)
{
	const struct subject *subject = entry->subject;

	return (struct bf_io_zone_desc){
		.addr = entry->addr,
		.size = entry->size,
		.space = entry->space,
		.name = subject->name,
		.ring = subject->stream->rings[subject->ring].ring,
	};
}

/* Sizes of zero, small ones, the rest of the space, and beyond. */
static uint64_t some_size(struct stream *stream, uint64_t addr)
{
	unsigned int choice = stream_byte(stream);

	switch (choice) {
	case 255:
		return 0 - addr;
	case 254:
		return 1 - addr;
	case 253:
		return UINT64_MAX;
	case 252:
		return 1ULL << 63;
	case 251:
		return 1ULL << 32;
	default:
		return choice % 24;
	}
}

static void choose_doorbell(struct stream *stream, struct model_entry *entry)
{
	static const uint8_t lens[16] = {0, 0, 1, 1, 1, 2, 2, 4,
					 4, 4, 4, 8, 8, 8, 3, 16};
	unsigned int choice = stream_byte(stream);

	entry->size = lens[choice % 16];
	entry->wildcard = choice >> 4 & 1 || (!entry->size && choice >> 5 & 3);
	entry->datamatch = stream_value(stream);
	choice = stream_byte(stream);
	entry->subject->consumer = choice % 4;
	entry->subject->counted = choice / 4 % 4 == 0;
	if (choice >= 248)
		entry->subject->consumer = CONSUMER_CLOSED + choice % 2;
}

static void choose_range(struct stream *stream, struct model_entry *entry)
{
	static const int priorities[16] = {0, 0, 0,  0,	 0,  0, 1, 1,
					   2, 7, -1, -1, -8, 5, 8, -9};
	unsigned int choice = stream_byte(stream);

	entry->size = some_size(stream, entry->addr);
	entry->subject->reads = choice % 8 != 0;
	entry->subject->writes = choice / 8 % 8 != 0;
	entry->subject->declines = choice > 200;
	entry->priority = priorities[stream_byte(stream) % 16];
}

static void choose_zone(struct stream *stream, struct model_entry *entry)
{
	entry->subject->ring = stream_byte(stream) % STREAM_RINGS;
	entry->size = some_size(stream, entry->addr);
}

struct model_entry stream_new_entry(struct stream *stream)
{
	static const enum bf_io_kind kinds[8] = {
		BF_IO_DOORBELL, BF_IO_DOORBELL, BF_IO_DOORBELL, BF_IO_RANGE,
		BF_IO_RANGE,	BF_IO_RANGE,	BF_IO_ZONE,	BF_IO_ZONE,
	};
	unsigned int choice = stream_byte(stream);
	struct model_entry entry = {.kind = kinds[choice % 8]};

	entry.subject = subject_new(stream, entry.kind);
	entry.subject->changes_bus = choice & 8;
	entry.space = stream_space(stream);
	entry.addr = stream_addr(stream);
	if (entry.kind == BF_IO_DOORBELL)
		choose_doorbell(stream, &entry);
	else if (entry.kind == BF_IO_RANGE)
		choose_range(stream, &entry);
	else
		choose_zone(stream, &entry);
	return entry;
}

struct model_entry *stream_pick(struct stream *stream, enum bf_io_kind kind)
{
	size_t i, at, count = stream->model.count;

	at = stream_byte(stream) | stream_byte(stream) << 8;
	for (i = 0; i < count; i++) {
		struct model_entry *entry =
			&stream->model.entries[(at + i) % count];

		if (kind == BF_IO_NONE || entry->kind == kind)
			return entry;
	}
	return NULL;
}

int stream_eventfd_error(const struct model_entry *entry)
{
	if (entry->kind != BF_IO_DOORBELL)
		return 0;
	if (entry->subject->consumer == CONSUMER_CLOSED)
		return -EBADF;
	return entry->subject->consumer == CONSUMER_OTHER ? -EINVAL : 0;
}

static int bus_add(struct stream *stream, const struct model_entry *entry,
		   struct bf_io_conflict *conflict)
{
	const struct bf_io_doorbell_desc doorbell = subject_doorbell(entry);
	const struct bf_io_range_desc range = subject_range(entry);
	const struct bf_io_zone_desc zone = subject_zone(entry);
	struct subject *subject = entry->subject;

	switch (entry->kind) {
	case BF_IO_DOORBELL:
		return bf_io_add_doorbell(stream->bus, &doorbell,
					  &subject->doorbell, conflict);
	case BF_IO_RANGE:
		return bf_io_add_range(stream->bus, &range, &subject->range,
				       conflict);
	default:
		return bf_io_add_zone(stream->bus, &zone, &subject->zone,
				      conflict);
	}
}

/* The conflict must name the entry, and an entry that it collides with. */
static void check_conflict(struct stream *stream,
			   const struct model_entry *entry,
			   const struct bf_io_conflict *conflict)
{
	const struct model_entry *other = stream->model.entries;

	stream->totals->refused++;
	if (!model_describes(&conflict->wanted, entry, entry->subject->name))
		stream_problem(stream, "a conflict of %s names another entry",
			       entry->subject->name);
	for (; other < stream->model.entries + stream->model.count; other++)
		if (other->subject != entry->subject &&
		    model_collide(other, entry) &&
		    model_describes(&conflict->existing, other,
				    other->subject->name))
			return;
	stream_problem(stream, "a conflict of %s has a wrong party",
		       entry->subject->name);
}

static int model_answer_to_add(struct stream *stream,
			       const struct model_entry *entry)
{
	if (!model_valid(entry))
		return -EINVAL;
	if (stream_eventfd_error(entry))
		return stream_eventfd_error(entry);
	return model_collides(&stream->model, entry) ? -EEXIST : 0;
}

void stream_add(struct stream *stream)
{
	struct model_entry entry = stream_new_entry(stream);
	struct bf_io_conflict conflict = {.wanted.kind = BF_IO_NONE};
	int ret, expected;

	if (stream->model.count == stream->shape.room) {
		subject_drop(entry.subject);
		return;
	}
	expected = model_answer_to_add(stream, &entry);
	stream_fail_begin(stream);
	ret = bus_add(stream, &entry, &conflict);
	expected = stream_fail_end(stream, ret, expected);
	stream_expect(stream, "an addition", ret, expected);
	if (ret == -EEXIST && expected == ret)
		check_conflict(stream, &entry, &conflict);
	if (ret) {
		subject_drop(entry.subject);
		return;
	}
	model_add(&stream->model, &entry);
	stream->publications++;
}

static bool same_consumer(const struct subject *a, const struct subject *b)
{
	return a->consumer == b->consumer &&
	       (a->consumer != CONSUMER_CALL || a == b);
}

static const struct model_entry *model_same(const struct model *model,
					    const struct model_entry *like)
{
	const struct model_entry *entry = model->entries;

	for (; entry < model->entries + model->count; entry++)
		if (entry->kind == BF_IO_DOORBELL &&
		    entry->space == like->space && entry->addr == like->addr &&
		    entry->size == like->size &&
		    entry->wildcard == like->wildcard &&
		    (entry->wildcard || entry->datamatch == like->datamatch) &&
		    same_consumer(entry->subject, like->subject))
			return entry;
	return NULL;
}

/* Searches for a doorbell, or for one that differs in one member. */
void stream_find(struct stream *stream)
{
	const struct model_entry *entry = stream_pick(stream, BF_IO_DOORBELL);
	struct bf_io_doorbell *found = NULL;
	struct bf_io_doorbell_desc desc;
	struct model_entry like;
	unsigned int choice = stream_byte(stream);
	int ret;

	if (!entry)
		return;
	like = *entry;
	like.addr += choice % 8 == 1;
	like.wildcard ^= choice % 8 == 2 && like.size;
	like.datamatch ^= choice % 8 == 3;
	like.space = choice % 8 == 4 ? stream_space(stream) % BF_IO_SPACES :
				       like.space;
	desc = subject_doorbell(&like);
	entry = model_same(&stream->model, &like);
	ret = bf_io_find_doorbell(stream->bus, &desc, &found);
	stream_expect(stream, "a search", ret, entry ? 0 : -ENOENT);
	if (!ret && entry && found != entry->subject->doorbell)
		stream_problem(stream, "found another one than %s",
			       entry->subject->name);
}

static int bus_remove(struct stream *stream, struct subject *subject)
{
	switch (subject->kind) {
	case BF_IO_DOORBELL:
		return bf_io_remove_doorbell(stream->bus, subject->doorbell);
	case BF_IO_RANGE:
		return bf_io_remove_range(stream->bus, subject->range);
	default:
		return bf_io_remove_zone(stream->bus, subject->zone);
	}
}

static void remove_and_wait(struct stream *stream, struct subject *subject)
{
	unsigned int inside = subject->kind == BF_IO_DOORBELL ?
				      stream->consumed :
				      stream->depth;
	int ret;

	stream_fail_begin(stream);
	ret = bus_remove(stream, subject);
	stream_fail_end(stream, ret, 0);
	stream_expect(stream, "a removal", ret, inside ? -EDEADLK : 0);
	if (ret)
		return;
	model_remove(&stream->model, subject);
	subject->removal_waited = true;
	subject_drop(subject);
	stream->publications++;
}

static void remove_later(struct stream *stream, struct subject *subject)
{
	struct bf_io_bus *bus = stream->bus;
	struct device *device = subject->device;

	subject_removing(subject);
	model_remove(&stream->model, subject);
	stream_fail_begin(stream);
	switch (subject->kind) {
	case BF_IO_DOORBELL:
		bf_io_remove_doorbell_async(bus, subject->doorbell,
					    subject_completed, device);
		break;
	case BF_IO_RANGE:
		bf_io_remove_range_async(bus, subject->range, subject_completed,
					 device);
		break;
	default:
		bf_io_remove_zone_async(bus, subject->zone, subject_completed,
					device);
	}
	stream_fail_end(stream, 0, 0);
	stream->publications++;
}

void stream_remove(struct stream *stream)
{
	struct model_entry *entry = stream_pick(stream, BF_IO_NONE);

	if (!entry)
		return;
	if (stream_byte(stream) % 2)
		remove_and_wait(stream, entry->subject);
	else
		remove_later(stream, entry->subject);
}

void stream_move(struct stream *stream)
{
	struct model_entry *entry = stream_pick(stream, BF_IO_RANGE), moved;
	struct bf_io_conflict conflict = {.wanted.kind = BF_IO_NONE};
	uint64_t addr = stream_addr(stream), old;
	int ret, expected = 0;

	if (!entry)
		return;
	moved = *entry;
	old = entry->addr;
	moved.addr = addr;
	model_remove(&stream->model, moved.subject);
	if (!model_valid(&moved))
		expected = -EINVAL;
	else if (model_collides(&stream->model, &moved))
		expected = -EEXIST;
	stream_fail_begin(stream);
	ret = bf_io_move_range(stream->bus, moved.subject->range, addr,
			       &conflict);
	expected = stream_fail_end(stream, ret, expected);
	stream_expect(stream, "a move", ret, expected);
	if (ret == -EEXIST && expected == ret)
		check_conflict(stream, &moved, &conflict);
	moved.addr = ret ? old : addr;
	model_add(&stream->model, &moved);
	stream->publications += !ret;
}
