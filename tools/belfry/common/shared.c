/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/shared.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t __attribute__((may_alias)) word;

static void *map(int fd, size_t size)
{
	void *start;

	if (ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return NULL;
	start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return start == MAP_FAILED ? NULL : start;
}

void *shared_new(const char *name, size_t size, int *fd)
{
	void *start;

	*fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	start = *fd < 0 ? NULL : map(*fd, size);
	if (!start && *fd >= 0)
		close(*fd);
	return start;
}

void shared_copy(void *to, const void *from, size_t size)
{
	const word *source = from;
	word *copy = to;

	for (size_t i = 0; i < size / sizeof(word); i++)
		copy[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
}
