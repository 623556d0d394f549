/* SPDX-License-Identifier: MIT */
/*
 * The handlers, callbacks and sections that a thread is in, so that a function
 * that would wait for its own caller returns -EDEADLK.
 *
 * A handler may suspend its coroutine and resume in another thread, which then
 * leaves what it has not entered.  So only bf_io_enter() uses a thread-local
 * variable.  A compiler may compute the address of that variable before a loop
 * around handlers, so a function that calls bf_io_enter() is not inlined.
 */
#ifndef BF_IO_BUS_THREAD_H
#define BF_IO_BUS_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/util.h"

struct bf_io_bus;

/*
 * A thread that is in more handlers at once, nested or suspended, is not told
 * -EDEADLK for the rest of them.
 */
#define BF_IO_PLACES 16

/*
 * The bus of each handler that a thread is in, | 1: of a callback; 0: a free
 * place.  The thread fills places, and any thread clears one.
 */
struct bf_io_thread {
	uintptr_t places[BF_IO_PLACES];
	bool in_use;
	SLIST_ENTRY(bf_io_thread) entry;
};

/* Of this thread.  Its first place is taken until bf_io_place_find(). */
extern __thread struct bf_io_thread *bf_io_self
	__attribute__((tls_model("initial-exec")));

/* From bf_io_enter() to bf_io_leave(). */
struct bf_io_frame {
	uintptr_t *place;
};

/* A place of this thread if the first one is taken; one for all if none is. */
uintptr_t *bf_io_place_find(void);

/* Relaxed: a thread reads no places but its own, and no data behind them. */
static inline void bf_io_enter(struct bf_io_frame *frame,
			       const struct bf_io_bus *bus, bool callback)
{
	uintptr_t *place = bf_io_self->places;

	if (unlikely(__atomic_load_n(place, __ATOMIC_RELAXED)))
		place = bf_io_place_find();
	__atomic_store_n(place, (uintptr_t)bus | callback, __ATOMIC_RELAXED);
	frame->place = place;
}

static inline void bf_io_leave(const struct bf_io_frame *frame)
{
	__atomic_store_n(frame->place, 0, __ATOMIC_RELAXED);
}

/*
 * Has the calling thread entered a handler of the bus that no thread has left
 * yet?  bf_io_in_callback() considers callbacks only.
 */
bool bf_io_in_handler(const struct bf_io_bus *bus);
bool bf_io_in_callback(const struct bf_io_bus *bus);

#endif
