/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_bus.h - dispatch of guest accesses to doorbells, zones and ranges
 *
 * A caller describes an access (space, address, length, direction, data) and
 * dispatches it.  The bus offers the access, in this order, to
 *
 * 1. doorbells: writes only; same address; same length, or the doorbell has
 *    length 0; same data, or the doorbell is a wildcard;
 * 2. coalesced zones: writes only; the access lies inside the zone; the bus
 *    puts the write in a ring (belfry/io_ring.h) if the ring has room;
 * 3. device ranges: the access lies inside the range; the bus calls a handler.
 *
 * Of several zones that contain a write, the first registered one takes it; if
 * its ring is full, the next one.  Of several ranges that contain an access,
 * the one with the highest priority takes it.
 *
 * Dispatch runs in a section of SRCU (belfry/srcu.h): it takes no lock, never
 * waits for a thread that changes the bus, and handlers may sleep.  An access
 * sees one state of the bus, all its parts included, and a change is seen
 * whole or not at all.  Two removals are exceptions, which an access under way
 * may see between its parts: bf_io_remove_doorbell(), and any removal that
 * gets no memory.
 *
 * Changes of the bus do not wait for accesses, except for the removals that
 * say so.  belfry/io_txn.h makes several changes at once, all or nothing.  A
 * change takes time and memory with the logarithm of the number of entries; of
 * the largest number that the space has had.  An access makes one search for
 * each priority of the ranges of its space, at most, and one for each zone that
 * lies under another one.
 *
 * Doorbells follow the rules and errno of KVM_IOEVENTFD
 * (Documentation/virt/kvm/api.rst, 4.59; virt/kvm/eventfd.c).  KVM's search may
 * miss an entry when entries nest; this one is exact.
 *
 * Thread safety: unless its description says otherwise, a function
 * - may be called from any thread at any time, from handlers and callbacks too;
 * - waits for no access; for another change of the bus at most;
 * - changes nothing, and sets nothing, if it returns an error;
 * - returns 0 if it succeeds.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Descriptions are copied.  They end in reserved words, which must be zero:
 * -EINVAL otherwise.
 * Lifetime: a bus must not be used during its destruction.  A handle (struct
 * bf_io_range and its like) is valid from the return of the addition until the
 * removal.  Two threads must not remove one handle.  A program that shares a
 * handle between threads guards it with a lock and calls the asynchronous
 * removal under that lock, or a second thread may use the handle after the
 * removal.
 * Contexts: no function is async-signal-safe, with one exception: the handler
 * of a fault may dispatch the access that raised the fault.
 * Coroutines: a handler may suspend its coroutine and resume in another thread.
 * -EDEADLK is then no longer returned to that handler, which must use the
 * asynchronous removals.
 * fork(): a child must not use its parent's buses.
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

/** Address spaces of a bus.  Their addresses are unrelated. */
enum bf_io_space {
	BF_IO_MMIO,
	BF_IO_PIO,
	BF_IO_CCW, /* notifications of virtio-ccw; address: the subchannel */
	BF_IO_SPACE_FREE,  /* the first of the caller's own spaces */
	BF_IO_SPACES = 16, /* the number of spaces */
};

/** Kinds of entries. */
enum bf_io_kind {
	BF_IO_NONE,
	BF_IO_DOORBELL,
	BF_IO_RANGE,
	BF_IO_ZONE,
};

/** The longest access that is dispatched in one part, in bytes. */
#define BF_IO_MAX_LEN 8

/** The priorities of ranges. */
#define BF_IO_PRIORITY_MIN (-8)
#define BF_IO_PRIORITY_MAX 7

/** One access. */
struct bf_io_access {
	uint64_t addr;
	void *data;	  /* len bytes, in host byte order, any alignment */
	uint32_t len;	  /* in bytes; 1 to BF_IO_MAX_LEN, or more for
			     bf_io_dispatch_long() */
	uint16_t space;	  /* enum bf_io_space */
	bool write;	  /* false: a read, which fills data */
	uint8_t taken_by; /* enum bf_io_kind; dispatch sets it to the kind of
			     the entry that took the access (of a long one the
			     first part, of a string the first element);
			     BF_IO_NONE: no entry did */
	void *source;	  /* passed to handlers and callbacks as it is, for
			     example the vCPU or the device */
};

