/* SPDX-License-Identifier: MIT */
/*
 * setjmp() and its relatives.  Each of them goes on to the next definition by a
 * jump, because the function must find the frame of its caller.
 */
#include <pthread.h>
#include <stdint.h>

#include "preload/interpose/jump.h"
#include "preload/interpose/next.h"

enum { JUMP_SETJMP, JUMP_SETJMP_WITHOUT_MASK, JUMP_SIGSETJMP };

/* Called by assembly alone, with the end of the caller's frame. */
__attribute__((used)) void *jump_note_saved(uintptr_t frame, int function,
					    int save_mask);

/*
 * JUMP_FUNCTION(name, number) defines a function of the enum above.  Weak:
 * ThreadSanitizer has its own, and links them into the program.
 */
#ifdef __x86_64__
#include "preload/interpose/jump_x86.h"
#else
#include "preload/interpose/jump_arm64.h"
#endif

JUMP_FUNCTION("setjmp", "0");
JUMP_FUNCTION("_setjmp", "1");
JUMP_FUNCTION("__sigsetjmp", "2");

JUMP_TLS uintptr_t jump_outermost;

/* The end of the stack: of the process's first thread; 0 in the others. */
static JUMP_TLS uintptr_t first_stack_end;

/* Of the dynamic loader. */
extern void *__libc_stack_end;

void jump_setup(void)
{
	first_stack_end = (uintptr_t)__libc_stack_end;
}

/* The C library puts a thread's own data at the outer end of its stack. */
static uintptr_t stack_end(void)
{
	return first_stack_end ? first_stack_end : (uintptr_t)pthread_self();
}

static void *next_function(int function)
{
	switch (function) {
	case JUMP_SETJMP:
		return (void *)next()->setjmp;
	case JUMP_SETJMP_WITHOUT_MASK:
		return (void *)next()->_setjmp;
	default:
		return (void *)next()->__sigsetjmp;
	}
}

/*
 * A frame beyond the end of the thread's stack belongs to a coroutine: no
 * KVM_RUN of this stack is inside of it.  sigsetjmp(env, 0) is that of
 * pthread_cleanup_push() and of QEMU's coroutines.  A handler that jumps there
 * would leave its own signal blocked.
 */
void *jump_note_saved(uintptr_t frame, int function, int save_mask)
{
	if (frame > jump_outermost && frame <= stack_end() &&
	    (function != JUMP_SIGSETJMP || save_mask))
		jump_outermost = frame;
	return next_function(function);
}
