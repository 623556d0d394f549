/* SPDX-License-Identifier: MIT */
/* What the library was told to do, and what all of it shares. */
#ifndef BF_PRELOAD_CONFIG_H
#define BF_PRELOAD_CONFIG_H

#include <stdbool.h>
#include <sys/types.h>

#include "preload/stats.h"
#include "vm/front.h"

struct config {
	bool plain; /* measure, change nothing */
	struct bf_front_config front;
	struct stats *stats; /* never NULL */
	bool stats_shared;   /* belfry run prints them */
	pid_t pid;	     /* whose fds the table describes */
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

#endif
