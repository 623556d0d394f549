/* SPDX-License-Identifier: MIT */
/*
 * Bytes read as operations on a bus: additions, removals, moves, transactions,
 * accesses, also from inside handlers.  Each is done to a bus and to the model
 * of it, and whatever the bus answers, calls, signals or puts in a ring has to
 * be what the model says.
 */
#ifndef BF_TESTS_IO_BUS_STREAM_H
#define BF_TESTS_IO_BUS_STREAM_H

#include "belfry/io_ring.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "model.h"

#define STREAM_RINGS 3
#define STREAM_BELLS 3	/* eventfds */
#define STREAM_DEPTH 3	/* accesses inside each other */
#define STREAM_LONG  80 /* bytes of the longest access */

/* How crowded the bus gets. */
struct stream_shape {
	size_t room;		/* entries at most */
	unsigned int spread;	/* bytes of each part of a space that is used */
	void (*fail_at)(int n); /* lets the nth allocation from now fail, 0:
				   none; NULL: memory is always there */
};

/* What a run did, so that a test can tell that it did something. */
struct stream_totals {
	uint64_t operations;
	uint64_t accesses;
	uint64_t rung;
	uint64_t coalesced;
	uint64_t handled;
	uint64_t missed;
	uint64_t refused; /* additions that collide */
	uint64_t committed;
	uint64_t nested; /* operations inside handlers */
	uint64_t drained;
	uint64_t failed; /* changes, for want of memory */
};

/*
 * Does what the bytes say, on a new bus.  Returns NULL, or in words the first
 * difference between bus and model, valid until the next run.  Adds to totals.
 */
const char *stream_run(const struct stream_shape *shape, const uint8_t *bytes,
		       size_t size, struct stream_totals *totals);

/* The rest is for the parts of it. */

enum consumer {
	CONSUMER_BELL, /* and the next ones: eventfds by number */
	CONSUMER_CALL = STREAM_BELLS,
	CONSUMER_CLOSED, /* a descriptor that is not open */
	CONSUMER_OTHER,	 /* one that is no eventfd */
	NR_CONSUMERS,
};

/*
 * The bus's way back to a subject; freed when the bus said that it is over, so
 * that a call after that is a use after free.
 */
struct device {
	struct subject *subject;
};

/* Something that was registered. */
struct subject {
	struct stream *stream;
	struct subject *next; /* of all there have been */
	struct device *device;
	char name[16];
	enum bf_io_kind kind;
	union {
		struct bf_io_doorbell *doorbell;
		struct bf_io_range *range;
		struct bf_io_zone *zone;
	};
	unsigned int consumer; /* a doorbell's */
	bool counted;	       /* are its rings? */
	unsigned int ring;     /* a zone's */
	bool reads, writes;    /* the handlers that a range has */
	bool declines;	       /* they say "not mine", now and then */
	unsigned int calls;    /* of those that may */
	bool meddles;	       /* they change the bus */
	bool silent;	       /* its removal was waited for */
	uint64_t rung;
	uint64_t counted_reads, counted_writes;
	unsigned int removed_in; /* the handler's number, or 0 */
	bool removed;
	unsigned int completed; /* calls of the function for that */
};

/* One access, and how far it should have come. */
struct cursor {
	struct cursor *outer;
	struct model seen; /* the bus as the access found it */
	enum { SINGLE, LONG, STRING } form;
	struct bf_io_access access;
	uint32_t parts;
	uint32_t next; /* part */
	uint32_t done; /* bytes */
	bool counted;
	bool over;
	int ret;
	const struct model_entry *called; /* not yet returned from */
	uint8_t data[STREAM_LONG];	  /* before a write, after a read */
};

/* The model of a ring. */
struct model_ring {
	struct bf_io_ring *ring;
	struct kvm_coalesced_mmio_ring *memory;
	uint32_t entries;
	enum bf_io_ring_wake wake;
	int eventfd;
	uint64_t wakes;
	unsigned int first, count;
	struct {
		struct kvm_coalesced_mmio entry;
		uint64_t order;
	} queue[256];
};

struct stream {
	struct stream_shape shape;
	const uint8_t *bytes, *end;
	struct bf_io_bus *bus;
	struct model model;
	struct cursor *cursor; /* innermost */
	struct subject *subjects;
	unsigned int numbered;
	struct model_ring rings[STREAM_RINGS];
	uint64_t order; /* of the entries of all rings */
	int bells[STREAM_BELLS];
	uint64_t bells_rung[STREAM_BELLS];
	int no_eventfd;
	uint64_t publications;
	bool counting;
	unsigned int depth;    /* handlers and consumers that it is in */
	unsigned int consumed; /* consumers among them */
	unsigned int handler;  /* the outermost one's number; 0: in none */
	unsigned int handlers; /* that there have been */
	bool early;	       /* a removal was complete too early */
	struct stream_totals *totals;
	char problem[256];
};

/* Notes a difference, the first one only. */
void stream_problem(struct stream *stream, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The bus answered something else. */
void stream_expect(struct stream *stream, const char *what, int64_t got,
		   int64_t expected);

/* From here on memory may run out, if the shape says so; up to the other. */
void stream_run_short(struct stream *stream);
/* The answer to a change: out of memory is right if memory ran out. */
int stream_answer(struct stream *stream, int ret, int expected);

/* The next byte; 0 when there is none. */
unsigned int stream_byte(struct stream *stream);
uint16_t stream_space(struct stream *stream);
uint64_t stream_addr(struct stream *stream);
uint64_t stream_value(struct stream *stream);

/* One operation, from inside a handler too. */
void stream_step(struct stream *stream);

struct subject *subject_new(struct stream *stream, enum bf_io_kind kind);
/* For one that the bus did not take. */
void subject_drop(struct subject *subject);
/* bf_io_done_fn; opaque is the subject's device. */
void subject_completed(void *opaque);
/* Before the bus is asked to remove it. */
void subject_removing(struct subject *subject);
struct bf_io_doorbell_desc subject_doorbell(const struct model_entry *entry);
struct bf_io_range_desc subject_range(const struct model_entry *entry);
struct bf_io_zone_desc subject_zone(const struct model_entry *entry);

/* Something new to register, not yet in the model. */
struct model_entry stream_wish(struct stream *stream);
/* Something registered; NULL: nothing is. */
struct model_entry *stream_pick(struct stream *stream, enum bf_io_kind kind);
/* The error of a doorbell's eventfd, or 0. */
int stream_bell_error(const struct model_entry *entry);

void stream_add(struct stream *stream);
void stream_find(struct stream *stream);
void stream_remove(struct stream *stream);
void stream_move(struct stream *stream);
void stream_transact(struct stream *stream);
void stream_access(struct stream *stream);
void stream_access_long(struct stream *stream);
void stream_access_string(struct stream *stream);
void stream_drain(struct stream *stream);

extern const struct bf_io_ops subject_ops[4]; /* by what handlers there are */
void subject_ring(void *opaque, uint64_t addr, uint32_t len, uint64_t value);

void rings_init(struct stream *stream);
void rings_check(struct stream *stream);
void rings_free(struct stream *stream);
/* False when the ring is full. */
bool rings_push(struct stream *stream, unsigned int number,
		const struct bf_io_access *access);

#endif
