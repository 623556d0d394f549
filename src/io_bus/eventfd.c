// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io_bus/eventfd.h"
#include "io_bus/same_file.h"

/*
 * Without /proc all that can be told is that an anonymous inode has no file
 * type: the kernel's other ones would pass too, and their write() fails.
 */
static int check_without_proc(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -EBADF;
	return st.st_mode & S_IFMT ? -EINVAL : 0;
}

int bf_eventfd_check(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[sizeof("/proc/self/fd/-2147483648")], link[sizeof(name)];
	ssize_t len;

	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link));
	if (len < 0)
		return check_without_proc(fd);
	if (len != sizeof(name) - 1 || memcmp(link, name, sizeof(name) - 1))
		return -EINVAL;
	return 0;
}

/* Not one of the standard streams, whoever closed them. */
#define LOWEST_FD (STDERR_FILENO + 1)

static int next_number(int fd)
{
	int ret = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);

	return ret < 0 ? -errno : ret;
}

static void close_run(int first, int last)
{
	if (first < last && !syscall(SYS_close_range, first, last, 0))
		return;
	for (; first <= last; first++)
		syscall(SYS_close, first);
}

static struct bf_eventfd_numbers numbers = {next_number, close_run};

void bf_eventfd_set_numbers(const struct bf_eventfd_numbers *other)
{
	numbers = *other;
}

int bf_eventfd_get(struct bf_eventfd *eventfd, int fd)
{
	eventfd->fd = numbers.dup(fd);
	eventfd->flags = -1;
	return eventfd->fd < 0 ? eventfd->fd : 0;
}

void bf_eventfd_put(struct bf_eventfd *eventfd)
{
	numbers.close(eventfd->fd, eventfd->fd);
}

void bf_eventfd_put_run(int first, int last)
{
	numbers.close(first, last);
}

/* The kernel's own number of the eventfd, as fdinfo shows it; -1 if not. */
static long eventfd_id(int fd)
{
	char path[sizeof("/proc/self/fdinfo/-2147483648")], line[64];
	long id = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (id < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "eventfd-id: %ld", &id) != 1)
			id = -1;
	fclose(file);
	return id;
}

bool bf_eventfd_surely_same(int fd, int other)
{
	return bf_same_file(fd, other) == 1;
}

bool bf_eventfd_same(int fd, int other)
{
	int ret = bf_same_file(fd, other);
	long id;

	if (ret >= 0 || ret == -EBADF)
		return ret == 1;
	id = eventfd_id(fd);
	return id >= 0 && id == eventfd_id(other);
}

/*
 * Asked at the first write: most doorbells never ring here.  Two that come
 * first both ask: no harm.
 */
static bool may_block(struct bf_eventfd *eventfd)
{
	int flags = __atomic_load_n(&eventfd->flags, __ATOMIC_RELAXED);

	if (flags < 0) {
		flags = fcntl(eventfd->fd, F_GETFL);
		__atomic_store_n(&eventfd->flags, flags, __ATOMIC_RELAXED);
	}
	return !(flags & O_NONBLOCK);
}

/*
 * A write to a blocking eventfd whose counter is at its maximum would sleep
 * until somebody reads; the kernel's own signal leaves the counter there.
 */
static bool would_block(struct bf_eventfd *eventfd)
{
	struct pollfd pfd = {.fd = eventfd->fd, .events = POLLOUT};

	return may_block(eventfd) && poll(&pfd, 1, 0) == 0;
}

void bf_eventfd_signal(struct bf_eventfd *eventfd)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t ret;

	if (!would_block(eventfd)) {
		do {
			ret = write(eventfd->fd, &one, sizeof(one));
		} while (ret < 0 && errno == EINTR);
	}
	errno = saved;
}
