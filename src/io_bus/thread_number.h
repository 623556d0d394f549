/* SPDX-License-Identifier: MIT */
/* Small numbers for the threads that there are. */
#ifndef BF_IO_BUS_THREAD_NUMBER_H
#define BF_IO_BUS_THREAD_NUMBER_H

/* Numbers are below 2^BITS - 1: more threads than a Linux process can have. */
#define BF_THREAD_NUMBER_BITS 23

/*
 * The calling thread's number: no other living thread has it, and whoever had
 * it before is gone, all that it wrote being visible. -1: none is to be
 * had, for want of memory or because the thread is about to end.
 */
int bf_thread_number(void);

#endif
