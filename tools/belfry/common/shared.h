/* SPDX-License-Identifier: MIT */
/*
 * Memory that the tool shares with a command.  The command may write anything
 * to it at any time, so the tool copies what it uses, and checks the copy.
 */
#ifndef BF_CLI_SHARED_H
#define BF_CLI_SHARED_H

#include <stddef.h>

/*
 * Create a file of that size in memory, of zeroes, and map it.  Its size is
 * sealed: if the command could cut it, an access here would raise SIGBUS.
 * Returns NULL with errno on failure.
 */
void *shared_new(const char *name, size_t size, int *fd);

/*
 * Copy memory with one load for each word.  memcpy() allows the compiler to
 * read the source again after a check of the copy.  size is a multiple of 8.
 */
void shared_copy(void *to, const void *from, size_t size);

#endif
