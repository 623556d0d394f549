/* SPDX-License-Identifier: MIT */
/*
 * What a thread undoes if it does not return from a call of the program: a
 * handler leaves the call by a long jump, or the thread is cancelled in it.
 */
#ifndef BF_PRELOAD_CLEANUP_H
#define BF_PRELOAD_CLEANUP_H

#include <pthread.h>

/* Of the C library since 2.0; longjmp(3) and pthread_exit(3) run the list. */
void _pthread_cleanup_push(struct _pthread_cleanup_buffer *buffer,
			   void (*routine)(void *), void *arg);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *buffer, int execute);

#endif
