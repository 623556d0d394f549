/* SPDX-License-Identifier: MIT */
/* The fds in the control data of a message (SCM_RIGHTS). */
#ifndef BF_PRELOAD_RIGHTS_H
#define BF_PRELOAD_RIGHTS_H

#include <stddef.h>

/*
 * Calls @fn for each fd in @size bytes of control data, which may be malformed:
 * headers that claim more than there is, or less than a header, end the walk.
 */
void rights_walk(const void *control, size_t size, void (*fn)(int fd));

#endif
