/* SPDX-License-Identifier: MIT */
/*
 * Messages with fd numbers in them.  While one is on its way the program may
 * close all its numbers of a VM, which lives on: the kernel must have by then
 * whatever it ought to have.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

#include "preload/fds/numbers.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"

static void is_sent(int fd)
{
	struct object *obj = number_get(fd);

	if (!obj)
		return;
	vm_step_aside(number_vm(obj), "its fd is sent over a socket");
	object_put(obj);
}

static void look_at_numbers(const struct cmsghdr *header)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
		is_sent(fd);
	}
}

/* CMSG_NXTHDR() wants what it does not change to be changeable. */
static void look_at(const struct msghdr *message)
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
			look_at_numbers(header);
	}
}

/* libc's own, which are points of cancellation. */
INTERPOSE ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	static ssize_t (*next)(int, const struct msghdr *, int);

	look_at(message);
	if (!__atomic_load_n(&next, __ATOMIC_RELAXED))
		__atomic_store_n(&next, dlsym(RTLD_NEXT, "sendmsg"),
				 __ATOMIC_RELAXED);
	return next(fd, message, flags);
}

INTERPOSE int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count,
		       int flags)
{
	static int (*next)(int, struct mmsghdr *, unsigned int, int);

	for (unsigned int i = 0; messages && i < count; i++)
		look_at(&messages[i].msg_hdr);
	if (!__atomic_load_n(&next, __ATOMIC_RELAXED))
		__atomic_store_n(&next, dlsym(RTLD_NEXT, "sendmmsg"),
				 __ATOMIC_RELAXED);
	return next(fd, messages, count, flags);
}
