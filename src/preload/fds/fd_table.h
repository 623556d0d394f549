/* SPDX-License-Identifier: MIT */
/*
 * The table from the program's fds to VMs, vCPUs and devices.  Each entry holds
 * a reference on its object.  Lookups and changes take no lock.
 */
#ifndef BF_PRELOAD_FD_TABLE_H
#define BF_PRELOAD_FD_TABLE_H

#include <stdbool.h>

#include "preload/fds/object.h"

/* The object of @fd with a reference for the caller, or NULL. */
struct object *fd_table_get(int fd);
struct object *fd_table_get_kind(int fd, enum object_kind kind);

/*
 * Enters @fd for @obj and takes over the caller's reference.  Replaces an entry
 * that a close() out of sight has left.  False if @fd is too large or memory is
 * short: the caller keeps its reference.
 */
bool fd_table_set(int fd, struct object *obj);

/* Removes the entry.  The caller gets its reference.  NULL: no entry. */
struct object *fd_table_take(int fd);

/* One load; another thread may change the entry at once. */
bool fd_table_contains(int fd);

/* Calls @fn for each entry in [first, last]. */
void fd_table_walk(unsigned int first, unsigned int last, void (*fn)(int fd));

/* In the child of a fork(): drops all entries, but no reference. */
void fd_table_forget(void);

/*
 * For interposed calls that make or end fds: as above, but NULL in a child that
 * shares the parent's memory and not its fds (vfork(), clone()).
 */
struct object *fd_table_get_owned(int fd);
struct object *fd_table_take_owned(int fd);

/*
 * For ioctl(): as fd_table_get(), and learns an fd that is not in the table.
 * The program may have received it over a socket or from pidfd_getfd(), or made
 * it by a raw system call.  If it refers to the same file as an entry, it
 * becomes an entry of that object; else of a new, untracked object of @kind, so
 * that the next call finds it.  The result may be of the other kind.
 */
struct object *fd_table_lookup(int fd, enum object_kind kind);

/*
 * Enters @fd as one more fd of @obj and takes over the caller's reference.
 * Passes the VM through if the table cannot hold @fd.
 */
void fd_table_alias(int fd, struct object *obj);

/* vm_pass_through() for @fd, an fd of the VM, of a vCPU or of a device. */
void fd_table_pass_through(int fd, const char *why);

#endif