/**
 * Handlers of a device range.
 *
 * @opaque is the range's; @offset counts from the base of the range; @access is
 * the part that is dispatched, with its address, data and source.
 *
 * Any number of threads may be in a handler at once, with no lock held.  A
 * handler runs inside a section of the bus, so the range stays valid, and with
 * it the memory behind @opaque, until the handler returns.  A handler may
 * sleep, dispatch, add, move, commit transactions and remove asynchronously.
 * Functions that wait for accesses, such as bf_io_remove_range(), return
 * -EDEADLK there.
 *
 * A handler must return: a C++ exception, longjmp() or the end of the thread,
 * by pthread_cancel() for example, would leave the section open for ever, and
 * removals would wait for ever.
 *
 * A handler returns 0 when it has handled the access.  It returns -EOPNOTSUPP
 * when the access is not the device's: the range with the next lower priority
 * that contains the access gets it, as if this one were not there.
 * Every other negative errno is the device's own failure, which dispatch
 * returns.  A positive value counts as -EOPNOTSUPP.  A handler that is NULL
 * returns -EOPNOTSUPP.
 */
struct bf_io_ops {
	int (*read)(void *opaque, uint64_t offset,
		    const struct bf_io_access *access);
	int (*write)(void *opaque, uint64_t offset,
		     const struct bf_io_access *access);
};

/**
 * Callback of a doorbell.  The thread that dispatches the write calls it, as it
 * calls a handler.  @value is the data, zero-extended; of longer data the first
 * 8 bytes.  A callback must remove doorbells of the same bus asynchronously
 * (-EDEADLK otherwise).
 */
typedef void (*bf_io_doorbell_fn)(void *opaque, uint64_t value,
				  const struct bf_io_access *access);

/** Called once when a removal is complete; see each use. */
typedef void (*bf_io_done_fn)(void *opaque);

/** Kinds of consumers of a doorbell. */
enum bf_io_consumer {
	BF_IO_CONSUMER_NONE, /* not valid in a description */
	BF_IO_CONSUMER_EVENTFD,
	BF_IO_CONSUMER_CALLBACK,
};

/** A doorbell to add. */
struct bf_io_doorbell_desc {
	uint64_t addr;
	uint64_t datamatch; /* all 64 bits are compared with the data, which
			       is zero-extended */
	uint32_t len;	    /* in bytes: 1, 2, 4, 8; 0: any length */
	uint16_t space;	    /* enum bf_io_space */
	bool wildcard;	    /* any data matches; datamatch is ignored */
	bool counted;	    /* count signals for bf_io_doorbell_signals(),
			       which costs each an atomic addition */
	enum bf_io_consumer consumer;
	int eventfd; /* of BF_IO_CONSUMER_EVENTFD: each matching write adds 1,
			as the kernel does: to a full counter nothing, without
			waiting.  The bus keeps a duplicate; doorbells of one
			descriptor mostly share it */
	bf_io_doorbell_fn callback; /* of BF_IO_CONSUMER_CALLBACK: each
				       matching write calls it, with @opaque */
	void *opaque;		    /* see bf_io_doorbell_opaque() */
	uint64_t reserved[4];	    /* 0 */
};

/** A device range to add. */
struct bf_io_range_desc {
	uint64_t addr;
	uint64_t size; /* in bytes, not 0; addr + size may be 2^64 */
	uint16_t space;
	const char *name;	     /* for errors and the map; the bus keeps 31
					characters; NULL: "" */
	const struct bf_io_ops *ops; /* copied */
	void *opaque;		     /* passed to the handlers */
	int64_t priority;     /* BF_IO_PRIORITY_MIN to BF_IO_PRIORITY_MAX;
				 see bf_io_add_range() */
	uint64_t reserved[3]; /* 0 */
};

