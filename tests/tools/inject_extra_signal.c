/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into belfry doorbell: each read of an eventfd returns one signal
 * too many, which the tool must detect.
 */
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
