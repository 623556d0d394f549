// SPDX-License-Identifier: MIT
/*
 * The kernel's ioeventfd counts up to 2^64 - 1, where poll(2) reports POLLERR;
 * write(2) only up to 2^64 - 2.  The completion of an asynchronous request
 * signals an eventfd as an ioeventfd does.
 */
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io_bus/eventfd.h"

/*
 * One context for the process: io_destroy(2) takes 30 ms.  A child of fork()
 * has the number without the context, so its io_submit(2) fails.
 */
static aio_context_t shared_context;

static bool context_make(aio_context_t old)
{
	aio_context_t new = 0;

	if (syscall(SYS_io_setup, 8, &new))
		return false;
	if (!__atomic_compare_exchange_n(&shared_context, &old, new, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		syscall(SYS_io_destroy, new);
	return true;
}

/*
 * An eventfd is readable, writable or both, so the request completes in
 * io_submit(2).
 */
static bool submit(aio_context_t context, int fd)
{
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = POLLIN | POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *requests[] = {&request};
	struct io_event event;

	if (syscall(SYS_io_submit, context, 1, requests) != 1)
		return false;
	syscall(SYS_io_getevents, context, 0, 1, &event, NULL);
	return true;
}

void bf_eventfd_saturate(int fd)
{
	aio_context_t context =
		__atomic_load_n(&shared_context, __ATOMIC_RELAXED);

	if (bf_eventfd_poll(fd, 0) || (context && submit(context, fd)))
		return;
	if (context_make(context))
		submit(__atomic_load_n(&shared_context, __ATOMIC_RELAXED), fd);
}
