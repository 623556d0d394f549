/* SPDX-License-Identifier: MIT */
/*
 * An RCU implementation as the benchmark sees it.  The loop is in the file of
 * each, so that its readers are inlined as its documentation recommends.
 */
#ifndef BF_BENCH_PEER_H
#define BF_BENCH_PEER_H

#include <stddef.h>

/* A deferred call; opaque is for the implementation's own head. */
struct peer_call {
	void *opaque[4];
	void (*func)(struct peer_call *call);
};

struct peer {
	const char *name;
	/* Around everything else that a thread does; NULL: not needed. */
	void (*thread_begin)(void);
	void (*thread_end)(void);
	/* This many times lock and unlock. */
	void (*read_loop)(unsigned long count);
	/* A section with a call inside. */
	void (*section)(void (*inside)(void *arg), void *arg);
	void (*synchronize)(void);
	/* NULL where there is no thread that makes the call. */
	void (*call)(struct peer_call *call);
	void (*barrier)(void);
};

/* Those that were there when this was built; NULL at the end. */
extern const struct peer *const peers[];

/* Keeps a loop whose sections are empty. */
#define KEEP_LOOP() __asm__ volatile("" ::: "memory")

#endif
