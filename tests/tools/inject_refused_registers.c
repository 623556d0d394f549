/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into belfry doorbell: KVM_SET_SREGS fails, as on a kernel that
 * refuses the registers of a guest.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long (*syscall_fn)(long number, ...);

__attribute__((visibility("default"))) long syscall(long number, ...)
{
	static syscall_fn next;
	unsigned long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, unsigned long);
	va_end(args);
	if (number == SYS_ioctl && arg[1] == KVM_SET_SREGS) {
		errno = EINVAL;
		return -1;
	}
	if (!next)
		next = (syscall_fn)dlsym(RTLD_NEXT, "syscall");
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
