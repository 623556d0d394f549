/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_bus.h - who answers an access: doorbells and device ranges.
 *
 * A bus takes accesses (space, address, length, direction, data) and offers
 * each, in this order, to
 *
 * 1. doorbells: writes only; exact address; length equal, or registered as 0
 *    for any; any data, or one value (datamatch);
 * 2. device ranges: whole containment; ranges of one space are disjoint.
 *
 * Accesses are answered under SRCU (belfry/srcu.h): they take no lock, never
 * wait for a thread that changes the bus, and handlers may sleep.  Changing
 * the bus never waits for handlers, except bf_io_remove_range().
 *
 * The rules for doorbells, and their errno, are those of KVM_IOEVENTFD
 * (Documentation/virt/kvm/api.rst, 4.59; virt/kvm/eventfd.c).  Where KVM's
 * search loses devices once ranges nest, this one is exact.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: every function may be called from any thread at any time,
 * unless it says otherwise; a bus may not be used during its destruction.
 * Contexts: nothing here is async-signal-safe, with one exception: an access
 * (bf_io_access()) may be made from the handler of a fault that the access
 * itself raised.
 * fork: a child may not use its parent's buses.
 */
#ifndef BELFRY_IO_BUS_H
#define BELFRY_IO_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct bf_io_bus;
struct bf_io_doorbell;
struct bf_io_range;

/** Address spaces of a bus; their addresses have nothing in common. */
enum bf_io_space {
	BF_IO_MMIO,
	BF_IO_PIO,
	BF_IO_CCW, /* notifications of virtio-ccw: address is the subchannel */
	BF_IO_SPACES
};

/** One access. */
struct bf_io_access {
	uint64_t addr;
	void *data;	/* len bytes, in host byte order, any alignment */
	uint32_t len;	/* bytes, 1 to 8 */
	uint16_t space; /* enum bf_io_space */
	bool write;	/* else a read: data is filled in */
};

/**
 * Handlers of a device range.  Called with no lock held, by as many threads
 * at once as make accesses, inside a read-side critical section of the bus:
 * they may sleep, make accesses, register, and remove doorbells;
 * bf_io_remove_range() on their own bus answers -EDEADLK.
 *
 * @opaque is the range's; @offset counts from its base.  Return 0 when done;
 * anything else means "not mine", and the access is answered -EOPNOTSUPP.
 * A handler that is absent (NULL) is "not mine".
 */
struct bf_io_ops {
	int (*read)(void *opaque, uint64_t offset, void *data, uint32_t len);
	int (*write)(void *opaque, uint64_t offset, const void *data,
		     uint32_t len);
};

/** A doorbell to add. */
struct bf_io_doorbell_desc {
	uint64_t addr;
	uint64_t datamatch; /* all 64 bits are compared with the data, which
			       is zero-extended */
	uint32_t len;	    /* 0 (any length), 1, 2, 4 or 8 */
	uint16_t space;	    /* enum bf_io_space */
	bool wildcard;	    /* any data: datamatch is ignored */
	int eventfd;	    /* += 1 at each hit; duplicated by the bus */
	void *opaque;	    /* the caller's, see bf_io_doorbell_opaque() */
};

/** A device range to add. */
struct bf_io_range_desc {
	uint64_t addr;
	uint64_t size; /* bytes, not 0; addr + size may be 2^64 */
	uint16_t space;
	const char *name; /* for errors; at most 31 characters are kept;
			     NULL: "" */
	const struct bf_io_ops *ops; /* must outlive the range */
	void *opaque;
};

/** What an entry of a bus is. */
enum bf_io_kind {
	BF_IO_NONE,
	BF_IO_DOORBELL,
	BF_IO_RANGE,
};

/** One party of a conflict. */
struct bf_io_party {
	enum bf_io_kind kind;
	uint16_t space;
	bool wildcard;
	uint64_t addr;
	uint64_t size; /* a doorbell's length */
	uint64_t datamatch;
	char name[32];
};

/** Who stood in whose way; filled in when an addition answers -EEXIST. */
struct bf_io_conflict {
	struct bf_io_party wanted;
	struct bf_io_party existing;
};

/**
 * bf_io_bus_create - make an empty bus
 * @busp: where it goes; untouched on error
 * @name: for reports; at most 31 characters are kept; NULL: ""
 *
 * Returns 0 or -ENOMEM.  Does not block.
 */
int bf_io_bus_create(struct bf_io_bus **busp, const char *name);

/**
 * bf_io_bus_destroy - free a bus and all that is registered on it
 * @bus: no call on it is under way in any thread; NULL does nothing
 *
 * May sleep until deferred frees of this bus are done.  Handlers are not
 * called again.  Not from a handler of the same bus.
 */
void bf_io_bus_destroy(struct bf_io_bus *bus);

