/* SPDX-License-Identifier: MIT */
/*
 * The table of fd numbers as the calls see it that make and end numbers.  In
 * a child that shares its parent's memory but not its fds (vfork(), clone())
 * there are none to see.
 */
#ifndef BF_PRELOAD_NUMBERS_H
#define BF_PRELOAD_NUMBERS_H

#include "preload/fds/object.h"

/* As fdtable_take() and fdtable_get(). */
struct object *number_take(int fd);
struct object *number_get(int fd);

/*
 * The object of a number on which a call of that kind is made; NULL: not ours.
 * One that came by ways that are not seen (a socket, pidfd_getfd(), a raw
 * system call) is recognised by the file behind it, as long as another number
 * of it is known, and is known from then on; so is one that is nobody's, which
 * is looked at once only.
 */
struct object *number_learn(int fd, enum object_kind kind);

/*
 * @fd is now a number of @obj; takes over the caller's reference.  Where that
 * cannot be kept, belfry steps aside for the VM.
 */
void number_give(int fd, struct object *obj);

/* The VM that @obj is or belongs to. */
struct object_vm *number_vm(struct object *obj);

#endif
