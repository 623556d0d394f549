/* SPDX-License-Identifier: MIT */
/*
 * The fd numbers that are ours and not the program's.  They are high, out of
 * the way of programs that close or replace the numbers they count on, and
 * known, so that the calls that do this to all numbers can spare them.
 */
#ifndef BF_PRELOAD_OWN_H
#define BF_PRELOAD_OWN_H

#include <stdbool.h>

/* Ours begin here, where the program's limit allows. */
#define OWN_MIN 512

/* A number of ours for what @fd is, closed by exec(); or a negative errno. */
int own_dup(int fd);
void own_close(int fd);

/* All numbers from the first to the last, which are ours. */
void own_close_run(int first, int last);

/* Is the number ours?  One load; false in a child that is not the owner. */
bool own_has(int fd);

/* The lowest of ours in [first, last], or -1. */
int own_first(unsigned int first, unsigned int last);

/* In the child of a fork, which has closed them. */
void own_forget(void);

#endif
