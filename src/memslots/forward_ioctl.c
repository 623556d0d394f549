// SPDX-License-Identifier: MIT
/* The system call alone, so that a test can play KVM. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memslots/forward.h"

long bf_forward_ioctl(int fd, unsigned long request, void *arg)
{
	long ret = syscall(SYS_ioctl, fd, request, arg);

	return ret < 0 ? -errno : ret;
}