/** A coalesced zone to add. */
struct bf_io_zone_desc {
	uint64_t addr;
	uint64_t size; /* in bytes, not 0; addr + size may be 2^64 */
	uint16_t space;
	const char *name;	 /* as of a range */
	struct bf_io_ring *ring; /* takes the writes; must outlive the zone */
	uint64_t reserved[4];	 /* 0 */
};

/** One of the two entries of a conflict. */
struct bf_io_party {
	enum bf_io_kind kind;
	uint16_t space;
	bool wildcard;
	uint64_t addr;
	uint64_t size; /* of a doorbell: its length; 0: a range of 2^64 bytes */
	uint64_t datamatch;
	char name[32];
};

/** The two entries that collide; set by an addition that returns -EEXIST. */
struct bf_io_conflict {
	struct bf_io_party wanted;
	struct bf_io_party existing;
};

/** A section of a bus; see bf_io_section_begin(). */
struct bf_io_section {
	/* private: */
	uint64_t words[6];
};

/**
 * bf_io_bus_create - create an empty bus
 * @name: for reports; the bus keeps 31 characters; NULL: ""
 * @busp: set to the bus
 *
 * Return: 0 or -ENOMEM.
 */
int bf_io_bus_create(const char *name, struct bf_io_bus **busp);

/**
 * bf_io_bus_destroy - free a bus and all its entries
 * @bus: a bus that no thread uses; NULL does nothing
 *
 * Waits until all pending removals are complete; their functions are called.
 * Where a section was left open, by a handler that did not return for example,
 * it waits for ever, and SRCU reports a stall.
 * Handlers are not called again.  Must not be called from a handler or a
 * callback of the same bus.
 */
void bf_io_bus_destroy(struct bf_io_bus *bus);

/**
 * bf_io_dispatch - dispatch one access
 * @bus: the bus
 * @access: the access; dispatch sets taken_by.  The data of a read is valid if
 *          this returns 0
 *
 * Return: 0 when an entry took the access;
 *   -EOPNOTSUPP  no entry took it
 *   -EINVAL  the length is 0 or above BF_IO_MAX_LEN, or the space is unknown
 *   ...      a handler's own failure, with taken_by BF_IO_RANGE
 *
 * Any address and any data are safe.  No zone and no range takes an access that
 * reaches beyond the end of the space; a doorbell of length 0 takes it.
 *
 * An access of a thread that learned of a registration's return, by whatever
 * means, sees that registration.
 *
 * Takes no lock except that of a zone's ring, and waits for no other thread;
 * sleeps only where a handler or callback does.  Keeps errno.  Allocates
 * nothing except counters, when an entry is first used while counting is on
 * (belfry/io_stats.h); without memory the use is not counted.  The first
 * access of a thread puts the thread on a list, under a lock.
 */
int bf_io_dispatch(struct bf_io_bus *bus, struct bf_io_access *access);

/**
 * bf_io_dispatch_long - dispatch an access of any length
 * @bus: the bus
 * @access: the access; len is at least 1, in bytes
 * @done: set to the number of bytes that were taken, from the first one on
 *
 * Dispatches as KVM does: parts of 8 bytes from the start and a shorter one at
 * the end, up to the first part that is not taken.  All parts see one state of
 * the bus.  No entry takes a part that begins beyond the end of the space.
 *
 * Return: 0 when every part was taken; otherwise the answer to the first part
 * that was not, as bf_io_dispatch() returns it.  -EINVAL for a length of 0 or
 * an unknown space.
 */
int bf_io_dispatch_long(struct bf_io_bus *bus, struct bf_io_access *access,
			uint32_t *done);

