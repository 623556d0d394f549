/* SPDX-License-Identifier: MIT */
/* What the library was told to do, and what all of it shares. */
#ifndef BF_PRELOAD_CONFIG_H
#define BF_PRELOAD_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "preload/record/stats.h"
#include "vm/front.h"

/* What the program's seccomp filters forbid: bits, of config.forbidden. */
enum config_forbidden {
	FORBIDDEN_FRONT = 1 << 0,     /* what the front cannot do without */
	FORBIDDEN_LEARN = 1 << 1,     /* what keeps a number in mind */
	FORBIDDEN_PID = 1 << 2,	      /* getpid() */
	FORBIDDEN_WRITE = 1 << 3,     /* a line on stderr */
	FORBIDDEN_THREAD = 1 << 4,    /* what tells of a thread: gettid() */
	FORBIDDEN_CALIBRATE = 1 << 5, /* what finds out about rings */
};

struct config {
	bool plain;	    /* measure, change nothing */
	uint64_t loaded_ns; /* when the program's own code was to begin */
	struct bf_front_config front;
	struct stats *stats; /* never NULL */
	bool stats_shared;   /* belfry run prints them */
	pid_t pid;	     /* whose fds the table describes */
	_Atomic uint32_t forbidden;
};

/* Until the library is set up: plain, with counters that nobody reads. */
extern struct config config;

/* Reads the environment. */
void config_load(void);

/*
 * False in a child that did not come through fork() (vfork(), clone()): the
 * table is not its own, and it must not change it.
 */
bool config_is_owner(void);

/* After fork(): the child's table is its own. */
void config_own(void);

/*
 * Forbidden in one thread is forbidden: relaxed, because a thread learns of a
 * filter of its own, or from who filters all threads.
 */
static inline bool config_forbids(uint32_t what)
{
	return atomic_load_explicit(&config.forbidden, memory_order_relaxed) &
	       what;
}

#endif
