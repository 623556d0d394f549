/* SPDX-License-Identifier: MIT */
/*
 * Messages that carry fds.  While a message is in flight, the program may close
 * its last fd of a VM, and the VM lives on.  Its front ends then, so the kernel
 * must have the VM's doorbells before.
 */
#include <string.h>
#include <sys/socket.h>

#include "preload/fds/fd_table.h"
#include "preload/interpose/next.h"

static void pass_through_sent_fds(const struct cmsghdr *header)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
		fd_table_pass_through(fd, "its fd is sent over a socket");
	}
}

/* Reads a copy of the header: CMSG_NXTHDR() takes no pointer to const. */
static void before_send(const struct msghdr *message)
{
	struct msghdr copy;
	struct cmsghdr *header;

	if (!message || !message->msg_control)
		return;
	copy = *message;
	for (header = CMSG_FIRSTHDR(&copy); header;
	     header = CMSG_NXTHDR(&copy, header)) {
		if (header->cmsg_len < sizeof(*header))
			return;
		if (header->cmsg_level == SOL_SOCKET &&
		    header->cmsg_type == SCM_RIGHTS)
			pass_through_sent_fds(header);
	}
}

INTERPOSE ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	before_send(message);
	return next()->sendmsg(fd, message, flags);
}

INTERPOSE int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count,
		       int flags)
{
	for (unsigned int i = 0; messages && i < count; i++)
		before_send(&messages[i].msg_hdr);
	return next()->sendmmsg(fd, messages, count, flags);
}