/**
 * bf_io_dispatch_string - dispatch the elements of a string operation
 * @bus: the bus
 * @access: the first element; the others follow in data, at the same address
 * @count: the number of elements
 *
 * As KVM does for "rep outs" and "rep ins": the first element decides.  If it
 * is not taken, the function returns its answer.  If it is, the function
 * returns 0; a later write that is not taken is dropped, and a later read that
 * is not taken returns zeroes.  All elements see one state of the bus.
 *
 * Return: as bf_io_dispatch(), and -EOPNOTSUPP when @count is 0.
 */
int bf_io_dispatch_string(struct bf_io_bus *bus, struct bf_io_access *access,
			  uint32_t count);

/**
 * bf_io_synchronize - wait for all accesses under way
 * @bus: the bus
 *
 * When this returns 0, no access sees an entry that was removed or moved
 * before, and no handler runs for it.  Sleeps for an expedited grace period of
 * this bus, that is, until the last access has left that began before; see
 * bf_io_remove_range() for how long that takes.
 *
 * Return: 0, or -EDEADLK inside a handler, a callback or a section of this bus.
 */
int bf_io_synchronize(struct bf_io_bus *bus);

/**
 * bf_io_section_begin - begin a section of a bus
 * bf_io_section_end - end it
 * @bus: the bus
 * @section: set by the first, passed to the second; the caller's memory
 *
 * A handle that bf_io_find_doorbell() or bf_io_find_range() returns inside the
 * section is valid until the section ends, even if another thread removes the
 * entry: removals wait for the section as for an access.  A handler and a
 * callback are in a section of their bus already.
 *
 * Sections nest, may sleep, and may end in another thread.
 */
void bf_io_section_begin(struct bf_io_bus *bus, struct bf_io_section *section);
void bf_io_section_end(struct bf_io_section *section);

/**
 * bf_io_add_doorbell - register a doorbell
 * @bus: the bus
 * @desc: the description
 * @doorbellp: set to the handle; may be NULL for a doorbell that stays as long
 *             as the bus
 * @conflict: set on -EEXIST; may be NULL
 *
 * Return: 0, or the first error in KVM's order;
 *   -EINVAL  length not 0, 1, 2, 4 or 8; addr + len wraps; unknown space;
 *            datamatch with length 0; no consumer, or no callback where the
 *            consumer is one
 *   -EBADF   the eventfd is not open
 *   -EINVAL  the descriptor is not an eventfd
 *   -ENOMEM, -EMFILE  out of memory or of file descriptors
 *   -EEXIST  the doorbell collides with one of the same space and address: one
 *            of the two has length 0, or the lengths are equal and one is a
 *            wildcard or the values are equal
 */
int bf_io_add_doorbell(struct bf_io_bus *bus,
		       const struct bf_io_doorbell_desc *desc,
		       struct bf_io_doorbell **doorbellp,
		       struct bf_io_conflict *conflict);

/**
 * bf_io_find_doorbell - find a doorbell as KVM_IOEVENTFD's deassign does
 * @bus: the bus; the caller is in a section of it, or is the only one that may
 *       remove the doorbell
 * @desc: same space, address, length, wildcard and (unless wildcard)
 *        datamatch, and the same consumer: callback and opaque, or an eventfd
 *        that is the same object, which a duplicate is
 * @doorbellp: set to the handle, which is valid until the section ends
 *
 * Return: 0; -ENOENT: there is no such doorbell; -EINVAL: no consumer, or the
 * descriptor is not an eventfd; -EBADF: the descriptor is not open.
 */
int bf_io_find_doorbell(struct bf_io_bus *bus,
			const struct bf_io_doorbell_desc *desc,
			struct bf_io_doorbell **doorbellp);

/**
 * bf_io_remove_doorbell - remove a doorbell
 * @bus: the bus
 * @doorbell: the handle; not valid any more when this returns 0
 *
 * When this returns 0, the doorbell signals no eventfd and calls no callback,
 * and will not.  Waits for callbacks under way, never for handlers, so it may
 * be called from a handler of the same bus.  The wait is an expedited grace
 * period: microseconds, unless a callback sleeps or a thread is preempted in
 * one; see bf_io_remove_range().
 *
 * Return: 0, or -EDEADLK inside a callback of the same bus.  Cannot fail
 * otherwise.
 */
