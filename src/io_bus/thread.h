/* SPDX-License-Identifier: MIT */
/*
 * The frames of the handlers, callbacks and sections that a thread has entered,
 * so that a function that would wait for its own caller returns -EDEADLK.
 *
 * A handler may suspend its coroutine and resume in another thread, which then
 * leaves a frame that it has not entered.  So these functions are not inlined:
 * a compiler would keep the address of thread-local variables over the call of
 * a handler.
 */
#ifndef BF_IO_BUS_THREAD_H
#define BF_IO_BUS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct bf_io_bus;

/* On the stack of the caller, from bf_io_enter() to bf_io_leave(). */
struct bf_io_frame {
	uintptr_t bus; /* | 1: a callback of a doorbell */
};

__attribute__((noinline)) void bf_io_enter(struct bf_io_frame *frame,
					   const struct bf_io_bus *bus,
					   bool callback);
__attribute__((noinline)) void bf_io_leave(const struct bf_io_frame *frame);

/*
 * Has the calling thread entered a frame of the bus that no thread has left
 * yet?  bf_io_in_callback() considers callbacks only.
 */
bool bf_io_in_handler(const struct bf_io_bus *bus);
bool bf_io_in_callback(const struct bf_io_bus *bus);

#endif
