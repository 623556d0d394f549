/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "io_bus/eventfd.h"
#include "preload/common/sys.h"
#include "preload/fds/private_fd.h"
#include "preload/fds/shared_eventfd.h"

void shared_eventfd_find(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!dir) {
		bf_eventfd_share();
		return;
	}
	while (!bf_eventfd_is_shared() && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    !bf_eventfd_check(atoi(entry->d_name)))
			bf_eventfd_share();
	closedir(dir);
}

/*
 * Without FD_CLOEXEC each program that the VMM executes gets the eventfd, also
 * by posix_spawn() and system(), which this library does not see.
 */
int shared_eventfd_dup(int fd)
{
	if (!bf_eventfd_is_shared() && sys_fcntl(fd, F_GETFD, 0) != FD_CLOEXEC)
		bf_eventfd_share();
	return private_fd_dup(fd);
}
