/* SPDX-License-Identifier: MIT */
/*
 * Parts of `belfry torture io_bus`.
 *
 * The bus is divided into slots.  Changers register, move, replace and remove
 * the entries of a slot; so do handlers.  One thread at a time changes a slot.
 * Dispatchers make accesses at any time.  Each write has a number of its own,
 * which tells its recipient the thread and the write.
 *
 *	loose	 a range, a doorbell and a zone; each may be missing
 *	covered	 the same, but the range is never missing: one transaction
 *		 replaces it.  So each write is taken, and all elements of a
 *		 string find the same range
 *	swapped	 two devices, each a range and a doorbell beside it, that change
 *		 places in one transaction.  The four parts of a long write find
 *		 one device and then the other, never a mixture or a gap
 *
 * An object is poisoned when its removal is complete, and later used again
 * under another generation.
 */
#ifndef BF_CLI_TORTURE_IO_BUS_H
#define BF_CLI_TORTURE_IO_BUS_H

#include "belfry/io_ring.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "tools/torture/common/thread.h"

#define NR_SLOTS	24
#define SLOT_SIZE	0x1000
#define RANGE_SIZE	0x100
#define OTHER_PLACE	0x800 /* second place of the range in a loose slot */
#define DOORBELL_OFFSET 0x10  /* doorbell and zone overlap the range */
#define ZONE_OFFSET	0x40
#define ZONE_SIZE	0x20
#define NR_RINGS	2
#define NEST_MAX	2 /* depth of writes inside handlers of writes */
#define STRING_COUNT	4

enum slot_kind {
	SLOT_LOOSE,
	SLOT_COVERED,
	SLOT_SWAPPED,
	NR_SLOT_KINDS,
};

enum object_kind {
	OBJECT_RANGE,
	OBJECT_CALLBACK, /* a doorbell with a callback */
	OBJECT_EVENTFD,	 /* a doorbell with an eventfd */
	OBJECT_ZONE,
	NR_OBJECT_KINDS,
};

enum object_state {
	OBJECT_LIVE = 0x600d0b1e,
	OBJECT_POISON = 0xdeadbeef,
};

struct slot;

struct object {
	struct object *next; /* in the queue of poisoned objects */
	struct slot *slot;
	enum object_kind kind;
	unsigned int state;
	unsigned int generation;
	unsigned int inside; /* handlers and callbacks that run now */
	bool sleeps;
	int eventfd;
	union {
		struct bf_io_range *range;
		struct bf_io_doorbell *doorbell;
		struct bf_io_zone *zone;
	};
};

/* Only swapped slots have a second range and doorbell. */
struct slot {
	enum slot_kind kind;
	uint64_t base;
	bool busy; /* a thread changes it */
	bool moved;
	struct object *range[2];
	struct object *doorbell[2];
	struct object *zone;
};

enum tally {
	TALLY_WRITES,
	TALLY_READS,
	TALLY_STRINGS,
	TALLY_LONG,
	TALLY_UNTAKEN,
	TALLY_HANDLED,
	TALLY_CALLED,
	TALLY_NESTED,
	TALLY_SLEPT,
	TALLY_IN_HANDLER,
	TALLY_ADDED,
	TALLY_REMOVED,
	TALLY_ASYNC,
	TALLY_MOVED,
	TALLY_COMMITTED,
	TALLY_DEADLK,
	TALLY_MAPS,
	NR_TALLIES,
};

/* A write that is not complete; its handler may make further writes. */
struct write {
	struct write *outer;
	uint64_t number;
	unsigned int delivered;
	struct object *by[4]; /* the first four objects that took it */
};

struct dispatcher {
	struct torture_thread thread;
	uint64_t number; /* of the last write; the high half is the dispatcher */
	struct write *write;
	unsigned int depth;
	uint64_t silent;  /* writes taken without a call: by ring or eventfd */
	uint64_t drained; /* number of the last write that came out of a ring */
};

enum thread_kind {
	THREAD_DISPATCHER,
	THREAD_CHANGER,
	THREAD_MAIN,
	THREAD_DRAINER,
	NR_THREAD_KINDS,
};

struct io_torture {
	unsigned long nr_dispatchers, nr_changers;
	struct bf_io_bus *bus;
	struct bf_io_ring *rings[NR_RINGS];
	int ring_fd;
	struct slot slots[NR_SLOTS];
	struct dispatcher *dispatchers;
	uint64_t drained, signalled; /* silent writes by destination */
	uint64_t asked, completed;   /* asynchronous removals */
};

extern struct io_torture io_torture;
/* The dispatcher of the calling thread, or NULL. */
extern __thread struct dispatcher *this_dispatcher;

/* Return a live object of that kind for the slot. */
struct object *object_get(struct torture_thread *self, struct slot *slot,
			  enum object_kind kind);
/* Poison an object after its removal. */
void object_removed(struct object *object);
/* bf_io_done_fn */
void object_done(void *opaque);
/* Check the object around a handler; pass the generation on to the second. */
unsigned int object_enter(struct object *object);
void object_leave(struct object *object, unsigned int generation);
void objects_free(void);

extern const struct bf_io_ops object_ops;
void object_signal(void *opaque, uint64_t value,
		   const struct bf_io_access *access);

/* Return false if another thread changes the slot. */
bool slot_try_lock(struct slot *slot);
void slot_unlock(struct slot *slot);
void slots_init(struct torture_thread *self);
/* Change a slot, which the caller has locked, in the handler of its object. */
void slot_change_inside(struct torture_thread *self, struct object *object);

/* Make one write to the slot, and check its result. */
void dispatch_write(struct dispatcher *dispatcher, struct slot *slot);

/* Take all entries out of the rings. */
void rings_drain(void);

/* Main functions of threads; the argument is the number of the thread. */
void *dispatcher_main(void *number);
void *changer_main(void *number);
void *drainer_main(void *number);

#endif
