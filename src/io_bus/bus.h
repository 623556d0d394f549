/* SPDX-License-Identifier: MIT */
/*
 * A bus from inside.
 *
 * What accesses look at is one struct bf_io_state, replaced whole by each
 * change: trees whose nodes are shared with the states before (edit.h).  An
 * access takes the state once, so all its parts see the same.
 *
 * The BF_BREAK_* macros take one step away each, for the tests that show that
 * the torture and models/ notice: see tests/torture/meson.build and
 * models/meson.build.
 */
#ifndef BF_IO_BUS_BUS_H
#define BF_IO_BUS_BUS_H

#include "belfry/io_bus.h"
#include "belfry/io_stats.h"
#include "belfry/srcu.h"
#include "io_bus/eventfd_pool.h"
#include "io_bus/span_tree.h"
#include "io_bus/trie.h"

/*
 * What tells these doorbells, or these ranges, from all that ever were: see
 * lookaside.h.
 */
struct bf_io_seals {
	uint64_t bells;
	uint64_t ranges;
};

/* What is registered in a space. */
struct bf_io_roots {
	uintptr_t doorbells; /* a trie of struct bf_bell_addr */
	struct bf_span_node *zones;
	struct bf_span_node *ranges;
	struct bf_io_seals seals;
	uint32_t nr_bells;
	bool counting; /* the same in all spaces */
};

struct bf_io_state {
	struct bf_io_roots space[BF_IO_SPACES];
	struct srcu_head head;
	struct bf_io_bus *bus;
	struct bf_node *replaced; /* by the next state; free them together */
};

struct bf_io_bus {
	char name[32];		    /* first: probes name the bus at no cost */
	struct srcu_struct srcu;    /* covers every access */
	struct srcu_struct signals; /* covers a doorbell's consumer alone */
	/*
	 * Published, or NULL: see bf_bus_hide(); apart from what changes write
	 * more often than it.
	 */
	struct bf_io_state *state __attribute__((aligned(64)));
	/* Of the published state; 0: not to be used. */
	struct bf_io_seals seals[BF_IO_SPACES];
	/* One change at a time; also over nodes and bells. */
	pthread_mutex_t lock __attribute__((aligned(64)));
	struct bf_io_state *latest; /* as changes have left it */
	uint64_t changes;	    /* published so far; the stamp of edits */
	unsigned long endings;	    /* begun, not ended */
	struct bf_eventfd_pool eventfds;
	struct bf_nodes nodes; /* of its states' trees */
	struct bf_slab bells;  /* all doorbells lie here */
	bool counted;	       /* once, if not now; changers only */
};

/* A change being made: the bus is locked, the state is not published yet. */
struct bf_change {
	struct bf_io_bus *bus;
	struct bf_io_state *state; /* the bus's own while that is hidden */
	struct bf_edit edit;
	unsigned int spaces; /* that it may have changed, as bits */
	struct bf_io_roots before[BF_IO_SPACES]; /* of these alone */
};

/* What becomes of a space. */
static inline struct bf_io_roots *bf_change_roots(struct bf_change *change,
						  unsigned int space)
{
	struct bf_io_roots *roots = &change->state->space[space];

	if (!(change->spaces & 1U << space))
		change->before[space] = *roots;
	change->spaces |= 1U << space;
	return roots;
}

/*
 * change.c: locks the bus; 0, or -ENOMEM: it is not locked.  Ends with one of
 * the other two, which unlock it; after an error of what comes in between only
 * the second will do.
 */
int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus);
void bf_change_commit(struct bf_change *change);
void bf_change_abort(struct bf_change *change);

/*
 * Of a new bus: there are no accesses before it is shown, so changes are made
 * in place, and what they replace is freed at once.  A VM that is set up pays
 * neither for a copy of the state nor for a look at all CPUs' readers.
 */
void bf_bus_hide(struct bf_io_bus *bus);

/* For good, and before the first access; again makes no difference. */
void bf_bus_show(struct bf_io_bus *bus);

/*
 * Around a change in place of what is published in a space, which is to be made
 * by releases; bus locked.
 */
void bf_bus_unseal(struct bf_io_bus *bus, unsigned int space);
void bf_bus_reseal(struct bf_io_bus *bus, unsigned int space);

/* One more state, if only by what was cleared in place; bus locked. */
void bf_change_counts(struct bf_io_bus *bus);

/*
 * bus.c: calls fn when all accesses under way are over: at once where there
 * are none, which spares waking the SRCU worker.  Bus not locked.
 */
void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head));

/*
 * What consumers too may be using ends in three steps: this one, which calls
 * next when all consumers under way are over; bf_io_defer(); and
 * bf_io_ended(), the last that is done with the bus.
 */
void bf_io_begin_end(struct bf_io_bus *bus, struct srcu_head *head,
		     void (*next)(struct srcu_head *head));
void bf_io_ended(struct bf_io_bus *bus);

/* Copies at most 31 characters; NULL is "". */
void bf_io_copy_name(char name[32], const char *from);

/* What of the bus's the calling thread is in. */
struct bf_io_frame {
	const struct bf_io_bus *bus;
	const struct bf_io_access *access;
	bool consumer; /* of a doorbell; else the handler of a range */
	struct bf_io_frame *outer;
};

/* What a thread's accesses found last: 2^(64 - shift) places. */
struct bf_lookaside {
	void *places;
	void *memory; /* that they are in; NULL: nothing was kept yet */
	unsigned int shift;
	unsigned int driven_out; /* good ones that gave way to others */
};

/* What the bus keeps for each thread. */
struct bf_io_thread {
	struct bf_io_frame *frame;  /* the innermost that it is in */
	struct bf_lookaside ranges; /* of struct bf_finding */
	struct bf_lookaside bells;  /* of struct bf_bell_finding */
};

/* Addressed directly, in a shared library too: there is no time for a call. */
extern __thread struct bf_io_thread bf_io_thread
	__attribute__((tls_model("initial-exec")));

static inline void bf_io_enter(struct bf_io_frame *frame,
			       const struct bf_io_bus *bus,
			       const struct bf_io_access *access, bool consumer)
{
	frame->bus = bus;
	frame->access = access;
	frame->consumer = consumer;
	frame->outer = bf_io_thread.frame;
	bf_io_thread.frame = frame;
}

static inline void bf_io_leave(const struct bf_io_frame *frame)
{
	bf_io_thread.frame = frame->outer;
}

bool bf_io_in_handler(const struct bf_io_bus *bus); /* or in a consumer */
bool bf_io_in_consumer(const struct bf_io_bus *bus);

#endif