int bf_io_remove_doorbell(struct bf_io_bus *bus,
			  struct bf_io_doorbell *doorbell);

/**
 * bf_io_remove_doorbell_async - remove a doorbell without waiting
 * @bus: the bus
 * @doorbell: the handle; not valid any more when this returns
 * @done: called when the doorbell signals and calls no more; may be NULL
 * @opaque: passed to @done
 *
 * Accesses that begin from now on do not see the doorbell.  @done is called
 * once, before this function returns or later by the thread that runs SRCU
 * callbacks (bf_srcu_drain() where that thread was forbidden); so @done must
 * not take a lock that the caller holds.  @done may do all that a callback may.
 *
 * Cannot fail.
 */
void bf_io_remove_doorbell_async(struct bf_io_bus *bus,
				 struct bf_io_doorbell *doorbell,
				 bf_io_done_fn done, void *opaque);

/**
 * bf_io_share_eventfds - another process may have eventfds of doorbells
 *
 * Call this before the program gives an eventfd to another process over a
 * socket, or if it got one that way or by execve(2).  fork() does the same.
 *
 * A process with the eventfd can clear O_NONBLOCK of the open file and fill the
 * counter at any moment, and a write(2) then sleeps.  From now on the bus
 * signals each eventfd as the kernel signals an ioeventfd, by the completion of
 * an asynchronous request, which never sleeps and takes about a microsecond
 * more.  If the kernel has no asynchronous I/O or grants the process no context
 * (/proc/sys/fs/aio-max-nr), a front gives KVM each doorbell that it gets from
 * then on.  A bus without KVM, and one for doorbells from before, calls poll(2)
 * before each write(2), and a process that fills the counter in between can
 * block the caller.
 *
 * Holds for the process, for eventfds of io_ring.h too, and cannot be undone.
 * Any thread may call this, at any time, also a signal handler.
 */
void bf_io_share_eventfds(void);

/**
 * bf_io_doorbell_opaque - return the @opaque of a doorbell's description
 * bf_io_range_opaque - return the @opaque of a range's description
 */
void *bf_io_doorbell_opaque(const struct bf_io_doorbell *doorbell);
void *bf_io_range_opaque(const struct bf_io_range *range);

/**
 * bf_io_doorbell_signals - the number of signals that a doorbell gave
 * @doorbell: the doorbell
 *
 * Return: the number of writes that signalled the eventfd or called the
 * callback; 0 if the description did not say counted.
 */
uint64_t bf_io_doorbell_signals(const struct bf_io_doorbell *doorbell);

/**
 * bf_io_add_range - register a device range
 * @bus: the bus
 * @desc: the description
 * @rangep: set to the handle; may be NULL for a range that stays as long as
 *          the bus
 * @conflict: set on -EEXIST; may be NULL
 *
 * Ranges of different priorities may overlap.  Of those that contain all bytes
 * of an access, the one with the highest priority answers.  So a range over a
 * part of another one answers there, and the other one answers around it, also
 * to an access that lies in both.  A fallback for the whole space has a
 * priority below 0.
 *
 * Return: 0; -EINVAL: size 0, the range wraps, unknown space, unknown priority
 * or no ops; -EEXIST: the range overlaps another one of its space and priority;
 * -ENOMEM.
 */
int bf_io_add_range(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		    struct bf_io_range **rangep,
		    struct bf_io_conflict *conflict);

/**
 * bf_io_find_range - find the range with the highest priority at an address
 * @bus: the bus; the caller is in a section of it, or is the only one that may
 *       remove the range
 * @space: the space
 * @addr: the address
 * @rangep: set to the handle, which is valid until the section ends
 *
 * Return: 0; -ENOENT: no range contains the address; -EINVAL: unknown space.
 */
int bf_io_find_range(struct bf_io_bus *bus, uint16_t space, uint64_t addr,
		     struct bf_io_range **rangep);

