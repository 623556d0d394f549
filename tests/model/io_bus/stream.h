/* SPDX-License-Identifier: MIT */
/*
 * A stream of bytes decoded as operations: additions, removals, moves,
 * transactions and accesses, some of them inside handlers.  Each operation is
 * applied to a bus and to its model.  The answers, calls, signals and ring
 * entries of the bus must be those of the model.
 */
#ifndef BF_TESTS_IO_BUS_STREAM_H
#define BF_TESTS_IO_BUS_STREAM_H

#include "belfry/io_ring.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "model.h"

#define STREAM_RINGS	3
#define STREAM_EVENTFDS 3
#define STREAM_DEPTH	3  /* nested accesses */
#define STREAM_LONG	80 /* bytes of the longest access */

/* Parameters of a run. */
struct stream_shape {
	size_t room;		/* entries at most */
	unsigned int spread;	/* bytes of each used part of a space */
	void (*fail_at)(int n); /* lets the nth allocation from now fail, 0:
				   none; may be NULL */
};

/* Counts of the events of a run, to show that each event happened. */
struct stream_totals {
	uint64_t operations;
	uint64_t accesses;
	uint64_t signalled;
	uint64_t coalesced;
	uint64_t handled;
	uint64_t missed;
	uint64_t uncovered; /* accesses that a range of higher priority declined
			       and another range took */
	uint64_t refused;   /* additions that collide */
	uint64_t committed;
	uint64_t nested; /* operations inside handlers */
	uint64_t drained;
	uint64_t failed; /* changes that had no memory */
};

/*
 * Runs the bytes on a new bus and adds to totals.  Returns NULL, or a message
 * about the first difference between bus and model; the message is valid until
 * the next run.
 */
const char *stream_run(const struct stream_shape *shape, const uint8_t *bytes,
		       size_t size, struct stream_totals *totals);

/* The rest is private to the files stream*.c. */

enum consumer {
	CONSUMER_EVENTFD, /* this and the next ones: eventfds by number */
	CONSUMER_CALL = STREAM_EVENTFDS,
	CONSUMER_CLOSED, /* a descriptor that is not open */
	CONSUMER_OTHER,	 /* a descriptor that is no eventfd */
	NR_CONSUMERS,
};

/*
 * The opaque pointer of a subject on the bus.  It is freed when the removal is
 * complete, so that a later call is a use after free.
 */
struct device {
	struct subject *subject;
};

/* An entry of the real bus, or an attempt to add one. */
struct subject {
	struct stream *stream;
	struct subject *next; /* list of all subjects of the run */
	struct device *device;
	char name[16];
	enum bf_io_kind kind;
	union {
		struct bf_io_doorbell *doorbell;
		struct bf_io_range *range;
		struct bf_io_zone *zone;
	};
	unsigned int consumer; /* of a doorbell */
	bool counted;	       /* a doorbell that counts its signals */
	unsigned int ring;     /* of a zone */
	bool reads, writes;    /* a range has these handlers */
	bool declines;	       /* every other call fails */
	unsigned int calls;    /* calls, if declines */
	bool changes_bus;      /* a call changes the bus */
	bool removal_waited;   /* a synchronous removal has returned */
	uint64_t signalled;
	uint64_t counted_reads, counted_writes;
	unsigned int removed_in; /* number of the handler, or 0 */
	bool removed;
	unsigned int completed; /* calls of subject_completed() */
};

/* An access, and the progress that the model predicts. */
struct cursor {
	struct cursor *outer;
	struct model seen; /* state of the bus when the access began */
	enum { SINGLE, LONG, STRING } form;
	struct bf_io_access access;
	uint32_t parts;
	uint32_t next; /* part */
	uint32_t done; /* bytes */
	bool counted;
	bool over;
	int ret;
	enum bf_io_kind taken_by;	    /* the first part */
	const struct model_entry *called;   /* its handler is running */
	const struct model_entry *declined; /* the last range that did */
	uint8_t data[STREAM_LONG];	    /* before a write, after a read */
};

/* A coalesced ring and its model. */
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
	int eventfds[STREAM_EVENTFDS];
	uint64_t signals[STREAM_EVENTFDS];
	int no_eventfd;
	uint64_t publications;
	bool counting;
	unsigned int depth;    /* handlers and consumers that are running */
	unsigned int consumed; /* consumers among them */
	unsigned int handler;  /* number of the outermost one, or 0 */
	unsigned int handlers; /* outermost ones so far */
	bool early;	       /* a removal was complete too early */
	struct stream_totals *totals;
	char problem[256];
};

/* Stores the message, unless there is one already. */
void stream_problem(struct stream *stream, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Reports a problem if got is not expected. */
void stream_expect(struct stream *stream, const char *what, int64_t got,
		   int64_t expected);

/* From here on an allocation may fail, if the shape has fail_at. */
void stream_fail_begin(struct stream *stream);

/* Ends that.  Returns expected, or -ENOMEM if ret is -ENOMEM. */
int stream_fail_end(struct stream *stream, int ret, int expected);

/* The next byte, or 0 at the end. */
unsigned int stream_byte(struct stream *stream);
uint16_t stream_space(struct stream *stream);
uint64_t stream_addr(struct stream *stream);
uint64_t stream_value(struct stream *stream);

/* Runs one operation; handlers call it, too. */
void stream_step(struct stream *stream);

struct subject *subject_new(struct stream *stream, enum bf_io_kind kind);

/* For a subject that the bus refused. */
void subject_drop(struct subject *subject);

/* The callback of removals; opaque is the subject's device. */
void subject_completed(void *opaque);

/* Call this before a removal with that callback. */
void subject_removing(struct subject *subject);

struct bf_io_doorbell_desc subject_doorbell(const struct model_entry *entry);
struct bf_io_range_desc subject_range(const struct model_entry *entry);
struct bf_io_zone_desc subject_zone(const struct model_entry *entry);

/* A random entry with a new subject, not in the model yet. */
struct model_entry stream_new_entry(struct stream *stream);

/* A random entry of the model; BF_IO_NONE: of any kind.  May be NULL. */
struct model_entry *stream_pick(struct stream *stream, enum bf_io_kind kind);

/* The error of a doorbell's eventfd, or 0. */
int stream_eventfd_error(const struct model_entry *entry);

void stream_add(struct stream *stream);
void stream_find(struct stream *stream);
void stream_remove(struct stream *stream);
void stream_move(struct stream *stream);
void stream_transact(struct stream *stream);
void stream_access(struct stream *stream);
void stream_access_long(struct stream *stream);
void stream_access_string(struct stream *stream);
void stream_drain(struct stream *stream);

extern const struct bf_io_ops subject_ops[4]; /* reads + 2 * writes */
void subject_signal(void *opaque, uint64_t value,
		    const struct bf_io_access *access);

void rings_init(struct stream *stream);
void rings_check(struct stream *stream);
void rings_free(struct stream *stream);

/* Returns false if the ring is full. */
bool rings_push(struct stream *stream, unsigned int number,
		const struct bf_io_access *access);

#endif
