/* SPDX-License-Identifier: MIT */
/* The settings from the environment, and state that the whole library shares. */
#ifndef BF_PRELOAD_CONFIG_H
#define BF_PRELOAD_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "preload/record/stats.h"
#include "front/front.h"

/* Activities that a seccomp filter of the program forbids: bits. */
enum config_forbidden {
	FORBIDDEN_FRONT = 1 << 0,     /* answering for the kernel */
	FORBIDDEN_LEARN = 1 << 1,     /* adding an fd to the table */
	FORBIDDEN_PID = 1 << 2,	      /* process_is_owner() */
	FORBIDDEN_WRITE = 1 << 3,     /* a line on stderr */
	FORBIDDEN_THREAD = 1 << 4,    /* gettid() and the thread's name */
	FORBIDDEN_CALIBRATE = 1 << 5, /* measuring a throw-away VM */
	FORBIDDEN_GUARD = 1 << 6,     /* blocking signals around KVM_RUN */
};

struct config {
	bool plain;	    /* measure only; the kernel answers every call */
	uint64_t loaded_ns; /* the dynamic linker's end, before main() */
	struct bf_front_config front;
	struct stats *stats; /* never NULL */
	bool stats_shared;   /* belfry run owns and prints the counters */
	_Atomic uint32_t forbidden; /* of enum config_forbidden */
};

/* Before config_load(): plain, with private counters. */
extern struct config config;

/* Reads the environment and opens the counters of belfry run. */
void config_load(void);

/*
 * Relaxed: a thread reads the bits of a filter that it installed itself, or
 * that another thread installed for all threads with SECCOMP_FILTER_FLAG_TSYNC;
 * seccomp(2) orders the two.  One thread's filter counts for every thread.
 */
static inline bool config_forbids(uint32_t activities)
{
	return atomic_load_explicit(&config.forbidden, memory_order_relaxed) &
	       activities;
}

#endif
