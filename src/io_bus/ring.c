// SPDX-License-Identifier: MIT
/*
 * The ring lies in shared memory: the kernel's struct, and behind it, for each
 * entry, when it was written.  Whoever writes holds the lock and keeps last to
 * himself; of what the consumer may change only first is read, once, and
 * checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io_bus/eventfd.h"
#include "io_bus/ring.h"
#include "base/util.h"

#define MAX_ENTRIES (1U << 20)

struct bf_io_ring {
	pthread_mutex_t lock; /* of who writes */
	struct kvm_coalesced_mmio_ring *shared;
	uint64_t *stamps; /* shared too */
	uint32_t size;	  /* entries; one of them stays free */
	uint32_t last;	  /* what shared->last has to be */
	uint32_t first;	  /* of the drain: what it takes next, */
	uint32_t seen;	  /* and up to where */
	enum bf_io_ring_wake wake;
	struct bf_eventfd eventfd; /* if there is a wake */
	int fd;
	size_t bytes;
	unsigned int zones;
};

/*
 * One clock of writes for all rings.  Relaxed: a thread's own additions are in
 * order, and more is not promised.
 */
static uint64_t write_clock;

static size_t stamps_offset(uint32_t size)
{
	size_t end = sizeof(struct kvm_coalesced_mmio_ring) +
		     size * sizeof(struct kvm_coalesced_mmio);

	return (end + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
}

/* As many as the kernel has on its page. */
static uint32_t kernel_size(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (uint32_t)((page - sizeof(struct kvm_coalesced_mmio_ring)) /
			  sizeof(struct kvm_coalesced_mmio));
}

/* For good: whoever shares it could otherwise cut it off below our feet. */
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

static int get_eventfd(struct bf_io_ring *ring,
		       const struct bf_io_ring_desc *desc)
{
	int ret;

	if (desc->wake == BF_IO_WAKE_NEVER)
		return 0;
	ret = bf_eventfd_check(desc->eventfd);
	return ret ? ret : bf_eventfd_dup(&ring->eventfd, desc->eventfd);
}

static void put_eventfd(struct bf_io_ring *ring)
{
	if (ring->wake != BF_IO_WAKE_NEVER)
		bf_eventfd_close(&ring->eventfd);
}

static int ring_init(struct bf_io_ring *ring,
		     const struct bf_io_ring_desc *desc)
{
	int ret;

	/* One more: it stays free, so that full and empty differ. */
	ring->size = desc->entries ? desc->entries + 1 : kernel_size();
	ring->wake = desc->wake;
	ret = get_eventfd(ring, desc);
	if (ret)
		return ret;
	ret = map_memory(ring);
	if (ret)
		put_eventfd(ring);
	return ret;
}

int bf_io_ring_create(struct bf_io_ring **ringp,
		      const struct bf_io_ring_desc *desc)
{
	static const struct bf_io_ring_desc defaults;
	struct bf_io_ring *ring;
	int ret;

	if (!desc)
		desc = &defaults;
	if (desc->entries > MAX_ENTRIES || desc->wake > BF_IO_WAKE_HALF)
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
	/* Acquire: what the last zone's removal did is over. */
	if (__atomic_load_n(&ring->zones, __ATOMIC_ACQUIRE))
		return -EBUSY;
	munmap(ring->shared, ring->bytes);
	close(ring->fd);
	put_eventfd(ring);
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

static void fill(struct bf_io_ring *ring, const struct bf_io_access *access)
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
 * The entry is out: has the consumer to be told?  It stores first, has a fence,
 * and reads last once more before it sleeps (bf_io_ring_drain()); we stored
 * last, have a fence, and read first.  So either it sees our entry, or we see
 * how far it had got and wake it.  Without the fence both could miss.
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

/* Lock held. */
static bool put(struct bf_io_ring *ring, const struct bf_io_access *access)
{
	/* Acquire: the consumer has read what we are going to overwrite. */
	uint32_t first =
		__atomic_load_n(&ring->shared->first, __ATOMIC_ACQUIRE);

	if (first >= ring->size ||
	    used_between(ring, first, ring->last) == ring->size - 1)
		return false;
	fill(ring, access);
	ring->last = next_index(ring, ring->last);
	/* Release: who sees it sees the entry. */
	__atomic_store_n(&ring->shared->last, ring->last, __ATOMIC_RELEASE);
	return true;
}

bool bf_ring_put(struct bf_io_ring *ring, const struct bf_io_access *access)
{
	bool done, wake;

	pthread_mutex_lock(&ring->lock);
	done = put(ring, access);
	wake = done && must_wake(ring);
	pthread_mutex_unlock(&ring->lock);
	if (wake)
		bf_eventfd_signal(&ring->eventfd);
	return done;
}

/* Up to where are entries?  Acquire: they are there. */
static uint32_t look(const struct bf_io_ring *ring)
{
	uint32_t last = __atomic_load_n(&ring->shared->last, __ATOMIC_ACQUIRE);

	return last < ring->size ? last : ring->first;
}

static void drain_begin(struct bf_io_ring *ring)
{
	uint32_t first =
		__atomic_load_n(&ring->shared->first, __ATOMIC_RELAXED);

	ring->first = first < ring->size ? first : 0;
	ring->seen = look(ring);
}

/*
 * A thread that wrote to one ring and then to another: whoever takes the later
 * entry must have seen the earlier one.  One look at each ring would not do,
 * as both may come in between.  So all are looked at until each stands as it
 * did when those that were looked at after it were looked at: then all stood
 * so at one time.  Rings that nobody empties fill up, so this ends; what a
 * stranger stores in the shared memory is looked at no longer than that.
 */
static void see_all(struct bf_io_ring *const *rings, unsigned int count)
{
	unsigned int i, same = 0;
	uint64_t looks = 2;
	uint32_t last;

	for (i = 0; i < count; i++) {
		drain_begin(rings[i]);
		looks += rings[i]->size;
	}
	/* At most so many additions, and a round after each. */
	looks *= count;
	for (i = 0; same < count && looks--; i = (i + 1) % count) {
		last = look(rings[i]);
		same = last == rings[i]->seen ? same + 1 : 1;
		rings[i]->seen = last;
	}
}

static uint64_t next_stamp(const struct bf_io_ring *ring)
{
	return ring->stamps[ring->first];
}

/* The ring whose next entry is the oldest; NULL: all is taken. */
static struct bf_io_ring *oldest(struct bf_io_ring *const *rings,
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

static void take(struct bf_io_ring *ring, bf_io_drain_fn fn, void *opaque)
{
	const struct kvm_coalesced_mmio entry =
		ring->shared->coalesced_mmio[ring->first];

	ring->first = next_index(ring, ring->first);
	/* Release: the entry has been read; see put(). */
	__atomic_store_n(&ring->shared->first, ring->first, __ATOMIC_RELEASE);
	fn(opaque, &entry);
}

/* After the fence behind the last store of first: see must_wake(). */
static void wake_for_the_rest(struct bf_io_ring *ring)
{
	uint32_t used = used_between(ring, ring->first, look(ring));

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

	see_all(rings, count);
	for (; (ring = oldest(rings, count)); taken++)
		take(ring, fn, opaque);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < count; i++)
		wake_for_the_rest(rings[i]);
	return taken;
}
