/* SPDX-License-Identifier: MIT */
/*
 * The interface of an RCU implementation to the benchmark.  Each file has its
 * own loop, so that readers are inlined as the documentation of each recommends.
 */
#ifndef BF_BENCH_PEER_H
#define BF_BENCH_PEER_H

#include <stddef.h>

/* A deferred call; opaque holds the head of the implementation. */
struct peer_call {
	void *opaque[4];
	void (*func)(struct peer_call *call);
};

struct peer {
	const char *name;
	/* First and last call of a thread; NULL: not needed. */
	void (*thread_begin)(void);
	void (*thread_end)(void);
	/* Lock and unlock count times. */
	void (*read_loop)(unsigned long count);
	/* Call inside() within a section. */
	void (*section)(void (*inside)(void *arg), void *arg);
	void (*synchronize)(void);
	/* NULL if no thread of the implementation makes the call. */
	void (*call)(struct peer_call *call);
	void (*barrier)(void);
};

/* Implementations that were installed at build time; NULL at the end. */
extern const struct peer *const peers[];

/* Keep the compiler from dropping a loop of empty sections. */
#define KEEP_LOOP() __asm__ volatile("" ::: "memory")

#endif
