/* SPDX-License-Identifier: MIT */
/*
 * Which fd numbers are VMs and vCPUs.  Reading takes no lock; nor does
 * changing.  Each number holds a reference on its object.
 */
#ifndef BF_PRELOAD_FDTABLE_H
#define BF_PRELOAD_FDTABLE_H

#include <stdbool.h>

#include "preload/fds/object.h"

/* One load and a branch or two; says nothing about a moment later. */
bool fdtable_knows(int fd);

/* The object of a number, counted for the caller; NULL where there is none. */
struct object *fdtable_get(int fd);
struct object *fdtable_get_kind(int fd, enum object_kind kind);

/*
 * Gives @fd to @obj and takes over the caller's reference.  What the number
 * was before has been closed behind our back.  False where the number cannot
 * be kept: the reference stays the caller's.
 */
bool fdtable_set(int fd, struct object *obj);

/* Takes the number out; its reference is the caller's.  NULL: unknown. */
struct object *fdtable_take(int fd);

/* Calls @fn on each known number in [first, last]. */
void fdtable_walk(unsigned int first, unsigned int last, void (*fn)(int fd));

/*
 * The object of the first known number of which @is says yes, counted for the
 * caller; NULL where there is none.
 */
struct object *fdtable_find(bool (*is)(int number, int fd), int fd);

/* In the child of a fork: forgets everything, the references too. */
void fdtable_forget(void);

#endif
