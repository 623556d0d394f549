/* SPDX-License-Identifier: MIT */
/*
 * Data of the bus for each thread: a number for counters, and the frames of the
 * handlers, callbacks and sections that the thread has entered, so that a
 * function that would wait for its own caller returns -EDEADLK instead.
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

/* Numbers are below 2^BITS - 1: more threads than a Linux process can have. */
#define BF_THREAD_NUMBER_BITS 23

/*
 * The number of the calling thread, which no other living thread has.  If an
 * exited thread had it before, all stores of that thread are visible.  -1: out
 * of memory, or the thread is about to exit.
 */
int bf_thread_number(void);

#endif
