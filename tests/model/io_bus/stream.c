// SPDX-License-Identifier: MIT
/* The operation stream: bytes, choice of operations, checks. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "stream.h"
#include "base/util.h"

/* Operations between two checks of eventfds and counters. */
#define CHECK_EVERY 32

void stream_problem(struct stream *stream, const char *format, ...)
{
	va_list args;

	if (stream->problem[0])
		return;
	va_start(args, format);
	vsnprintf(stream->problem, sizeof(stream->problem), format, args);
	va_end(args);
}

void stream_expect(struct stream *stream, const char *what, int64_t got,
		   int64_t expected)
{
	if (got != expected)
		stream_problem(stream, "%s: %lld instead of %lld", what,
			       (long long)got, (long long)expected);
}

/*
 * No allocation fails inside a handler.  If one did, the access in progress
 * could see a removal between two of its parts (belfry/io_bus.h), and the model
 * could not.
 */
void stream_fail_begin(struct stream *stream)
{
	unsigned int choice;

	if (!stream->shape.fail_at)
		return;
	choice = stream_byte(stream);
	if (stream->cursor)
		return;
	stream->shape.fail_at(choice % 3 ? 0 : 1 + (int)choice / 3 % 8);
}

int stream_fail_end(struct stream *stream, int ret, int expected)
{
	if (!stream->shape.fail_at)
		return expected;
	stream->shape.fail_at(0);
	if (ret != -ENOMEM)
		return expected;
	stream->totals->failed++;
	return ret;
}

unsigned int stream_byte(struct stream *stream)
{
	return stream->bytes < stream->end ? *stream->bytes++ : 0;
}

/* Mostly two spaces, so that entries collide; a few that do not exist. */
uint16_t stream_space(struct stream *stream)
{
	static const uint16_t spaces[32] = {
		BF_IO_PIO,	  BF_IO_PIO,	BF_IO_PIO,
		BF_IO_CCW,	  BF_IO_CCW,	BF_IO_SPACE_FREE,
		BF_IO_SPACES - 1, BF_IO_SPACES, UINT16_MAX,
	};

	return spaces[stream_byte(stream) % ARRAY_SIZE(spaces)];
}

/* Addresses near both ends of a space, near 4 GiB, and in the middle. */
uint64_t stream_addr(struct stream *stream)
{
	unsigned int choice = stream_byte(stream), spread;
	uint64_t offset = choice >> 2;

	spread = stream->shape.spread;
	if (spread > 64)
		offset |= (uint64_t)stream_byte(stream) << 6;
	offset %= spread;
	switch (choice % 4) {
	case 0:
		return offset;
	case 1:
		return 0 - (uint64_t)spread + offset;
	case 2:
		return (1ULL << 32) - spread / 2 + offset;
	default:
		return 0x123456789000ULL + offset;
	}
}

/* Few values, so that datamatches match; some are wider than an access. */
uint64_t stream_value(struct stream *stream)
{
	static const uint64_t values[8] = {
		0, 0, 1, 2, 0x0102, 0xffffffff, 0x100000001ULL, UINT64_MAX,
	};

	return values[stream_byte(stream) % ARRAY_SIZE(values)];
}

static void stream_synchronize(struct stream *stream)
{
	int ret = bf_io_synchronize(stream->bus);

	stream_expect(stream, "synchronize", ret, stream->depth ? -EDEADLK : 0);
}

static void stream_count(struct stream *stream)
{
	bool on = stream_byte(stream) % 2;

	stream_expect(stream, "counting", bf_io_count(stream->bus, on), 0);
	stream->counting = on;
	stream->publications++;
}

static void (*const steps[32])(struct stream *stream) = {
	stream_access,	      stream_access,
	stream_access,	      stream_access,
	stream_access,	      stream_access,
	stream_access,	      stream_access,
	stream_access,	      stream_access_long,
	stream_access_long,   stream_access_long,
	stream_access_string, stream_access_string,
	stream_add,	      stream_add,
	stream_add,	      stream_add,
	stream_add,	      stream_add,
	stream_add,	      stream_add,
	stream_remove,	      stream_remove,
	stream_remove,	      stream_remove,
	stream_move,	      stream_transact,
	stream_transact,      stream_drain,
	stream_find,	      NULL,
};

static void rare_step(struct stream *stream)
{
	if (stream_byte(stream) % 2)
		stream_synchronize(stream);
	else
		stream_count(stream);
}

static bool is_access(void (*step)(struct stream *stream))
{
	return step == stream_access || step == stream_access_long ||
	       step == stream_access_string;
}

