/* SPDX-License-Identifier: MIT */
/* The library's constructor and destructor. */
#include <fcntl.h>
#include <unistd.h>

#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/fds/private_fd.h"
#include "preload/fds/shared_eventfd.h"
#include "preload/fds/vm.h"
#include "preload/interpose/fork.h"
#include "preload/interpose/next.h"
#include "preload/record/rows.h"

/*
 * The highest fd of a table that has room for the VMM's fds and the private
 * ones, which begin at PRIVATE_FD_MIN; and the highest within the limit that
 * most programs start with.
 */
#define MANY_FDS 2047
#define FEW_FDS	 1023

/*
 * Makes the kernel enlarge its fd table now, while the process has one thread.
 * Later, with several threads, the kernel waits for a grace period: 10 to 17 ms
 * in the call of the program that needs the next fd.
 */
static void grow_fd_table(void)
{
	long fd = sys_fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, MANY_FDS);

	if (fd == -EINVAL)
		fd = sys_fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FEW_FDS);
	if (fd >= 0)
		sys_close((int)fd);
}

/*
 * The bus keeps duplicates of eventfds.  They become private fds, so that they
 * stay open when the program closes every fd that it does not know.
 */
static const struct bf_eventfd_fd_ops eventfd_fd_ops = {shared_eventfd_dup,
							private_fd_close_run};

__attribute__((constructor)) static void setup(void)
{
	int saved_errno = errno;

	config.loaded_ns = bf_now_ns();
	next_find();
	process_setup(fork_forget_parent);
	config_load();
	record_setup();
	bf_front_counted = vm_count;
	if (!config.plain) {
		grow_fd_table();
		bf_eventfd_set_fd_ops(&eventfd_fd_ops);
		shared_eventfd_find();
	}
	errno = saved_errno;
}

__attribute__((destructor)) static void finish(void)
{
	if (!config.stats_shared)
		print_stats(config.stats);
}
