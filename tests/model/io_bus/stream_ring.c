// SPDX-License-Identifier: MIT
/* Coalesced rings of the operation stream. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "stream.h"
#include "base/util.h"

static const struct bf_io_ring_desc descs[STREAM_RINGS] = {
	{.entries = 5, .wake = BF_IO_WAKE_NONEMPTY},
	{.entries = 12, .wake = BF_IO_WAKE_HALF},
	{.entries = 169, .wake = BF_IO_WAKE_NEVER},
};

static void ring_init(struct model_ring *ring,
		      const struct bf_io_ring_desc *from)
{
	struct bf_io_ring_desc desc = *from;

	ring->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	desc.eventfd = ring->eventfd;
	if (bf_io_ring_create(&desc, &ring->ring))
		abort();
	ring->wake = desc.wake;
	ring->memory = bf_io_ring_memory(ring->ring, &ring->entries);
	if (ring->entries <= from->entries ||
	    ring->entries > ARRAY_SIZE(ring->queue))
		abort();
}

void rings_init(struct stream *stream)
{
	for (unsigned int i = 0; i < STREAM_RINGS; i++)
		ring_init(&stream->rings[i], &descs[i]);
}

void rings_free(struct stream *stream)
{
	for (unsigned int i = 0; i < STREAM_RINGS; i++) {
		stream_expect(stream, "destruction of a ring",
			      bf_io_ring_destroy(stream->rings[i].ring), 0);
		close(stream->rings[i].eventfd);
	}
}

static void count_wake(struct model_ring *ring)
{
	if (ring->wake == BF_IO_WAKE_NONEMPTY && ring->count == 1)
		ring->wakes++;
	if (ring->wake == BF_IO_WAKE_HALF && ring->count == ring->entries / 2)
		ring->wakes++;
}

bool rings_push(struct stream *stream, unsigned int number,
		const struct bf_io_access *access)
{
	struct model_ring *ring = &stream->rings[number];
	struct kvm_coalesced_mmio *entry;
	unsigned int at = (ring->first + ring->count) % ARRAY_SIZE(ring->queue);

	/* One entry always stays free. */
	if (ring->count == ring->entries - 1)
		return false;
	entry = &ring->queue[at].entry;
	memset(entry, 0, sizeof(*entry));
	entry->phys_addr = access->addr;
	entry->len = access->len;
	entry->pio = access->space;
	memcpy(entry->data, access->data, access->len);
	ring->queue[at].order = stream->order++;
	ring->count++;
	count_wake(ring);
	stream->totals->coalesced++;
	return true;
}

static void compare_entry(struct stream *stream, struct model_ring *ring,
			  const struct kvm_coalesced_mmio *entry)
{
	const struct kvm_coalesced_mmio *expected =
		&ring->queue[ring->first].entry;

	if (entry->phys_addr != expected->phys_addr ||
	    entry->len != expected->len || entry->pio != expected->pio ||
	    memcmp(entry->data, expected->data, expected->len))
		stream_problem(stream, "a ring has another entry");
	ring->first = (ring->first + 1) % ARRAY_SIZE(ring->queue);
	ring->count--;
	stream->totals->drained++;
}

struct drain {
	struct stream *stream;
	unsigned int mask; /* of rings */
};

/* The ring of the mask with the oldest entry; NULL: all are empty. */
static struct model_ring *oldest(struct drain *drain)
{
	struct model_ring *found = NULL, *ring = drain->stream->rings;

	for (unsigned int i = 0; i < STREAM_RINGS; i++, ring++)
		if (drain->mask & 1U << i && ring->count &&
		    (!found || ring->queue[ring->first].order <
				       found->queue[found->first].order))
			found = ring;
	return found;
}

static void take_entry(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	struct drain *drain = opaque;
	struct model_ring *ring = oldest(drain);

	if (ring)
		compare_entry(drain->stream, ring, entry);
	else
		stream_problem(drain->stream, "a drain takes too much");
}

static void drain_rings(struct stream *stream, unsigned int mask)
{
	struct drain drain = {.stream = stream, .mask = mask};
	struct bf_io_ring *rings[STREAM_RINGS];
	unsigned int i, count = 0;
	size_t expected = 0;

	for (i = 0; i < STREAM_RINGS; i++)
		if (mask & 1U << i) {
			rings[count++] = stream->rings[i].ring;
			expected += stream->rings[i].count;
		}
	stream_expect(stream, "a drain",
		      (int64_t)bf_io_ring_drain(rings, count, take_entry,
						&drain),
		      (int64_t)expected);
}

/* Takes an entry as a consumer that has only the ring's memory. */
static void take_from_memory(struct stream *stream, struct model_ring *ring)
{
	uint32_t first = ring->memory->first;

	if (!ring->count)
		return;
	compare_entry(stream, ring, &ring->memory->coalesced_mmio[first]);
	__atomic_store_n(&ring->memory->first, (first + 1) % ring->entries,
			 __ATOMIC_RELEASE);
}

void stream_drain(struct stream *stream)
{
	unsigned int choice = stream_byte(stream);

	if (choice % 4)
		take_from_memory(stream, &stream->rings[choice % STREAM_RINGS]);
	else
		drain_rings(stream, choice / 4 % (1U << STREAM_RINGS));
}

static void check_ring(struct stream *stream, struct model_ring *ring)
{
	uint32_t first = ring->memory->first, last = ring->memory->last;
	uint64_t wakes = 0;

	if (first >= ring->entries || last >= ring->entries)
		stream_problem(stream, "a ring has an index beyond its end");
	stream_expect(stream, "a ring's fill",
		      (last + ring->entries - first) % ring->entries,
		      ring->count);
	if (read(ring->eventfd, &wakes, sizeof(wakes)) != sizeof(wakes))
		wakes = 0;
	stream_expect(stream, "a ring's wake-ups", (int64_t)wakes,
		      (int64_t)ring->wakes);
	ring->wakes = 0;
}

void rings_check(struct stream *stream)
{
	for (unsigned int i = 0; i < STREAM_RINGS; i++)
		check_ring(stream, &stream->rings[i]);
}
