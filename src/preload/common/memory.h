/* SPDX-License-Identifier: MIT */
/* The program's memory, which may be unreadable. */
#ifndef BF_PRELOAD_MEMORY_H
#define BF_PRELOAD_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* False: a seccomp filter of the thread forbids the question below. */
bool memory_may_be_asked(void);

/*
 * May @size bytes at @addr be read now?  False also if the thread must not ask.
 */
bool memory_is_readable(const void *addr, size_t size);

#endif
