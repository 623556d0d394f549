/* SPDX-License-Identifier: MIT */
/* Preloaded: an eventfd that gives one event too many, which must be seen. */
#include <sys/eventfd.h>
#include <unistd.h>

__attribute__((visibility("default"))) int eventfd_read(int fd,
							eventfd_t *value)
{
	if (read(fd, value, sizeof(*value)) != sizeof(*value))
		return -1;
	*value += 1;
	return 0;
}