/**
 * bf_io_access - answer one access
 * @bus: the bus
 * @access: what; a read's data is written only when the answer is 0
 *
 * Returns 0 when a doorbell or a handler took it, -EOPNOTSUPP when nobody
 * did, -EINVAL for a length of 0 or above 8 or an unknown space.  Whatever
 * address and data a guest chooses, nothing else happens.
 *
 * Takes no lock, allocates nothing, waits for no other thread; sleeps only
 * where a handler does.  errno is kept.  An access by anyone who learned of a
 * registration's return, by whatever means, sees that registration.
 */
int bf_io_access(struct bf_io_bus *bus, const struct bf_io_access *access);

/**
 * bf_io_add_doorbell - register a doorbell
 * @bus: the bus
 * @desc: what; copied
 * @doorbellp: where its handle goes; may be NULL when it stays for good
 * @conflict: filled in on -EEXIST; may be NULL
 *
 * Checks in KVM's order, and nothing changes on error:
 *   -EINVAL  length not 0, 1, 2, 4 or 8; addr + len wraps; unknown space;
 *            datamatch with length 0
 *   -EBADF   the eventfd is not open
 *   -EINVAL  it is no eventfd
 *   -ENOMEM, -EMFILE  out of memory or file descriptors
 *   -EEXIST  same space and address, and: one of the two has length 0, or
 *            lengths are equal and one is a wildcard or the values are equal
 * Returns 0.  Waits for no grace period; constant time whatever else the bus
 * holds.  May be called from a handler.
 */
int bf_io_add_doorbell(struct bf_io_bus *bus,
		       const struct bf_io_doorbell_desc *desc,
		       struct bf_io_doorbell **doorbellp,
		       struct bf_io_conflict *conflict);

/**
 * bf_io_find_doorbell - find a doorbell as KVM_IOEVENTFD's deassign does
 * @bus: the bus
 * @desc: same space, address, length, wildcard and (unless wildcard)
 *        datamatch, and an eventfd that is the same object, duplicated fd
 *        numbers included
 * @doorbellp: where the handle goes
 *
 * Returns 0, -ENOENT, or -EBADF / -EINVAL where @desc->eventfd is not open or
 * no eventfd.  The handle is the caller's to use only while nobody else can
 * remove the doorbell.  May be called from a handler.
 */
int bf_io_find_doorbell(struct bf_io_bus *bus,
			const struct bf_io_doorbell_desc *desc,
			struct bf_io_doorbell **doorbellp);

/**
 * bf_io_remove_doorbell - remove a doorbell
 * @bus: the bus
 * @doorbell: its handle, gone when this returns
 *
 * When it returned, the doorbell signals no more and the bus's duplicate of
 * the eventfd is closed.  Waits for signals under way (an expedited grace
 * period of microseconds), never for handlers, so it may be called from a
 * handler of the same bus.  Cannot fail: nothing is allocated.
 */
void bf_io_remove_doorbell(struct bf_io_bus *bus,
			   struct bf_io_doorbell *doorbell);

/**
 * bf_io_doorbell_opaque - what the doorbell was registered with
 * @doorbell: the doorbell
 *
 * Returns the descriptor's @opaque.  Never blocks.
 */
void *bf_io_doorbell_opaque(const struct bf_io_doorbell *doorbell);

/**
 * bf_io_doorbell_rings - how often the doorbell was rung on this bus
 * @doorbell: the doorbell
 *
 * Never blocks.
 */
uint64_t bf_io_doorbell_rings(const struct bf_io_doorbell *doorbell);

/**
 * bf_io_add_range - register a device range
 * @bus: the bus
 * @desc: what; copied, but for @desc->ops and @desc->opaque
 * @rangep: where its handle goes; may be NULL when it stays for good
 * @conflict: filled in on -EEXIST; may be NULL
 *
 *   -EINVAL  size 0, the range wraps, unknown space, no ops
 *   -EEXIST  overlaps another range of the space
 *   -ENOMEM
 * Returns 0.  Waits for no grace period.  May be called from a handler.
 */
int bf_io_add_range(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		    struct bf_io_range **rangep,
		    struct bf_io_conflict *conflict);

/**
 * bf_io_remove_range - remove a device range
 * @bus: the bus
 * @range: its handle, which is gone when this returns 0
 *
 * When it returned, no handler of the range runs or will run: what @opaque
 * points to may be freed.  Waits for accesses under way (an expedited grace
 * period of this bus alone).
 * Returns 0 or -EDEADLK: called from a handler of the same bus; nothing
 * changed.  It cannot fail otherwise: nothing is allocated.
 */
int bf_io_remove_range(struct bf_io_bus *bus, struct bf_io_range *range);

/**
 * bf_io_conflict_format - a conflict in words
 * @conflict: as filled in by an addition
 * @buf, @size: where the text goes; cut off and terminated as by snprintf()
 *
 * For example: "range serial mmio [0x1000, 0x10ff] collides with range uart
 * mmio [0x10f8, 0x11ff]".  Returns the length of the whole text.
 */
int bf_io_conflict_format(const struct bf_io_conflict *conflict, char *buf,
			  size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_BUS_H */
