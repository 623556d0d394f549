/* SPDX-License-Identifier: MIT */
/*
 * Long jumps out of KVM_RUN.
 *
 * A signal handler that leaves KVM_RUN by a long jump may leave the library in
 * the middle of a served exit.  A thread can only jump to a frame that has
 * called setjmp() or one of its relatives, and has not returned.  So the library
 * replaces these functions, and notes the outermost such frame of each thread.
 */
#ifndef BF_PRELOAD_JUMP_H
#define BF_PRELOAD_JUMP_H

#include <stdbool.h>
#include <stdint.h>

/* The loader has room for it: the library is there when the program starts. */
#define JUMP_TLS __thread __attribute__((tls_model("initial-exec")))

extern JUMP_TLS uintptr_t jump_outermost;

/*
 * True: an outer frame of @frame may be the target of a jump.  It may have
 * returned, too: frames do not tell when they end.
 */
static inline bool jump_may_leave(const void *frame)
{
	return jump_outermost > (uintptr_t)frame;
}

/* In the process's first thread, before it makes any other. */
void jump_setup(void);

#endif
