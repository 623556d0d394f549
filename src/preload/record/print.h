/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_PRINT_H
#define BF_PRELOAD_PRINT_H

#include "preload/record/stats.h"

/* The counters on stderr; nothing where there was no KVM call. */
void print_stats(struct stats *stats);

#endif
