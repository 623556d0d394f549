// SPDX-License-Identifier: MIT
/* Accesses of the operation stream, and the calls of handlers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

/* The data of a read depend on the range and on the offset. */
static void fill_read(const struct subject *subject, uint64_t offset,
		      uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(subject->name[1] * 31 + offset + i);
}

static uint8_t *part_data(struct cursor *cursor, uint32_t part)
{
	uint32_t len = cursor->form == LONG ? BF_IO_MAX_LEN :
					      cursor->access.len;

	return cursor->data + (size_t)part * len;
}

/* The part as a separate access; false if it is beyond the end of the space. */
static bool part_access(struct cursor *cursor, uint32_t part,
			struct bf_io_access *access)
{
	*access = cursor->access;
	access->data = part_data(cursor, part);
	if (cursor->form != LONG)
		return true;
	access->addr += (uint64_t)part * BF_IO_MAX_LEN;
	access->len -= part * BF_IO_MAX_LEN;
	if (access->len > BF_IO_MAX_LEN)
		access->len = BF_IO_MAX_LEN;
	return access->addr >= cursor->access.addr;
}

static void part_taken(struct cursor *cursor, const struct bf_io_access *part)
{
	cursor->done += part->len;
	cursor->next++;
}

static void part_missed(struct cursor *cursor, const struct bf_io_access *part,
			int answer)
{
	if (cursor->form == STRING && cursor->next) {
		if (!part->write)
			memset(part->data, 0, part->len);
		cursor->next++;
		return;
	}
	cursor->ret = answer;
	cursor->over = true;
}

/* The entry that the part went to answers 0 or a negative errno. */
static void part_over(struct stream *stream, struct cursor *cursor,
		      const struct bf_io_access *part, enum bf_io_kind kind,
		      int answer)
{
	cursor->declined = NULL;
	if (!cursor->next)
		cursor->taken_by = answer == -EOPNOTSUPP ? BF_IO_NONE : kind;
	if (!answer) {
		part_taken(cursor, part);
	} else {
		stream->totals->missed++;
		part_missed(cursor, part, answer);
	}
}

static void count_access(struct cursor *cursor, struct subject *subject,
			 bool write)
{
	if (!cursor->counted)
		return;
	if (write)
		subject->counted_writes++;
	else
		subject->counted_reads++;
}

/* Returns true if the bus must call a consumer, false for an eventfd. */
static bool signal_doorbell(struct stream *stream, struct cursor *cursor,
			    const struct model_entry *entry)
{
	struct subject *subject = entry->subject;

	stream->totals->signalled++;
	subject->signalled++;
	count_access(cursor, subject, true);
	if (subject->consumer == CONSUMER_CALL)
		return true;
	stream->signals[subject->consumer]++;
	return false;
}

/* After a synchronous removal no access signals the doorbell any more. */
static const struct model_entry *find_doorbell(struct cursor *cursor,
					       const struct bf_io_access *part)
{
	const struct model_entry *entry =
		model_find(&cursor->seen, BF_IO_DOORBELL, part, NULL);

	return entry && entry->subject->removal_waited ? NULL : entry;
}

/* Returns true if the bus must call a handler. */
static bool enter_range(struct stream *stream, struct cursor *cursor,
			const struct model_entry *entry,
			const struct bf_io_access *part)
{
	struct subject *subject = entry->subject;

	count_access(cursor, subject, part->write);
	return part->write ? subject->writes : subject->reads;
}

/* The first registered zone with room in its ring takes a write. */
static bool push_to_zone(struct stream *stream, struct cursor *cursor,
			 const struct bf_io_access *part)
{
	const struct model_entry *zone = NULL;

	while ((zone = model_find(&cursor->seen, BF_IO_ZONE, part, zone)))
		if (rings_push(stream, zone->subject->ring, part))
			return true;
	return false;
}

