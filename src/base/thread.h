/* SPDX-License-Identifier: MIT */
/* The library's own threads. */
#ifndef BF_BASE_THREAD_H
#define BF_BASE_THREAD_H

#include <pthread.h>

/* The caller fills in all but id, and keeps this until the thread has ended. */
struct bf_thread {
	const char *name; /* at most 15 characters */
	void *(*fn)(void *arg);
	void *arg;
	pthread_t id;
};

/*
 * Starts a thread that is independent of the thread that starts it: it blocks
 * all signals, has the policy SCHED_OTHER, and may run on the CPUs that the
 * main thread had when the library was loaded.  Behind a seccomp filter it
 * keeps the policy and the CPUs of the thread that starts it.  Returns 0 or a
 * negative errno.
 */
int bf_thread_start(struct bf_thread *thread);

#endif
