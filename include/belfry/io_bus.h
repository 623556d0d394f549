/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_bus.h - who answers an access: doorbells, coalesced zones, ranges.
 *
 * A bus takes accesses (space, address, length, direction, data) and offers
 * each, in this order, to
 *
 * 1. doorbells: writes only; exact address; length equal, or registered as 0
 *    for any; any data, or one value (datamatch);
 * 2. coalesced zones: writes only; whole containment; the write is put in a
 *    ring (belfry/io_ring.h) if there is room;
 * 3. device ranges: whole containment.
 *
 * Zones of one space are disjoint, and so are ranges.
 *
 * Accesses are answered under SRCU (belfry/srcu.h): they take no lock, never
 * wait for a thread that changes the bus, and handlers may sleep.  Each access
 * sees one state of the bus from its beginning to its end, all its parts; a
 * change is seen whole or not at all.  (Two removals an access under way may
 * see between its parts: bf_io_remove_doorbell(), which does not wait for it,
 * and any for which there is no memory left.)
 *
 * Changing the bus never waits for accesses, except where a removal is asked
 * to.  Several changes at once, all or nothing: belfry/io_txn.h.  A change
 * takes time and memory with the logarithm of what the bus holds; a removal
 * cannot fail.
 *
 * The rules for doorbells, and their errno, are those of KVM_IOEVENTFD
 * (Documentation/virt/kvm/api.rst, 4.59; virt/kvm/eventfd.c).  Where KVM's
 * search loses devices once ranges nest, this one is exact.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: every function may be called from any thread at any time,
 * unless it says otherwise; a bus may not be used during its destruction.
 * Handles (struct bf_io_range and so on) are the caller's to use until it
 * removes what they stand for; two threads must not remove the same one.
 * Contexts: nothing here is async-signal-safe, with one exception: an access
 * (bf_io_access() and its like) may be made from the handler of a fault that
 * the access itself raised.
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
struct bf_io_ring;
struct bf_io_zone;

/** Address spaces of a bus; their addresses have nothing in common. */
enum bf_io_space {
	BF_IO_MMIO,
	BF_IO_PIO,
	BF_IO_CCW, /* notifications of virtio-ccw: address is the subchannel */
	BF_IO_SPACE_FREE,  /* this and higher ones are the caller's */
	BF_IO_SPACES = 16, /* how many there are */
};

/** The longest access that is answered in one part: bytes. */
#define BF_IO_MAX_LEN 8

/** One access. */
struct bf_io_access {
	uint64_t addr;
	void *data;	/* len bytes, in host byte order, any alignment */
	uint32_t len;	/* bytes, 1 to BF_IO_MAX_LEN unless said otherwise */
	uint16_t space; /* enum bf_io_space */
	bool write;	/* else a read: data is filled in */
};

/**
 * Handlers of a device range.  Called with no lock held, by as many threads
 * at once as make accesses, inside a read-side critical section of the bus:
 * they may sleep, make accesses, register, move, commit transactions and
 * remove asynchronously; what waits for accesses under way, such as
 * bf_io_remove_range(), answers -EDEADLK there.
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

/**
 * Consumer of a doorbell that wants to know what was written.  Called like a
 * handler, by the thread that makes the access; @value is the data
 * zero-extended, the first 8 bytes of it.  Doorbells of the same bus must not
 * be removed from here but asynchronously (-EDEADLK).
 */
typedef void (*bf_io_ring_fn)(void *opaque, uint64_t addr, uint32_t len,
			      uint64_t value);

/** Called once, when what it was given to is over; see each use. */
typedef void (*bf_io_done_fn)(void *opaque);

/** A doorbell to add. */
struct bf_io_doorbell_desc {
	uint64_t addr;
	uint64_t datamatch; /* all 64 bits are compared with the data, which
			       is zero-extended */
	uint32_t len;	    /* 0 (any length), 1, 2, 4 or 8 */
	uint16_t space;	    /* enum bf_io_space */
	bool wildcard;	    /* any data: datamatch is ignored */
	bool counted;	    /* bf_io_doorbell_rings() tells its rings, which
			       costs each an atomic addition */
	int eventfd;	    /* += 1 at each hit; the bus keeps a duplicate, as
			       a rule one for all doorbells of this number.
			       Ignored where there is @ring */
	bf_io_ring_fn ring; /* called at each hit, with @opaque; NULL: eventfd */
	void *opaque;	    /* the caller's, see bf_io_doorbell_opaque() */
};

