/* SPDX-License-Identifier: MIT */
/*
 * The calls that forbid calls: prctl(), and syscall(), by which libraries
 * reach seccomp(2).  What the front does in the program's threads must not
 * become the death of one.  And syscall() for calls that belong to ioctl.c.
 */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "preload/interpose/config.h"
#include "preload/seccomp/filter.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"
#include "vm/calibrate.h"

static void calibrate(void)
{
	if (!config.front.rings && config.front.policy == BF_POLICY_LAZY)
		bf_calibrated_rings();
}

/* What is to be done while it is not forbidden yet. */
static void prepare(uint32_t forbidden)
{
	if (forbidden & FORBIDDEN_FRONT)
		vm_step_aside_all("a seccomp filter forbids what it does");
	else if (forbidden & FORBIDDEN_CALIBRATE)
		calibrate();
}

/* A child that shares the memory of its parent filters itself alone. */
static void forbid(uint32_t forbidden)
{
	if (!config_is_owner())
		return;
	if (!config.plain)
		prepare(forbidden);
	atomic_fetch_or(&config.forbidden, forbidden);
}

/* No filter at all is how a library asks whether there could be one. */
static void before_filter(const struct sock_fprog *filter)
{
	if (filter && filter->filter)
		forbid(filter_forbids(filter));
}

static void before_prctl(long option, long mode, long filter)
{
	if (option != PR_SET_SECCOMP)
		return;
	if (mode == SECCOMP_MODE_FILTER)
		before_filter((const struct sock_fprog *)filter);
	else
		forbid(~0u);
}

/*
 * The kernel takes strict mode without flags and argument only.  With some it
 * is how a library asks whether there is such a call.
 */
static void before_seccomp(long operation, long flags, long arg)
{
	if (operation == SECCOMP_SET_MODE_FILTER)
		before_filter((const struct sock_fprog *)arg);
	else if (operation == SECCOMP_SET_MODE_STRICT && !flags && !arg)
		forbid(~0u);
}

/* As libc's, which would be this one. */
static long call(long nr, const long args[6])
{
	register long r10 __asm__("r10") = args[3];
	register long r8 __asm__("r8") = args[4];
	register long r9 __asm__("r9") = args[5];
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(args[0]), "S"(args[1]), "d"(args[2]),
			   "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

static void read_args(long out[6], va_list args)
{
	for (int i = 0; i < 6; i++)
		out[i] = va_arg(args, long);
}

INTERPOSE long syscall(long nr, ...)
{
	va_list list;
	long args[6];

	va_start(list, nr);
	read_args(args, list);
	va_end(list);
	if (nr == SYS_seccomp)
		before_seccomp(args[0], args[1], args[2]);
	else if (nr == SYS_prctl)
		before_prctl(args[0], args[1], args[2]);
	else if (nr == SYS_ioctl)
		vm_called_raw((int)args[0], (unsigned long)args[1]);
	return call(nr, args);
}

INTERPOSE int prctl(int option, ...)
{
	va_list list;
	long args[6];

	va_start(list, option);
	read_args(args, list);
	va_end(list);
	before_prctl(option, args[0], args[1]);
	return (int)call(SYS_prctl, (const long[6]){option, args[0], args[1],
						    args[2], args[3], 0});
}
