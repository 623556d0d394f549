/* SPDX-License-Identifier: MIT */
/*
 * The table of fd numbers as the calls see it that make and end numbers.  In
 * a child that shares its parent's memory but not its fds (vfork(), clone())
 * there are none to see.
 */
#ifndef BF_PRELOAD_NUMBERS_H
#define BF_PRELOAD_NUMBERS_H

#include "preload/object.h"

/* As fdtable_take() and fdtable_get(). */
struct object *number_take(int fd);
struct object *number_get(int fd);

/*
 * @fd is now a number of @obj; takes over the caller's reference.  Where that
 * cannot be kept, belfry steps aside for the VM.
 */
void number_give(int fd, struct object *obj);

/* The VM that @obj is or belongs to. */
struct object_vm *number_vm(struct object *obj);

#endif