/* As next_part(), from the first range or the one after that declined. */
static const struct model_entry *next_range(struct stream *stream,
					    struct cursor *cursor,
					    const struct bf_io_access *part)
{
	const struct model_entry *entry = cursor->declined;

	while ((entry = model_find(&cursor->seen, BF_IO_RANGE, part, entry)))
		if (enter_range(stream, cursor, entry, part))
			return entry;
	part_over(stream, cursor, part, BF_IO_NONE, -EOPNOTSUPP);
	return NULL;
}

/* Runs one part.  Stops at a call and returns the entry, else NULL. */
static const struct model_entry *next_part(struct stream *stream,
					   struct cursor *cursor)
{
	const struct model_entry *entry = NULL;
	struct bf_io_access part;
	bool inside = part_access(cursor, cursor->next, &part);

	if (cursor->declined)
		return next_range(stream, cursor, &part);
	entry = inside ? find_doorbell(cursor, &part) : NULL;
	if (entry) {
		if (signal_doorbell(stream, cursor, entry))
			return entry;
		part_over(stream, cursor, &part, BF_IO_DOORBELL, 0);
		return NULL;
	}
	if (inside && push_to_zone(stream, cursor, &part)) {
		part_over(stream, cursor, &part, BF_IO_ZONE, 0);
		return NULL;
	}
	if (inside)
		return next_range(stream, cursor, &part);
	part_over(stream, cursor, &part, BF_IO_NONE, -EOPNOTSUPP);
	return NULL;
}

/* Runs parts up to the next call; returns the entry, NULL at the end. */
static const struct model_entry *next_call(struct stream *stream,
					   struct cursor *cursor)
{
	cursor->called = NULL;
	while (!cursor->called && !cursor->over && cursor->next < cursor->parts)
		cursor->called = next_part(stream, cursor);
	return cursor->called;
}

/* The handler gets the part, with the source of the access. */
static void check_part(struct stream *stream, struct subject *subject,
		       const struct bf_io_access *part,
		       const struct bf_io_access *access)
{
	if (part->addr != access->addr || part->len != access->len ||
	    part->space != access->space || part->write != access->write)
		stream_problem(stream, "%s was called for %s of %u at %#llx",
			       subject->name,
			       access->write ? "a write" : "a read",
			       access->len, (unsigned long long)access->addr);
	if (access->source != stream->cursor)
		stream_problem(stream, "%s got another source", subject->name);
}

/* The access in progress; NULL if the bus must not make this call. */
static struct cursor *check_call(struct stream *stream, struct subject *subject,
				 const struct bf_io_access *access,
				 struct bf_io_access *part)
{
	struct cursor *cursor = stream->cursor;
	const struct model_entry *entry;

	if (!cursor || cursor->called) {
		stream_problem(stream, "%s was called without an access",
			       subject->name);
		return NULL;
	}
	entry = next_call(stream, cursor);
	if (!entry || entry->subject != subject) {
		stream_problem(stream, "%s was called instead of %s",
			       subject->name,
			       entry ? entry->subject->name : "nothing");
		return NULL;
	}
	part_access(cursor, cursor->next, part);
	check_part(stream, subject, part, access);
	return cursor;
}

/* Some handlers run an operation of the stream. */
static void run_nested_step(struct stream *stream, struct subject *subject)
{
	if (!subject->changes_bus)
		return;
	if (!stream->depth++)
		__atomic_store_n(&stream->handler, ++stream->handlers,
				 __ATOMIC_RELAXED);
	stream->totals->nested++;
	stream_step(stream);
	if (!--stream->depth)
		__atomic_store_n(&stream->handler, 0, __ATOMIC_RELAXED);
}

/* Returns the answer of the handler; the bus takes 1 for -EOPNOTSUPP. */
static int end_call(struct stream *stream, struct cursor *cursor,
		    const struct bf_io_access *part, enum bf_io_kind kind,
		    int answer)
{
	if (answer > 0 || answer == -EOPNOTSUPP) {
		cursor->declined = cursor->called;
	} else {
		stream->totals->uncovered += cursor->declined && !answer;
		part_over(stream, cursor, part, kind, answer);
	}
	cursor->called = NULL;
	return answer;
}

