/* SPDX-License-Identifier: MIT */
/* Filters of system calls, as seccomp(2) takes them. */
#ifndef BF_PRELOAD_FILTER_H
#define BF_PRELOAD_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>

/* Does a thread behind this filter still do what the front does in it? */
bool filter_allows_front(const struct sock_fprog *filter);

#endif
