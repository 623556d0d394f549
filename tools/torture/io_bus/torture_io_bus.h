/* SPDX-License-Identifier: MIT */
/*
 * What the parts of `belfry torture io_bus` share.
 *
 * The bus is divided into slots.  Changers register, move, replace and remove
 * what is in them, one thread a slot at a time; handlers do, too.  Dispatchers
 * make accesses without regard for that.  Each write has a number of its own,
 * so that whoever gets it can tell what it is, and whether it came once.
 *
 *	loose	 a range, a doorbell and a zone, each there or not
 *	covered	 the same, but there is always a range: it is only replaced, in
 *		 one transaction, so each write is taken and all elements of a
 *		 string find the same one
 *	swapped	 two devices, each a range and a doorbell beside it, that change
 *		 places in one transaction: four parts of one long write find
 *		 one device and then the other, never a mixture or a gap
 *
 * What was removed is poisoned when its removal is complete, and used again
 * later under another generation.
 */
#ifndef BF_CLI_TORTURE_IO_BUS_H
#define BF_CLI_TORTURE_IO_BUS_H

#include "belfry/io_ring.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "tools/torture/common/actor.h"

#define NR_SLOTS     24
#define SLOT_SIZE    0x1000
#define RANGE_SIZE   0x100
#define OTHER_PLACE  0x800 /* in a loose slot: where its range may move to */
#define BELL_OFFSET  0x10  /* doorbell and zone lie over the range */
#define ZONE_OFFSET  0x40
#define ZONE_SIZE    0x20
#define NR_RINGS     2
#define NEST_MAX     2 /* writes inside handlers of writes */
#define STRING_COUNT 4

enum slot_kind {
	SLOT_LOOSE,
	SLOT_COVERED,
	SLOT_SWAPPED,
	NR_SLOT_KINDS,
};

enum object_kind {
	OBJECT_RANGE,
	OBJECT_CALL, /* a doorbell that calls */
	OBJECT_BELL, /* one with an eventfd */
	OBJECT_ZONE,
	NR_OBJECT_KINDS,
};

enum object_state {
	OBJECT_LIVE = 0x600d0b1e,
	OBJECT_POISON = 0xdeadbeef,
};

struct slot;

struct object {
	struct object *next; /* of those that wait for their next life */
	struct slot *slot;
	enum object_kind kind;
	unsigned int state;
	unsigned int generation;
	unsigned int inside; /* handlers and consumers */
	bool sleeps;
	int eventfd;
	union {
		struct bf_io_range *range;
		struct bf_io_doorbell *doorbell;
		struct bf_io_zone *zone;
	};
};

/* The second device's parts are for swapped slots. */
struct slot {
	enum slot_kind kind;
	uint64_t base;
	bool busy; /* somebody changes it */
	bool moved;
	struct object *range[2];
	struct object *bell[2];
	struct object *zone;
};

enum tally {
	TALLY_WRITES,
	TALLY_READS,
	TALLY_STRINGS,
	TALLY_LONG,
	TALLY_NOBODY,
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

/* A write under way; inside a handler there may be others. */
struct write {
	struct write *outer;
	uint64_t number;
	unsigned int delivered;
	struct object *by[4]; /* the first ones */
};

struct dispatcher {
	struct actor actor;
	uint64_t number; /* of the last write, the dispatcher in the high half */
	struct write *write;
	unsigned int depth;
	uint64_t silent; /* taken, and nobody was called: a ring or an eventfd */
	uint64_t drained; /* the number of the last one out of a ring */
};

enum actor_kind {
	ACTOR_DISPATCHER,
	ACTOR_CHANGER,
	ACTOR_MAIN,
	ACTOR_DRAINER,
	NR_ACTOR_KINDS,
};

struct io_torture {
	unsigned long nr_dispatchers, nr_changers;
	struct bf_io_bus *bus;
	struct bf_io_ring *rings[NR_RINGS];
	int ring_fd;
	struct slot slots[NR_SLOTS];
	struct dispatcher *dispatchers;
	uint64_t drained, signalled; /* where silent writes went */
	uint64_t asked, completed;   /* asynchronous removals */
};

extern struct io_torture io_torture;
/* The calling thread, if it dispatches. */
extern __thread struct dispatcher *self;

/* One of a kind, alive, at home in the slot. */
struct object *object_get(struct actor *actor, struct slot *slot,
			  enum object_kind kind);
/* One that was never on the bus. */
void object_unget(struct object *object);
/* Its removal is complete. */
void object_over(struct object *object);
/* bf_io_done_fn */
void object_done(void *opaque);
/* Around what a handler does; returns the generation for the other one. */
unsigned int object_enter(struct object *object);
void object_leave(struct object *object, unsigned int generation);
void objects_free(void);

extern const struct bf_io_ops object_ops;
void object_ring(void *opaque, uint64_t addr, uint32_t len, uint64_t value);

/* False: somebody else changes it, now. */
bool slot_try_lock(struct slot *slot);
void slot_unlock(struct slot *slot);
void slots_init(struct actor *actor);
/* One change of a slot that the caller has locked. */
void slot_change(struct actor *actor, struct slot *slot);
/* The same, from inside a handler: of the object, which is the slot's. */
void slot_change_inside(struct actor *actor, struct object *object);

/* One write to a slot by this dispatcher, and what became of it. */
void dispatch_write(struct dispatcher *dispatcher, struct slot *slot);

/* Takes everything out of the rings. */
void rings_drain(void);

/* Threads: void *(*)(void *) of a number. */
void *dispatcher_main(void *number);
void *changer_main(void *number);
void *drainer_main(void *number);

#endif
