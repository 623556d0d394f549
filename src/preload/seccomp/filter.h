/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_FILTER_H
#define BF_PRELOAD_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

/* The activities that a seccomp filter forbids: of enum forbidden. */
uint32_t filter_forbids(const struct sock_fprog *filter);

#endif