/**
 * bf_io_move_range - move a device range to another address
 * @bus: the bus
 * @range: the handle, which stays valid
 * @addr: the new base, in the same space
 * @conflict: set on -EEXIST; may be NULL
 *
 * An access sees the range either at the old or at the new address.  An access
 * under way may still be handled at the old one; bf_io_synchronize() waits for
 * it.  The new place may overlap the old one.  To move the doorbells of the
 * range at the same instant, use belfry/io_txn.h.
 *
 * Return: 0; -EINVAL: the range would wrap, or is of another bus; -EEXIST: it
 * would overlap another range of its priority; -ENOMEM.
 */
int bf_io_move_range(struct bf_io_bus *bus, struct bf_io_range *range,
		     uint64_t addr, struct bf_io_conflict *conflict);

/**
 * bf_io_remove_range - remove a device range
 * @bus: the bus
 * @range: the handle; not valid any more when this returns 0
 *
 * When this returns 0, no handler of the range runs or will run, and the memory
 * behind its opaque pointer may be freed.  Waits for all accesses of this bus
 * that began before.  With a CPU for each thread that is about a microsecond.
 * On an oversubscribed host an accessing thread may be preempted, and the wait
 * lasts until that thread runs again: 1 to 50 ms.  A handler that sleeps makes
 * the wait last as long.  A thread that must not wait that long removes
 * asynchronously.
 *
 * Return: 0, or -EDEADLK inside a handler, a callback or a section of the same
 * bus.  Cannot fail otherwise.
 */
int bf_io_remove_range(struct bf_io_bus *bus, struct bf_io_range *range);

/**
 * bf_io_remove_range_async - remove a device range without waiting
 * @bus: the bus
 * @range: the handle; not valid any more when this returns
 * @done: called when no handler of the range runs any more; may be NULL
 * @opaque: passed to @done
 *
 * Accesses that begin from now on do not see the range.  Otherwise as
 * bf_io_remove_doorbell_async().  A handler may remove its own range.
 */
void bf_io_remove_range_async(struct bf_io_bus *bus, struct bf_io_range *range,
			      bf_io_done_fn done, void *opaque);

/**
 * bf_io_add_zone - register a coalesced zone
 * @bus: the bus
 * @desc: the description
 * @zonep: set to the handle; may be NULL for a zone that stays as long as the
 *         bus
 * @conflict: not used, as no zone collides with another entry; may be NULL
 *
 * A zone may lie over device ranges.  The ranges get the accesses that the zone
 * does not take: reads, writes that are not inside the zone, and all writes
 * while the ring is full.
 *
 * Zones may overlap, as KVM's may.  The zone that was registered first takes a
 * write that lies inside several; the next one takes it while the ring of the
 * first is full.  A zone that moves counts as registered at that time.
 *
 * Return: 0; -EINVAL: size 0, the zone wraps, unknown space or no ring;
 * -ENOMEM.
 */
int bf_io_add_zone(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		   struct bf_io_zone **zonep, struct bf_io_conflict *conflict);

/**
 * bf_io_remove_zone - remove a coalesced zone
 * bf_io_remove_zone_async - remove a coalesced zone without waiting
 *
 * As for a range.  When the removal is complete, no write of the zone is put in
 * the ring any more.  The ring may be destroyed when its last zone is gone.
 */
int bf_io_remove_zone(struct bf_io_bus *bus, struct bf_io_zone *zone);
void bf_io_remove_zone_async(struct bf_io_bus *bus, struct bf_io_zone *zone,
			     bf_io_done_fn done, void *opaque);

/**
 * bf_io_conflict_format - format a conflict as text
 * @conflict: as set by an addition
 * @buf, @size: the buffer; the text is truncated and terminated as by
 *		snprintf()
 *
 * For example: "range serial mmio [0x1000, 0x10ff] collides with range uart
 * mmio [0x10f8, 0x11ff]".
 *
 * Return: the length of the whole text.
 */
int bf_io_conflict_format(const struct bf_io_conflict *conflict, char *buf,
			  size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_BUS_H */
