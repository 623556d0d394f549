/* SPDX-License-Identifier: MIT */
/* Start and end of the library in a program. */
#include <fcntl.h>
#include <unistd.h>

#include "io_bus/eventfd.h"
#include "preload/interpose/config.h"
#include "preload/interpose/fork.h"
#include "preload/fds/own.h"
#include "preload/record/print.h"
#include "preload/record/record.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"

/*
 * The highest number of a table that holds the VMM's fds and ours, which begin
 * at OWN_MIN; and of one within the limit that most programs start with.
 */
#define MANY_FDS 2047
#define FEW_FDS	 1023

/*
 * The kernel's table of fds grows at once here, while there is one thread.
 * Later, with several, the kernel would wait for a grace period: 10-17 ms in
 * whatever call of the program needs the next number.
 */
static void grow_fd_table(void)
{
	long fd = sys_fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, MANY_FDS);

	if (fd == -EINVAL)
		fd = sys_fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FEW_FDS);
	if (fd >= 0)
		sys_close((int)fd);
}

/* A call that closes all numbers of the program must not end doorbells. */
static const struct bf_eventfd_numbers numbers = {own_dup, own_close_run};

__attribute__((constructor)) static void setup(void)
{
	int saved_errno = errno;

	/* The dynamic linker is done; what comes now is ours, and counts. */
	config.loaded_ns = stats_now();
	config_load();
	record_setup();
	fork_setup();
	if (!config.plain) {
		grow_fd_table();
		bf_eventfd_set_numbers(&numbers);
	}
	errno = saved_errno;
}

__attribute__((destructor)) static void finish(void)
{
	vm_tell_all();
	if (!config.stats_shared)
		print_stats(config.stats);
}