/* A range that declines does so at every other call, in one of three ways. */
static int answer_of(struct subject *subject)
{
	static const int answers[6] = {0, -EOPNOTSUPP, 0, -EIO, 0, 1};

	return subject->declines ? answers[subject->calls++ % 6] : 0;
}

/* Compares the call of a range with the model. */
static struct cursor *enter_handler(struct subject *subject, uint64_t offset,
				    const struct bf_io_access *access,
				    struct bf_io_access *part)
{
	struct stream *stream = subject->stream;
	struct cursor *cursor = check_call(stream, subject, access, part);

	if (!cursor)
		return NULL;
	stream->totals->handled++;
	if (part->addr - cursor->called->addr != offset)
		stream_problem(stream, "%s got offset %#llx", subject->name,
			       (unsigned long long)offset);
	run_nested_step(stream, subject);
	return cursor;
}

static int handle_read(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	struct subject *subject = ((struct device *)opaque)->subject;
	struct bf_io_access part;
	struct cursor *cursor = enter_handler(subject, offset, access, &part);
	int answer = answer_of(subject);

	if (!cursor)
		return 0;
	if (!answer) {
		fill_read(subject, offset, access->data, access->len);
		fill_read(subject, offset, part.data, part.len);
	}
	return end_call(subject->stream, cursor, &part, BF_IO_RANGE, answer);
}

static int handle_write(void *opaque, uint64_t offset,
			const struct bf_io_access *access)
{
	struct subject *subject = ((struct device *)opaque)->subject;
	struct bf_io_access part;
	struct cursor *cursor = enter_handler(subject, offset, access, &part);

	if (!cursor)
		return 0;
	if (access->len == part.len &&
	    memcmp(access->data, part.data, access->len))
		stream_problem(subject->stream, "%s was given other data",
			       subject->name);
	return end_call(subject->stream, cursor, &part, BF_IO_RANGE,
			answer_of(subject));
}

const struct bf_io_ops subject_ops[4] = {
	{.read = NULL},
	{.read = handle_read},
	{.write = handle_write},
	{.read = handle_read, .write = handle_write},
};

void subject_signal(void *opaque, uint64_t value,
		    const struct bf_io_access *access)
{
	struct subject *subject = ((struct device *)opaque)->subject;
	struct stream *stream = subject->stream;
	struct bf_io_access part;
	struct cursor *cursor = check_call(stream, subject, access, &part);

	if (!cursor)
		return;
	if (model_value(part.data, part.len) != value)
		stream_problem(stream, "%s got %#llx", subject->name,
			       (unsigned long long)value);
	stream->consumed++;
	run_nested_step(stream, subject);
	stream->consumed--;
	end_call(stream, cursor, &part, BF_IO_DOORBELL, 0);
}

static uint32_t size_of(const struct cursor *cursor)
{
	return cursor->form == STRING ? cursor->access.len * cursor->parts :
					cursor->access.len;
}

static bool valid_access(const struct bf_io_access *access, bool is_long)
{
	return access->len && (is_long || access->len <= BF_IO_MAX_LEN) &&
	       access->space < BF_IO_SPACES;
}

static int dispatch(struct stream *stream, const struct cursor *cursor,
		    struct bf_io_access *access, uint32_t *done)
{
	switch (cursor->form) {
	case LONG:
		return bf_io_dispatch_long(stream->bus, access, done);
	case STRING:
		return bf_io_dispatch_string(stream->bus, access,
					     cursor->parts);
	default:
		return bf_io_dispatch(stream->bus, access);
	}
}

static void compare_result(struct stream *stream, struct cursor *cursor,
			   const struct bf_io_access *access, int ret,
			   uint32_t done)
{
	const struct model_entry *missing = next_call(stream, cursor);

	if (missing)
		stream_problem(stream, "%s was not called",
			       missing->subject->name);
	stream_expect(stream, "an access", ret, cursor->ret);
	if (cursor->form == LONG)
		stream_expect(stream, "bytes done", done, cursor->done);
	stream_expect(stream, "taken by", access->taken_by, cursor->taken_by);
	if (memcmp(access->data, cursor->data, size_of(cursor)))
		stream_problem(stream, "an access has other data");
}

