/* SPDX-License-Identifier: MIT */
/* The settings from the environment, and state that the whole library shares. */
#ifndef BF_PRELOAD_CONFIG_H
#define BF_PRELOAD_CONFIG_H

#include <stdbool.h>

#include "preload/record/stats.h"
#include "front/front.h"

struct config {
	bool plain;	    /* measure only; the kernel answers every call */
	bool times_all;	    /* also calls that cannot wait: untimed.h */
	uint64_t loaded_ns; /* the dynamic linker's end, before main() */
	struct bf_front_config front;
	struct stats *stats; /* never NULL */
	bool stats_shared;   /* belfry run owns and prints the counters */
};

/* Before config_load(): plain, with private counters. */
extern struct config config;

/* Reads the environment and opens the counters of belfry run. */
void config_load(void);

#endif
