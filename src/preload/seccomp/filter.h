/* SPDX-License-Identifier: MIT */
/* Filters of system calls, as seccomp(2) takes them. */
#ifndef BF_PRELOAD_FILTER_H
#define BF_PRELOAD_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

/* What a thread behind this filter can do no more: of enum config_forbidden. */
uint32_t filter_forbids(const struct sock_fprog *filter);

#endif