static void run_access(struct stream *stream, struct cursor *cursor)
{
	uint32_t size = size_of(cursor), done = 1000;
	/* Unaligned, and the last byte ends the allocation. */
	uint8_t *block = malloc(size + 1);
	struct bf_io_access access = cursor->access;
	int ret;

	access.data = memcpy(block + 1, cursor->data, size);
	access.source = cursor;
	access.taken_by = 0xff;
	model_init(&cursor->seen, stream->shape.room);
	model_copy(&cursor->seen, &stream->model);
	cursor->counted = stream->counting;
	cursor->outer = stream->cursor;
	stream->cursor = cursor;
	ret = dispatch(stream, cursor, &access, &done);
	compare_result(stream, cursor, &access, ret, done);
	stream->cursor = cursor->outer;
	model_free(&cursor->seen);
	free(block);
	stream->totals->accesses++;
}

/* The lengths 0 and 9 are not valid. */
static uint32_t some_len(struct stream *stream)
{
	static const uint32_t lens[16] = {1, 1, 2, 2, 4, 4, 4, 4,
					  8, 8, 3, 5, 6, 7, 0, 9};

	return lens[stream_byte(stream) % 16];
}

static void choose_access(struct stream *stream, struct cursor *cursor)
{
	unsigned int choice = stream_byte(stream);

	cursor->access.write = choice % 4 != 0;
	cursor->access.space = stream_space(stream);
	cursor->access.addr = stream_addr(stream);
	cursor->parts = 1;
}

/* Fills the elements with values that some datamatches have. */
static void some_data(struct stream *stream, struct cursor *cursor,
		      uint32_t step)
{
	uint32_t size = size_of(cursor);

	for (uint32_t at = 0; at < size; at += step) {
		uint64_t value = stream_value(stream);
		uint32_t len = size - at < step ? size - at : step;

		memcpy(cursor->data + at, &value, len < 8 ? len : 8);
	}
}

void stream_access(struct stream *stream)
{
	struct cursor cursor = {.form = SINGLE};

	choose_access(stream, &cursor);
	cursor.access.len = some_len(stream);
	some_data(stream, &cursor, BF_IO_MAX_LEN);
	if (!valid_access(&cursor.access, false)) {
		cursor.ret = -EINVAL;
		cursor.over = true;
	}
	run_access(stream, &cursor);
}

void stream_access_long(struct stream *stream)
{
	struct cursor cursor = {.form = LONG};

	choose_access(stream, &cursor);
	cursor.access.len = stream_byte(stream) % STREAM_LONG;
	cursor.parts = (cursor.access.len + 7) / 8;
	some_data(stream, &cursor, BF_IO_MAX_LEN);
	if (!valid_access(&cursor.access, true)) {
		cursor.ret = -EINVAL;
		cursor.over = true;
	}
	run_access(stream, &cursor);
}

/*
 * If a string has a bad element length and no elements, the error is not
 * specified.  So a string with a bad length gets an element here.
 */
void stream_access_string(struct stream *stream)
{
	struct cursor cursor = {.form = STRING};

	choose_access(stream, &cursor);
	cursor.access.len = some_len(stream);
	cursor.parts = stream_byte(stream) % (STREAM_LONG / 9 + 1);
	if (!valid_access(&cursor.access, false)) {
		cursor.parts += !cursor.parts;
		cursor.ret = -EINVAL;
		cursor.over = true;
	} else if (!cursor.parts) {
		cursor.ret = -EOPNOTSUPP;
		cursor.over = true;
	}
	if (cursor.access.len)
		some_data(stream, &cursor, cursor.access.len);
	run_access(stream, &cursor);
}
