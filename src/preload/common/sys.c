/* SPDX-License-Identifier: MIT */
#include <stdarg.h>

#include "preload/common/sys.h"

/*
 * The linker redirects the syscall() calls of the library's own code to this
 * function (-Wl,--wrap).  Otherwise they would reach the interposed syscall(),
 * which takes each call for one of the program's.
 */
long __wrap_syscall(long nr, ...);

long __wrap_syscall(long nr, ...)
{
	va_list list;
	long args[6];

	va_start(list, nr);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	return sys_libc_result(sys_call(nr, args[0], args[1], args[2], args[3],
					args[4], args[5]));
}
