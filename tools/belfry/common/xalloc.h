/* SPDX-License-Identifier: MIT */
/* Memory for the commands: without any, the process ends with one line. */
#ifndef BF_CLI_XALLOC_H
#define BF_CLI_XALLOC_H

#include <stddef.h>

/* old, now with room for count elements of size bytes; new room is zero. */
void *xgrow(void *old, size_t old_count, size_t count, size_t size);

char *xstrdup(const char *text);

/* Ends the process where an allocation elsewhere gave NULL; else gives it. */
void *xcheck(void *p);

#endif
