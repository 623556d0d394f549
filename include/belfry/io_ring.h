/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_ring.h - rings of coalesced writes.
 *
 * A coalesced zone (bf_io_add_zone()) puts writes in a ring instead of calling
 * a handler: the guest goes on at once, and a consumer takes them out when it
 * suits it.  The ring lies in shared memory and has the layout of the kernel's
 * (struct kvm_coalesced_mmio_ring in <linux/kvm.h>), so that code written for
 * that can read it, in another process too.  Unlike the kernel, which has one
 * ring a VM and no wake-up, there may be any number, and an eventfd tells the
 * consumer when to look.
 *
 * Entries: phys_addr is the address, len its bytes, data the bytes as the
 * guest wrote them; pio is the space's number, 0 for BF_IO_MMIO and 1 for
 * BF_IO_PIO as in the kernel.
 *
 * Order: writes of one vCPU are in the ring in the order in which it made them.
 * Across several rings of a bus, bf_io_ring_drain() keeps that order; a
 * consumer of its own takes one ring at a time.  A handler that has to see what
 * was written before an access drains first.
 *
 * Rules: Documentation/virt/kvm/api.rst, 4.116; virt/kvm/coalesced_mmio.c.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: any function from any thread; a ring is drained by one thread
 * at a time.
 * Contexts: nothing here is async-signal-safe.
 * fork: the memory is shared with the child, which may drain it but must not
 * write to the zone.
 */
#ifndef BELFRY_IO_RING_H
#define BELFRY_IO_RING_H

#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#include <belfry/io_bus.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** When the consumer is woken. */
enum bf_io_ring_wake {
	BF_IO_WAKE_NEVER,    /* it looks by itself; the eventfd is ignored */
	BF_IO_WAKE_NONEMPTY, /* when an entry comes into an empty ring */
	BF_IO_WAKE_HALF,     /* when the ring becomes half full */
};

/** A ring to make.  All zero: the kernel's size, nobody is woken. */
struct bf_io_ring_desc {
	uint32_t entries; /* at least so many fit in at once; at most 2^20;
			     0: as many as the kernel's page holds */
	enum bf_io_ring_wake wake;
	int eventfd; /* += 1 to wake; duplicated */
};

/**
 * bf_io_ring_create - make a ring
 * @ringp: where it goes; untouched on error
 * @desc: what; NULL means all zero
 *
 * Returns 0; -EINVAL: too many entries, an unknown wake, no eventfd; -EBADF:
 * the eventfd is not open; -ENOMEM, -EMFILE, -ENFILE.  Does not block.
 */
int bf_io_ring_create(struct bf_io_ring **ringp,
		      const struct bf_io_ring_desc *desc);

/**
 * bf_io_ring_destroy - free a ring
 * @ring: NULL does nothing
 *
 * Returns 0, or -EBUSY with nothing changed: a zone of a bus still has it, or
 * the removal of one is not complete.
 */
int bf_io_ring_destroy(struct bf_io_ring *ring);

/**
 * bf_io_ring_memory - the ring itself
 * @ring: the ring
 * @entries: how many coalesced_mmio[] has; one of them always stays free; may
 *           be NULL
 *
 * Returns the ring, which lives as long as @ring.  A consumer takes entries
 * from first on, up to last, and then stores the new first with release order;
 * before it sleeps on the eventfd it must have a full fence between that store
 * and a last look at last, as bf_io_ring_drain() has, or it may miss a wake-up.
 * Whatever a consumer stores in it, the bus stays sound: an index out of range
 * makes the ring full.
 */
struct kvm_coalesced_mmio_ring *bf_io_ring_memory(struct bf_io_ring *ring,
						  uint32_t *entries);

/**
 * bf_io_ring_fd - a file descriptor of the ring's memory
 * @ring: the ring
 * @size: its size in bytes; may be NULL
 *
 * For mmap() in another process; stays the ring's.  Never blocks.
 */
int bf_io_ring_fd(const struct bf_io_ring *ring, size_t *size);

/** Takes one entry; it may make accesses, and change the bus. */
typedef void (*bf_io_drain_fn)(void *opaque,
			       const struct kvm_coalesced_mmio *entry);

/**
 * bf_io_ring_drain - take out what is in rings, in the order of the writes
 * @rings: the rings, each once
 * @count: how many
 * @fn: called for each entry; not for another drain of the same rings
 * @opaque: for @fn
 *
 * Takes out what is in all of them at one time, so that it ends whatever
 * guests do; where more than its wake allows has come meanwhile, the eventfd of
 * the ring is signalled.  Of two writes that one thread made, the earlier comes
 * first, whichever rings they went to.
 * Returns how many entries it took.  Does not block.
 */
size_t bf_io_ring_drain(struct bf_io_ring *const *rings, unsigned int count,
			bf_io_drain_fn fn, void *opaque);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_RING_H */
