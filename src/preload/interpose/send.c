/* SPDX-License-Identifier: MIT */
/*
 * Messages that carry fds.
 *
 * While a message is in flight, the program may close its last fd of a VM, and
 * the VM lives on.  Its front ends then, so the kernel must have the VM's
 * doorbells before the call returns.  The library reads a message only after
 * the kernel has accepted it: the kernel has read all of that memory then, and
 * a message that it refuses fails with its errno.
 *
 * An eventfd that comes or goes in a message belongs to another process, too,
 * which must not block a signal.  The library hears of an eventfd that goes
 * before the kernel does, and therefore takes any control data for eventfds.
 */
#include <limits.h>
#include <sys/socket.h>

#include "io_bus/eventfd.h"
#include "preload/common/memory.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/shared_eventfd.h"
#include "preload/fds/rights.h"
#include "preload/interpose/next.h"

/* The kernel sends and receives no more messages in one call (UIO_MAXIOV). */
#define MESSAGES_MAX 1024u

static void pass_through_sent_fd(int fd)
{
	fd_table_pass_through(fd, "its fd is sent over a socket");
}

/* The kernel has accepted the message. */
static void after_send(const struct msghdr *message)
{
	if (message->msg_control)
		rights_walk(message->msg_control, message->msg_controllen,
			    pass_through_sent_fd);
}

/*
 * The kernel has not seen the messages yet.  If it cannot read them all, it may
 * send the first ones.
 */
static bool may_carry_fds(const char *messages, size_t size, size_t step)
{
	if (!memory_is_readable(messages, size))
		return true;
	for (; size >= step; size -= step, messages += step)
		if (((const struct msghdr *)(const void *)messages)->msg_control)
			return true;
	return false;
}

static void before_send(const void *messages, size_t size, size_t step)
{
	if (!bf_eventfd_is_shared() && may_carry_fds(messages, size, step))
		shared_eventfd_share();
}

INTERPOSE ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t ret;

	before_send(message, sizeof(*message), sizeof(*message));
	ret = next()->sendmsg(fd, message, flags);
	if (ret >= 0)
		after_send(message);
	return ret;
}

INTERPOSE int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count,
		       int flags)
{
	const unsigned int most = count < MESSAGES_MAX ? count : MESSAGES_MAX;
	int ret;

	before_send(messages, most * sizeof(*messages), sizeof(*messages));
	ret = next()->sendmmsg(fd, messages, count, flags);
	for (int i = 0; i < ret; i++)
		after_send(&messages[i].msg_hdr);
	return ret;
}

/* The kernel has filled the message in. */
static void after_receive(const struct msghdr *message)
{
	if (message->msg_control && message->msg_controllen)
		shared_eventfd_share();
}

INTERPOSE ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t ret = next()->recvmsg(fd, message, flags);

	if (ret >= 0)
		after_receive(message);
	return ret;
}

INTERPOSE int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count,
		       int flags, struct timespec *timeout)
{
	int ret = next()->recvmmsg(fd, messages, count, flags, timeout);

	for (int i = 0; i < ret; i++)
		after_receive(&messages[i].msg_hdr);
	return ret;
}
