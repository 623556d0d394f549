/* SPDX-License-Identifier: MIT */
/*
 * What seccomp filters forbid the calling thread.
 *
 * A filter counts for the thread that installs it, for threads that such a
 * thread creates, and for all threads with SECCOMP_FILTER_FLAG_TSYNC.  The
 * library does not see the creation of a thread, so a thread that it meets for
 * the first time counts as one that has inherited every filter so far.
 */
#ifndef BF_PRELOAD_FORBIDDEN_H
#define BF_PRELOAD_FORBIDDEN_H

#include <stdbool.h>
#include <stdint.h>

/* Activities of the library, each a set of system calls: bits. */
enum forbidden {
	FORBIDDEN_SERVE = 1 << 0,     /* signalling a doorbell */
	FORBIDDEN_FRONT = 1 << 1,     /* answering for the kernel */
	FORBIDDEN_HELPER = 1 << 2,    /* starting or being a helper thread */
	FORBIDDEN_LEARN = 1 << 3,     /* adding an fd to the table */
	FORBIDDEN_PID = 1 << 4,	      /* process_is_owner() */
	FORBIDDEN_WRITE = 1 << 5,     /* a line on stderr */
	FORBIDDEN_THREAD = 1 << 6,    /* gettid() and the thread's name */
	FORBIDDEN_GUARD = 1 << 8,     /* blocking signals around KVM_RUN */
	FORBIDDEN_POLL = 1 << 9,      /* asking whether an eventfd is full */
	FORBIDDEN_LIMIT = 1 << 12,    /* reading the limit on fds */
	FORBIDDEN_SATURATE = 1 << 13, /* signalling one that is full */
	FORBIDDEN_DISCARD = 1 << 14,  /* taking a signal that a line raised */

	/* Signalling a shared one without the risk to sleep. */
	FORBIDDEN_COMPLETION = FORBIDDEN_POLL | FORBIDDEN_SATURATE,

	/* Calls of the program itself. */
	FORBIDDEN_RUN = 1 << 10,      /* KVM_RUN */
	FORBIDDEN_REGISTER = 1 << 11, /* KVM_IOEVENTFD */
};

/* True if a filter of the calling thread forbids one of the activities. */
bool thread_forbids(uint32_t activities);

/*
 * Around a question to thread_forbids() and the system calls that follow from
 * the answer, so that a filter for all threads does not come in between.
 */
int forbidden_calls_begin(void);
void forbidden_calls_end(int idx);

/* Waits for those that began before, but not after @until_ns. */
void forbidden_wait_for_calls(uint64_t until_ns);

/*
 * The thread calls KVM_IOEVENTFD, or registers a zone.  If a filter that it may
 * have inherited forbids that, it has not inherited the filter.
 */
void forbidden_disprove(void);

/* A filter comes that forbids them: for this thread, or for all. */
void forbidden_add(uint32_t activities, bool all_threads);

#endif