void stream_step(struct stream *stream)
{
	unsigned int choice = stream_byte(stream) % ARRAY_SIZE(steps);
	void (*step)(struct stream * stream) = steps[choice];

	stream->totals->operations++;
	if (stream->depth >= STREAM_DEPTH && is_access(step))
		step = stream_add;
	if (step)
		step(stream);
	else
		rare_step(stream);
}

static void check_doorbell(struct stream *stream, struct subject *subject)
{
	struct bf_io_stats stats;

	stream_expect(stream, "signals of a doorbell",
		      (int64_t)bf_io_doorbell_signals(subject->doorbell),
		      subject->counted ? (int64_t)subject->signalled : 0);
	if (bf_io_doorbell_opaque(subject->doorbell) != subject->device)
		stream_problem(stream, "%s: wrong opaque", subject->name);
	bf_io_doorbell_stats(subject->doorbell, &stats);
	stream_expect(stream, "reads of a doorbell", (int64_t)stats.reads, 0);
	stream_expect(stream, "writes to a doorbell", (int64_t)stats.writes,
		      (int64_t)subject->counted_writes);
}

static void check_range(struct stream *stream, struct subject *subject)
{
	struct bf_io_stats stats;

	bf_io_range_stats(subject->range, &stats);
	stream_expect(stream, "reads of a range", (int64_t)stats.reads,
		      (int64_t)subject->counted_reads);
	stream_expect(stream, "writes to a range", (int64_t)stats.writes,
		      (int64_t)subject->counted_writes);
}

static void check_entries(struct stream *stream)
{
	const struct model_entry *entry = stream->model.entries;

	for (; entry < stream->model.entries + stream->model.count; entry++) {
		if (entry->kind == BF_IO_DOORBELL)
			check_doorbell(stream, entry->subject);
		if (entry->kind == BF_IO_RANGE)
			check_range(stream, entry->subject);
	}
}

static void check_eventfds(struct stream *stream)
{
	for (unsigned int i = 0; i < STREAM_EVENTFDS; i++) {
		uint64_t signalled = 0;

		if (read(stream->eventfds[i], &signalled, sizeof(signalled)) <
		    0)
			signalled = 0;
		stream_expect(stream, "signals of an eventfd",
			      (int64_t)signalled, (int64_t)stream->signals[i]);
		stream->signals[i] = 0;
	}
}

static void check(struct stream *stream)
{
	check_eventfds(stream);
	rings_check(stream);
	check_entries(stream);
	/* A removal without memory changes the published state in place. */
	if (!stream->shape.fail_at)
		stream_expect(stream, "publications",
			      (int64_t)bf_io_publications(stream->bus),
			      (int64_t)stream->publications);
	if (__atomic_load_n(&stream->early, __ATOMIC_RELAXED))
		stream_problem(stream, "a removal was complete too early");
}

static void init(struct stream *stream)
{
	model_init(&stream->model, stream->shape.room);
	rings_init(stream);
	for (unsigned int i = 0; i < STREAM_EVENTFDS; i++)
		stream->eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	stream->no_eventfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (bf_io_bus_create("stream", &stream->bus))
		abort();
	stream->publications = bf_io_publications(stream->bus);
}

/* A removed subject was completed once, and a present one never. */
static void end_subject(struct stream *stream, struct subject *subject)
{
	unsigned int completed =
		__atomic_load_n(&subject->completed, __ATOMIC_ACQUIRE);

	if (completed != (subject->removed && subject->device))
		stream_problem(stream, "%s was completed %u times",
			       subject->name, completed);
	if (!completed)
		free(subject->device);
	free(subject);
}

static void end(struct stream *stream)
{
	struct subject *subject, *next;

	bf_io_bus_destroy(stream->bus);
	rings_free(stream);
	for (subject = stream->subjects; subject; subject = next) {
		next = subject->next;
		end_subject(stream, subject);
	}
	for (unsigned int i = 0; i < STREAM_EVENTFDS; i++)
		close(stream->eventfds[i]);
	close(stream->no_eventfd);
	model_free(&stream->model);
}

const char *stream_run(const struct stream_shape *shape, const uint8_t *bytes,
		       size_t size, struct stream_totals *totals)
{
	static struct stream stream;

	memset(&stream, 0, sizeof(stream));
	stream.shape = *shape;
	stream.bytes = bytes;
	stream.end = bytes + size;
	stream.totals = totals;
	init(&stream);
	for (unsigned int i = 1; stream.bytes < stream.end; i++) {
		stream_step(&stream);
		if (i % CHECK_EVERY == 0)
			check(&stream);
		if (stream.problem[0])
			break;
	}
	check(&stream);
	end(&stream);
	return stream.problem[0] ? stream.problem : NULL;
}