/** A device range to add. */
struct bf_io_range_desc {
	uint64_t addr;
	uint64_t size; /* bytes, not 0; addr + size may be 2^64 */
	uint16_t space;
	const char *name; /* for errors and the map; at most 31 characters
			     are kept; NULL: "" */
	const struct bf_io_ops *ops; /* must outlive the range */
	void *opaque;
};

/** A coalesced zone to add. */
struct bf_io_zone_desc {
	uint64_t addr;
	uint64_t size; /* bytes, not 0; addr + size may be 2^64 */
	uint16_t space;
	const char *name;	 /* as a range's */
	struct bf_io_ring *ring; /* where its writes go; must outlive it */
};

/** What an entry of a bus is. */
enum bf_io_kind {
	BF_IO_NONE,
	BF_IO_DOORBELL,
	BF_IO_RANGE,
	BF_IO_ZONE,
};

/** One party of a conflict. */
struct bf_io_party {
	enum bf_io_kind kind;
	uint16_t space;
	bool wildcard;
	uint64_t addr;
	uint64_t size; /* a doorbell's length; a range of 2^64 has 0 */
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
 * Completes removals that are not yet, whose functions it calls or waits for.
 * Handlers are not called again.  Not from a handler of the same bus.
 */
void bf_io_bus_destroy(struct bf_io_bus *bus);

/**
 * bf_io_access - answer one access
 * @bus: the bus
 * @access: what; a read's data is the answer when that is 0, and otherwise
 *          what a handler that refused left there
 *
 * Returns 0 when a doorbell, a zone or a handler took it, -EOPNOTSUPP when
 * nobody did, -EINVAL for a length of 0 or above BF_IO_MAX_LEN or an unknown
 * space.  Whatever address and data a guest chooses, nothing else happens.
 * One that would reach beyond the end of the space is nobody's, but for a
 * doorbell of length 0 at its address.
 *
 * Takes no lock (a zone's ring has one of its own), waits for no other thread;
 * sleeps only where a handler does.  Allocates nothing but the counters of a
 * thread that uses an entry for the first time while counting is on
 * (belfry/io_stats.h); without memory the use is not counted.  errno is kept.
 *
 * An access by a thread that learned of a registration's return, by whatever
 * means, sees that registration.
 */
int bf_io_access(struct bf_io_bus *bus, const struct bf_io_access *access);

/**
 * bf_io_access_long - answer an access of any length
 * @bus: the bus
 * @access: what; len is at least 1, in bytes
 * @done: bytes that were taken, from the first one on, are added to it
 *
 * Offers it as KVM does: in parts of 8 bytes from the start, and a shorter one
 * at the end, up to the first part that nobody takes.  All parts see one state
 * of the bus.  Addresses that pass the end of the space belong to nobody.
 *
 * Returns 0 when every part was taken, -EOPNOTSUPP when not (see @done),
 * -EINVAL for a length of 0 or an unknown space.  Otherwise as bf_io_access().
 */
int bf_io_access_long(struct bf_io_bus *bus, const struct bf_io_access *access,
		      uint32_t *done);

/**
 * bf_io_access_string - answer the elements of a string operation
 * @bus: the bus
 * @access: the first element; the others follow in data, all at one address
 * @count: how many
 *
 * As KVM does for "rep outs" and "rep ins": the first element decides who gets
 * the string.  If nobody takes it the answer is -EOPNOTSUPP; otherwise it is 0
 * and a later write that nobody takes is dropped, a later read is zero.  All
 * elements see one state of the bus.  -EOPNOTSUPP where count is 0.
 * Otherwise as bf_io_access().
 */
int bf_io_access_string(struct bf_io_bus *bus,
			const struct bf_io_access *access, uint32_t count);

/**
 * bf_io_synchronize - wait for the accesses under way
 * @bus: the bus
 *
 * What was removed, moved or changed before is seen by no access any more, and
 * no handler runs that it concerns.  Sleeps: an expedited grace period of this
 * bus alone.  Returns 0 or -EDEADLK, in a handler or consumer of the same bus.
 */
int bf_io_synchronize(struct bf_io_bus *bus);

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
 * Returns 0.  Waits for no grace period.  May be called from a handler.
 */
int bf_io_add_doorbell(struct bf_io_bus *bus,
		       const struct bf_io_doorbell_desc *desc,
		       struct bf_io_doorbell **doorbellp,
		       struct bf_io_conflict *conflict);

/**
 * bf_io_find_doorbell - find a doorbell as KVM_IOEVENTFD's deassign does
 * @bus: the bus
 * @desc: same space, address, length, wildcard and (unless wildcard)
 *        datamatch, and the same consumer: @ring and @opaque, or an eventfd
 *        that is the same object, duplicated fd numbers included
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
 * @doorbell: its handle, gone when this returns 0
 *
 * When it returned, the doorbell signals and calls no more.  Waits for
 * consumers under way (an expedited grace period of microseconds, unless one
 * of them sleeps), never for handlers, so it may be called from a handler of
 * the same bus.  Returns 0, or -EDEADLK with nothing changed: called from a
 * consumer (@ring) of the same bus.  Cannot fail otherwise.
 */
int bf_io_remove_doorbell(struct bf_io_bus *bus,
			  struct bf_io_doorbell *doorbell);

/**
 * bf_io_remove_doorbell_async - remove a doorbell without waiting
 * @bus: the bus
 * @doorbell: its handle, gone when this returns
 * @done: called when the doorbell signals and calls no more; may be NULL
 * @opaque: for @done
 *
 * Accesses that begin from now on do not see the doorbell.  @done is called
 * once, by the thread that runs SRCU callbacks (bf_srcu_drain() where that was
 * forbidden) or before this returns; it may do what a consumer may.  Cannot
 * fail.  May be called from a handler or a consumer.
 */
void bf_io_remove_doorbell_async(struct bf_io_bus *bus,
				 struct bf_io_doorbell *doorbell,
				 bf_io_done_fn done, void *opaque);

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
 * 0 for ever where its descriptor was not @counted.  Never blocks.
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
 * bf_io_move_range - give a device range another address
 * @bus: the bus
 * @range: its handle, which stays
 * @addr: its new base, in the same space
 * @conflict: filled in on -EEXIST; may be NULL
 *
 * Every access sees the range at the one place or at the other; one under way
 * may still be handled at the old one (bf_io_synchronize() waits for it).  The
 * new place may overlap the old one.  To move its doorbells too, at the same
 * instant: belfry/io_txn.h.
 *
 * Returns 0; -EINVAL: it would wrap; -EEXIST: it would overlap another range;
 * -ENOMEM.  Nothing changes on error.  Waits for no grace period.  May be
 * called from a handler.
 */
int bf_io_move_range(struct bf_io_bus *bus, struct bf_io_range *range,
		     uint64_t addr, struct bf_io_conflict *conflict);

/**
 * bf_io_remove_range - remove a device range
 * @bus: the bus
 * @range: its handle, which is gone when this returns 0
 *
 * When it returned, no handler of the range runs or will run: what @opaque
 * points to may be freed.  Waits for accesses under way (an expedited grace
 * period of this bus alone).
 * Returns 0 or -EDEADLK: called from a handler or consumer of the same bus;
 * nothing changed.  It cannot fail otherwise.
 */
int bf_io_remove_range(struct bf_io_bus *bus, struct bf_io_range *range);

/**
 * bf_io_remove_range_async - remove a device range without waiting
 * @bus: the bus
 * @range: its handle, gone when this returns
 * @done: called when no handler of the range runs any more; may be NULL
 * @opaque: for @done
 *
 * Accesses that begin from now on do not see the range.  @done is called once,
 * as for bf_io_remove_doorbell_async().  Cannot fail.  May be called from a
 * handler, its own included.
 */
void bf_io_remove_range_async(struct bf_io_bus *bus, struct bf_io_range *range,
			      bf_io_done_fn done, void *opaque);

/**
 * bf_io_add_zone - register a coalesced zone
 * @bus: the bus
 * @desc: what; copied, but for the ring
 * @zonep: where its handle goes; may be NULL when it stays for good
 * @conflict: filled in on -EEXIST; may be NULL
 *
 * A zone may lie over device ranges, which then get what it does not take:
 * reads, writes that are not wholly inside, and all writes while the ring is
 * full.
 *   -EINVAL  size 0, the zone wraps, unknown space, no ring
 *   -EEXIST  overlaps another zone of the space
 *   -ENOMEM
 * Returns 0.  Waits for no grace period.  May be called from a handler.
 */
int bf_io_add_zone(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		   struct bf_io_zone **zonep, struct bf_io_conflict *conflict);

/**
 * bf_io_remove_zone - remove a coalesced zone
 * bf_io_remove_zone_async - the same without waiting
 *
 * As for a range: when it is complete, no write of the zone is put in the ring
 * any more, and the ring may be destroyed once its last zone has gone.
 */
int bf_io_remove_zone(struct bf_io_bus *bus, struct bf_io_zone *zone);
void bf_io_remove_zone_async(struct bf_io_bus *bus, struct bf_io_zone *zone,
			     bf_io_done_fn done, void *opaque);

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
