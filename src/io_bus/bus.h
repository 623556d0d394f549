/* SPDX-License-Identifier: MIT */
/*
 * A bus from inside.
 *
 * What accesses look at is one struct bf_io_state, replaced whole by each
 * change: trees whose nodes are shared with the states before (base/edit.h).
 * An access takes the state once, so all its parts see the same.
 *
 * The BF_BREAK_* macros take one step away each, for the tests that show that
 * the torture and models/ notice: see tests/torture/meson.build and
 * models/meson.build.
 */
#ifndef BF_IO_BUS_BUS_H
#define BF_IO_BUS_BUS_H

#include "base/slab.h"
#include "base/span_tree.h"
#include "belfry/io_bus.h"
#include "belfry/io_stats.h"
#include "belfry/srcu.h"
#include "io_bus/eventfd.h"
#include "io_bus/trie.h"

/* What is registered in a space. */
struct bf_io_roots {
	uintptr_t doorbells;	     /* a trie of struct bf_bell_addr */
	struct bf_span_node *zones;  /* of struct bf_region_entry */
	struct bf_span_node *ranges; /* of struct bf_range_entry */
	bool counting;		     /* the same in all spaces */
};

struct bf_io_state {
	struct bf_io_roots space[BF_IO_SPACES];
	struct srcu_head head;
	struct bf_node *replaced; /* by the next state; free them together */
};

struct bf_io_bus {
	char name[32]; /* first, so that probes name the bus by its address */
	struct srcu_struct srcu;    /* covers every access */
	struct srcu_struct signals; /* covers a doorbell's consumer alone */
	/* Apart from what changes write more often. */
	struct bf_io_state *state __attribute__((aligned(64)));
	/* One change at a time; also guards bells. */
	pthread_mutex_t lock __attribute__((aligned(64)));
	uint64_t changes; /* published so far; the stamp of edits */
	struct bf_eventfd_pool eventfds;
	struct bf_slab bells; /* all doorbells lie here */
	bool counted;	      /* counting was on at some time; bus locked */
};

/* A change being made: the bus is locked, the state is not published yet. */
struct bf_change {
	struct bf_io_bus *bus;
	struct bf_io_state *state;
	struct bf_edit edit;
};

static inline struct bf_io_roots *bf_change_roots(struct bf_change *change,
						  unsigned int space)
{
	return &change->state->space[space];
}

/*
 * change.c: locks the bus; 0, or -ENOMEM: it is not locked.  Ends with one of
 * the other two, which unlock it; after an error of what comes in between only
 * the second will do.
 */
int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus);
void bf_change_commit(struct bf_change *change);
void bf_change_abort(struct bf_change *change);

/* Counts a change that was made in place; bus locked. */
void bf_change_counts(struct bf_io_bus *bus);

/*
 * bus.c: calls fn when all accesses under way are over: at once where there
 * are none, which spares waking the SRCU worker.  Bus not locked.
 */
void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head));

/* Copies at most 31 characters; NULL is "". */
void bf_io_copy_name(char name[32], const char *from);

/* What of the bus's the calling thread is in. */
struct bf_io_frame {
	const struct bf_io_bus *bus;
	bool consumer; /* of a doorbell; else the handler of a range */
	struct bf_io_frame *outer;
};

/*
 * The innermost frame of the calling thread.  Addressed directly, in a shared
 * library too: there is no time for a call.
 */
extern __thread struct bf_io_frame *bf_io_innermost
	__attribute__((tls_model("initial-exec")));

static inline void bf_io_enter(struct bf_io_frame *frame,
			       const struct bf_io_bus *bus, bool consumer)
{
	frame->bus = bus;
	frame->consumer = consumer;
	frame->outer = bf_io_innermost;
	bf_io_innermost = frame;
}

static inline void bf_io_leave(const struct bf_io_frame *frame)
{
	bf_io_innermost = frame->outer;
}

bool bf_io_in_handler(const struct bf_io_bus *bus); /* or in a consumer */
bool bf_io_in_consumer(const struct bf_io_bus *bus);

#endif
