/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/socket.h>

#include "preload/fds/rights.h"

static void walk_fds(const char *data, size_t size, void (*fn)(int fd))
{
	int fd;

	for (; size >= sizeof(fd); size -= sizeof(fd), data += sizeof(fd)) {
		memcpy(&fd, data, sizeof(fd));
		fn(fd);
	}
}

/* Another thread of the program may change the data: copies each header. */
void rights_walk(const void *control, size_t size, void (*fn)(int fd))
{
	const char *at = control;
	struct cmsghdr header;
	size_t step;

	while (size >= sizeof(header)) {
		memcpy(&header, at, sizeof(header));
		if (header.cmsg_len < sizeof(header) || header.cmsg_len > size)
			return;
		if (header.cmsg_level == SOL_SOCKET &&
		    header.cmsg_type == SCM_RIGHTS)
			walk_fds(at + CMSG_LEN(0),
				 header.cmsg_len - CMSG_LEN(0), fn);
		step = CMSG_ALIGN(header.cmsg_len);
		if (step >= size)
			return;
		at += step;
		size -= step;
	}
}
