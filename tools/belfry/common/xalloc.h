/* SPDX-License-Identifier: MIT */
/* Allocation: if memory runs out, the process ends with one line. */
#ifndef BF_CLI_XALLOC_H
#define BF_CLI_XALLOC_H

#include <stddef.h>

/* Resize to count elements of size bytes; the new elements are zero. */
void *xgrow(void *old, size_t old_count, size_t count, size_t size);

char *xstrdup(const char *text);

char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Return p, the result of another allocator; end the process if it is NULL. */
void *xcheck(void *p);

#endif
