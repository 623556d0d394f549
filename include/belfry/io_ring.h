/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_ring.h - rings of coalesced writes
 *
 * A coalesced zone (bf_io_add_zone()) puts writes in a ring instead of calling
 * a handler: the guest goes on at once, and a consumer takes the entries out
 * later.  The ring lies in shared memory and has the kernel's layout (struct
 * kvm_coalesced_mmio_ring in <linux/kvm.h>), so that code for the kernel's ring
 * can read it, in another process too.  The kernel has one ring for each VM and
 * wakes no consumer; here there may be any number, and an eventfd wakes the
 * consumer.
 *
 * The rules are those of Documentation/virt/kvm/api.rst, 4.116, and of
 * virt/kvm/coalesced_mmio.c.
 *
 * Entries: phys_addr is the address, len the length in bytes, data the bytes
 * of the write; pio is the number of the space, which is 0 for BF_IO_MMIO and
 * 1 for BF_IO_PIO as in the kernel.
 *
 * Order: a ring has the writes of one vCPU in their order.  bf_io_ring_drain()
 * keeps that order across several rings of a bus; a consumer of its own takes
 * one ring at a time.  A handler that depends on writes before its access
 * drains the rings first.
 *
 * Thread safety: all that belfry/io_bus.h says of functions holds here, and one
 * thread at a time drains a ring.
 * fork(): the child shares the memory.  It may drain the ring, and must not
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

/** When the ring wakes its consumer. */
enum bf_io_ring_wake {
	BF_IO_WAKE_NEVER,    /* the consumer polls; the eventfd is ignored */
	BF_IO_WAKE_NONEMPTY, /* when an empty ring gets an entry */
	BF_IO_WAKE_HALF,     /* when the ring becomes half full */
};

/** A ring to create.  All zero: the kernel's size, no wake-up. */
struct bf_io_ring_desc {
	uint32_t entries; /* that the ring holds at least; at most 2^20; 0: as
			     many as the kernel's page has */
	enum bf_io_ring_wake wake;
	int eventfd;	      /* += 1 to wake; the ring keeps a duplicate */
	uint64_t reserved[4]; /* 0 */
};

/**
 * bf_io_ring_create - create a ring
 * @desc: the description; NULL: all zero
 * @ringp: set to the ring
 *
 * Return: 0; -EINVAL: too many entries, unknown wake, or the descriptor is not
 * an eventfd; -EBADF: the eventfd is not open; -ENOMEM, -EMFILE, -ENFILE: out
 * of memory or of descriptors.
 */
int bf_io_ring_create(const struct bf_io_ring_desc *desc,
		      struct bf_io_ring **ringp);

/**
 * bf_io_ring_destroy - free a ring
 * @ring: the ring; NULL does nothing
 *
 * Return: 0, or -EBUSY: a zone of a bus or of a transaction has the ring, or
 * the removal of such a zone is not complete.
 */
int bf_io_ring_destroy(struct bf_io_ring *ring);

/**
 * bf_io_ring_memory - the shared memory of a ring
 * @ring: the ring
 * @entries: set to the number of elements of coalesced_mmio[], one of which
 *           always stays free; may be NULL
 *
 * Return: the kernel's structure, which lives as long as @ring.  A consumer
 * takes the entries from first up to last, and then stores the new first with
 * release order.  Before it sleeps on the eventfd it must execute a full fence
 * after that store and load last once more, as bf_io_ring_drain() does.
 * Without the fence it may miss a wake-up.
 *
 * The bus does not trust the memory: an index out of range makes the ring full.
 */
struct kvm_coalesced_mmio_ring *bf_io_ring_memory(struct bf_io_ring *ring,
						  uint32_t *entries);

/**
 * bf_io_ring_fd - the file descriptor of a ring's memory
 * @ring: the ring
 * @size: set to the size of the memory, in bytes; may be NULL
 *
 * Return: a descriptor for mmap() in another process, which belongs to the
 * ring.
 */
int bf_io_ring_fd(const struct bf_io_ring *ring, size_t *size);

/** Takes one entry; may dispatch accesses and change the bus. */
typedef void (*bf_io_drain_fn)(void *opaque,
			       const struct kvm_coalesced_mmio *entry);

/**
 * bf_io_ring_drain - take the entries out of rings, in the order of the writes
 * @rings: the rings, each once
 * @count: the number of rings
 * @fn: called for each entry; must not drain the same rings
 * @opaque: passed to @fn
 *
 * Takes the entries that all rings have at one instant, so that it ends
 * although guests go on to write.  If a ring then has more entries than its
 * wake allows, the eventfd is signalled.  Of two writes of one thread the
 * earlier comes first, whichever rings they went to.
 *
 * Return: the number of entries that it took.
 */
size_t bf_io_ring_drain(struct bf_io_ring *const *rings, unsigned int count,
			bf_io_drain_fn fn, void *opaque);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_RING_H */
