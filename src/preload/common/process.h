/* SPDX-License-Identifier: MIT */
/*
 * The process whose VMs and fds the library's tables describe.
 *
 * A child with a copy of the memory (fork(), a raw clone()) finds a wiped page,
 * whatever its pid is in its namespace.  It drops the parent's tables and owns
 * empty ones.  A child that shares the memory but not the fds (vfork(),
 * CLONE_VM) must not change the tables.
 */
#ifndef BF_PRELOAD_PROCESS_H
#define BF_PRELOAD_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/util.h"

/* False in a child that has a copy of the memory, until process_adopt(). */
extern _Atomic bool *process_known;

/* As process_adopt() read it. */
extern pid_t process_pid;

/* The owner before process_adopt(): the parent, in its own namespace. */
extern pid_t process_parent;

/*
 * The calling process owns the tables.  In each child with a copy of the memory
 * @forget is called: by fork(), or later, by process_check(), if @raw is true.
 * Then no handler of pthread_atfork() has run in the child.
 */
void process_setup(void (*forget)(bool raw));
void process_adopt(void);

void process_forget_parent(void);

/* Relaxed: the kernel wipes the page before the child runs. */
static inline void process_check(void)
{
	if (unlikely(
		    !atomic_load_explicit(process_known, memory_order_relaxed)))
		process_forget_parent();
}

/*
 * False in a child that shares the memory.  A thread that must not make the
 * system call counts as one of the owner.
 */
bool process_is_owner(void);

#endif
