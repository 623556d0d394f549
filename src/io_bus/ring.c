// SPDX-License-Identifier: MIT
/*
 * The shared memory has the kernel's structure, and behind it a stamp for each
 * entry, the time of the write.  Writers hold the lock and keep last in private
 * memory.  Of the consumer's stores only first matters: a writer loads it once
 * and checks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io_bus/bus.h"
#include "io_bus/ring.h"
#include "base/util.h"

#define MAX_ENTRIES (1U << 20)

struct bf_io_ring {
	pthread_mutex_t lock; /* of writers */
	struct kvm_coalesced_mmio_ring *shared;
	uint64_t *stamps; /* shared as well */
	uint32_t size;	  /* in entries, of which one stays free */
	uint32_t last;	  /* the value of shared->last */
	uint32_t first;	  /* of a drain: the next entry to take, */
	uint32_t seen;	  /* ... and the end of those to take */
	enum bf_io_ring_wake wake;
	struct bf_eventfd eventfd; /* unless BF_IO_WAKE_NEVER */
	int fd;
	size_t bytes;
	unsigned int zones;
};

/*
 * The clock of the stamps, one for all rings.  Relaxed: the order of one
 * thread's writes is all that bf_io_ring_drain() promises.
 */
static uint64_t write_clock;

static size_t stamps_offset(uint32_t size)
{
	size_t end = sizeof(struct kvm_coalesced_mmio_ring) +
		     size * sizeof(struct kvm_coalesced_mmio);

	return (end + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
}

/* The number of entries on the kernel's page. */
static uint32_t kernel_size(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (uint32_t)((page - sizeof(struct kvm_coalesced_mmio_ring)) /
			  sizeof(struct kvm_coalesced_mmio));
}

/*
 * Seals the size.  A process that shares the memory could otherwise truncate
 * it, and a store of ours would raise SIGBUS.
 */
static int set_size(int fd, size_t size)
{
	if (ftruncate(fd, (off_t)size))
		return -1;
	return fcntl(fd, F_ADD_SEALS,
		     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

static int map_memory(struct bf_io_ring *ring)
{
	void *memory;
	int ret;

	ring->bytes = stamps_offset(ring->size) +
		      ring->size * sizeof(ring->stamps[0]);
	ring->fd = memfd_create("belfry-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ring->fd < 0)
		return -errno;
	memory = MAP_FAILED;
	if (!set_size(ring->fd, ring->bytes))
		memory = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED, ring->fd, 0);
	if (memory == MAP_FAILED) {
		ret = -errno;
		close(ring->fd);
		return ret;
	}
	ring->shared = memory;
	ring->stamps = (void *)((char *)memory + stamps_offset(ring->size));
	return 0;
}

static int ring_get_eventfd(struct bf_io_ring *ring,
			    const struct bf_io_ring_desc *desc)
{
	int ret;

	if (desc->wake == BF_IO_WAKE_NEVER)
		return 0;
	ret = bf_eventfd_check(desc->eventfd);
	return ret ? ret : bf_eventfd_dup(&ring->eventfd, desc->eventfd);
}

static void ring_put_eventfd(struct bf_io_ring *ring)
{
	if (ring->wake != BF_IO_WAKE_NEVER)
		bf_eventfd_close(&ring->eventfd);
}

static int ring_init(struct bf_io_ring *ring,
		     const struct bf_io_ring_desc *desc)
{
	int ret;

	/* One more, which stays free, so that full and empty differ. */
	ring->size = desc->entries ? desc->entries + 1 : kernel_size();
	ring->wake = desc->wake;
	ret = ring_get_eventfd(ring, desc);
	if (ret)
		return ret;
	ret = map_memory(ring);
	if (ret)
		ring_put_eventfd(ring);
	return ret;
}

int bf_io_ring_create(const struct bf_io_ring_desc *desc,
		      struct bf_io_ring **ringp)
{
	static const struct bf_io_ring_desc defaults;
	struct bf_io_ring *ring;
	int ret;

	if (!desc)
		desc = &defaults;
	if (desc->entries > MAX_ENTRIES || desc->wake > BF_IO_WAKE_HALF ||
	    !bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ret = ring_init(ring, desc);
	if (ret) {
		free(ring);
		return ret;
	}
	pthread_mutex_init(&ring->lock, NULL);
	*ringp = ring;
	return 0;
}

int bf_io_ring_destroy(struct bf_io_ring *ring)
{
	if (!ring)
		return 0;
	/* Acquire, with bf_ring_release(): no write comes after this. */
	if (__atomic_load_n(&ring->zones, __ATOMIC_ACQUIRE))
		return -EBUSY;
	munmap(ring->shared, ring->bytes);
	close(ring->fd);
	ring_put_eventfd(ring);
	pthread_mutex_destroy(&ring->lock);
	free(ring);
	return 0;
}

void bf_ring_hold(struct bf_io_ring *ring)
{
	__atomic_fetch_add(&ring->zones, 1, __ATOMIC_RELAXED);
}

void bf_ring_release(struct bf_io_ring *ring)
{
	__atomic_fetch_sub(&ring->zones, 1, __ATOMIC_RELEASE);
}

struct kvm_coalesced_mmio_ring *bf_io_ring_memory(struct bf_io_ring *ring,
						  uint32_t *entries)
{
	if (entries)
		*entries = ring->size;
	return ring->shared;
}

int bf_io_ring_fd(const struct bf_io_ring *ring, size_t *size)
{
	if (size)
		*size = ring->bytes;
	return ring->fd;
}

static uint32_t next_index(const struct bf_io_ring *ring, uint32_t index)
{
	return index + 1 == ring->size ? 0 : index + 1;
}

static uint32_t used_between(const struct bf_io_ring *ring, uint32_t first,
			     uint32_t last)
{
	return last >= first ? last - first : ring->size - first + last;
}

static uint32_t half(const struct bf_io_ring *ring)
{
	return ring->size / 2;
}

static void ring_fill(struct bf_io_ring *ring,
		      const struct bf_io_access *access)
{
	struct kvm_coalesced_mmio *entry =
		&ring->shared->coalesced_mmio[ring->last];

	entry->phys_addr = access->addr;
	entry->len = access->len;
	entry->pio = access->space;
	memcpy(entry->data, access->data, access->len);
	ring->stamps[ring->last] =
		__atomic_fetch_add(&write_clock, 1, __ATOMIC_RELAXED);
}

/*
 * Must the writer wake the consumer?  The writer has stored last, and loads
 * first after a full fence.  The consumer stores first, and loads last again
 * after a full fence before it sleeps (bf_io_ring_drain()).  So the consumer
 * sees the new entry, or the writer sees the consumer's first.  Without either
 * fence both may load old values, and the consumer sleeps beside an entry.
 */
static bool must_wake(const struct bf_io_ring *ring)
{
	uint32_t first, used;

	if (ring->wake == BF_IO_WAKE_NEVER)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	first = __atomic_load_n(&ring->shared->first, __ATOMIC_RELAXED);
	if (first >= ring->size)
		return true;
	used = used_between(ring, first, ring->last);
	return used == (ring->wake == BF_IO_WAKE_HALF ? half(ring) : 1);
}

/* Lock held.  False: the ring is full. */
static bool ring_put_locked(struct bf_io_ring *ring,
			    const struct bf_io_access *access)
{
	/* Acquire: the consumer has read the entry before we overwrite it. */
	uint32_t first =
		__atomic_load_n(&ring->shared->first, __ATOMIC_ACQUIRE);

	if (first >= ring->size ||
	    used_between(ring, first, ring->last) == ring->size - 1)
		return false;
	ring_fill(ring, access);
	ring->last = next_index(ring, ring->last);
	/* Release: a consumer that loads this last sees the entry. */
	__atomic_store_n(&ring->shared->last, ring->last, __ATOMIC_RELEASE);
	return true;
}

bool bf_ring_put(struct bf_io_ring *ring, const struct bf_io_access *access)
{
	bool done, wake;

	pthread_mutex_lock(&ring->lock);
	done = ring_put_locked(ring, access);
	wake = done && must_wake(ring);
	pthread_mutex_unlock(&ring->lock);
	if (wake)
		bf_eventfd_signal(&ring->eventfd);
	return done;
}

/* The end of the entries.  Acquire: their contents are visible. */
static uint32_t load_last(const struct bf_io_ring *ring)
{
	uint32_t last = __atomic_load_n(&ring->shared->last, __ATOMIC_ACQUIRE);

	return last < ring->size ? last : ring->first;
}

static void drain_begin(struct bf_io_ring *ring)
{
	uint32_t first =
		__atomic_load_n(&ring->shared->first, __ATOMIC_RELAXED);

	ring->first = first < ring->size ? first : 0;
	ring->seen = load_last(ring);
}

/*
 * Sets each ring's end to its value at one instant.  A thread writes to one
 * ring and then to another: a drain that sees the later entry must see the
 * earlier one.  A single pass over the rings might not, as both writes may come
 * between two of its loads.  So this function rescans until one full pass sees
 * no ring change: the ends are then a consistent cut.
 *
 * The rescans are bounded.  Rings that are not emptied fill up, which bounds
 * the changes of honest writers; another process may store to last without end.
 */
static void cut_rings(struct bf_io_ring *const *rings, unsigned int count)
{
	unsigned int i, same = 0;
	uint64_t loads = 2;
	uint32_t last;

	for (i = 0; i < count; i++) {
		drain_begin(rings[i]);
		loads += rings[i]->size;
	}
	/* At most one pass for each entry that fits, and one more. */
	loads *= count;
	for (i = 0; same < count && loads--; i = (i + 1) % count) {
		last = load_last(rings[i]);
		same = last == rings[i]->seen ? same + 1 : 1;
		rings[i]->seen = last;
	}
}

static uint64_t next_stamp(const struct bf_io_ring *ring)
{
	return ring->stamps[ring->first];
}

/* The ring with the oldest entry; NULL: all entries are taken. */
static struct bf_io_ring *oldest_ring(struct bf_io_ring *const *rings,
				      unsigned int count)
{
	struct bf_io_ring *found = NULL;
	unsigned int i;

	for (i = 0; i < count; i++)
		if (rings[i]->first != rings[i]->seen &&
		    (!found || next_stamp(rings[i]) < next_stamp(found)))
			found = rings[i];
	return found;
}

static void ring_take(struct bf_io_ring *ring, bf_io_drain_fn fn, void *opaque)
{
	const struct kvm_coalesced_mmio entry =
		ring->shared->coalesced_mmio[ring->first];

	ring->first = next_index(ring, ring->first);
	/* Release: the entry was read before; see ring_put_locked(). */
	__atomic_store_n(&ring->shared->first, ring->first, __ATOMIC_RELEASE);
	fn(opaque, &entry);
}

/* Signals for entries that came meanwhile; after the fence of must_wake(). */
static void ring_wake_again(struct bf_io_ring *ring)
{
	uint32_t used = used_between(ring, ring->first, load_last(ring));

	if ((ring->wake == BF_IO_WAKE_NONEMPTY && used) ||
	    (ring->wake == BF_IO_WAKE_HALF && used >= half(ring)))
		bf_eventfd_signal(&ring->eventfd);
}

size_t bf_io_ring_drain(struct bf_io_ring *const *rings, unsigned int count,
			bf_io_drain_fn fn, void *opaque)
{
	struct bf_io_ring *ring;
	size_t taken = 0;
	unsigned int i;

	cut_rings(rings, count);
	for (; (ring = oldest_ring(rings, count)); taken++)
		ring_take(ring, fn, opaque);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < count; i++)
		ring_wake_again(rings[i]);
	return taken;
}
