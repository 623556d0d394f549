/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_FILTER_H
#define BF_PRELOAD_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Reads the program's struct sock_fprog.  False: the kernel will refuse it. The
 * instructions stay where they are.
 */
bool filter_read(const void *addr, struct sock_fprog *filter);

/*
 * The activities that a filter forbids: of enum forbidden.  The filter comes
 * from filter_read().
 */
uint32_t filter_forbids(const struct sock_fprog *filter);

#endif
