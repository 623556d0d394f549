// SPDX-License-Identifier: MIT
/*
 * scripts/coverage links this in place of _exit(): the process keeps what it
 * executed.  A program without counters has no __gcov_exit().
 */
#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN __attribute__((weak)) void __gcov_exit(void);
__attribute__((noreturn)) void __real__exit(int status);
HIDDEN __attribute__((noreturn)) void __wrap__exit(int status);

void __wrap__exit(int status)
{
	if (__gcov_exit)
		__gcov_exit();
	__real__exit(status);
}
