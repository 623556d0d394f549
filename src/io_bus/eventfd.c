// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "belfry/io_bus.h"
#include "io_bus/eventfd.h"

static int same_file_by_kcmp(int fd, int other)
{
	const pid_t pid = getpid();
	long ret = syscall(SYS_kcmp, pid, pid, KCMP_FILE, fd, other);

	return ret < 0 ? -errno : !ret;
}

/*
 * fcntl(2) compares two pointers.  kcmp(2) checks first whether the process may
 * inspect itself, which takes five times as long.
 */
int bf_same_file(int fd, int other)
{
	static bool query_unknown;
	long ret;

	if (__atomic_load_n(&query_unknown, __ATOMIC_RELAXED))
		return same_file_by_kcmp(fd, other);
	ret = syscall(SYS_fcntl, fd, BF_F_DUPFD_QUERY, other);
	if (ret >= 0)
		return (int)ret;
	if (errno == EBADF)
		return -EBADF;
	/* A kernel without the query returns EINVAL: do not ask it again. */
	if (errno == EINVAL)
		__atomic_store_n(&query_unknown, true, __ATOMIC_RELAXED);
	return same_file_by_kcmp(fd, other);
}

/*
 * Without /proc only the file type is left: anonymous inodes have none.  Other
 * anonymous inodes pass as well; a write to them fails.
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

/* The kernel's number of the eventfd, as fdinfo shows it; -1: unknown. */
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

bool bf_eventfd_same(int fd, int other)
{
	int ret = bf_same_file(fd, other);
	long id;

	if (ret >= 0 || ret == -EBADF)
		return ret == 1;
	id = eventfd_id(fd);
	return id >= 0 && id == eventfd_id(other);
}

/* Above the standard streams, even if the program has closed some of them. */
#define LOWEST_FD (STDERR_FILENO + 1)

static int dup_lowest(int fd)
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

static struct bf_eventfd_fd_ops fd_ops = {dup_lowest, close_run};

void bf_eventfd_set_fd_ops(const struct bf_eventfd_fd_ops *ops)
{
	fd_ops = *ops;
}

int bf_eventfd_dup(struct bf_eventfd *eventfd, int fd)
{
	eventfd->fd = fd_ops.dup(fd);
	if (eventfd->fd < 0)
		return eventfd->fd;
	eventfd->blocks = !(fcntl(eventfd->fd, F_GETFL) & O_NONBLOCK);
	eventfd->relayed = 0;
	eventfd->users = 1;
	eventfd->left = false;
	return 0;
}

void bf_eventfd_close(struct bf_eventfd *eventfd)
{
	fd_ops.close(eventfd->fd, eventfd->fd);
}

__thread bool bf_eventfd_no_poll;
__thread bool bf_eventfd_no_saturate;

#define SHARED	      1u
#define NO_COMPLETION 2u
/* For all threads. */
#define NO_POLL	    4u
#define NO_SATURATE 8u
#define NO_RELAY    16u

/*
 * In one word, so that relaxed orders are enough: of two threads of which one
 * sets one bit and the other one the other, the later one sees both.  Otherwise
 * neither might give the doorbells to the kernel.
 */
static unsigned int sharing;

void bf_eventfd_share(void)
{
	__atomic_fetch_or(&sharing, SHARED, __ATOMIC_RELAXED);
}

void bf_eventfd_forbid_completion(void)
{
	__atomic_fetch_or(&sharing, NO_COMPLETION, __ATOMIC_RELAXED);
}

void bf_eventfd_forbid_all(bool poll, bool saturate, bool relay)
{
	__atomic_fetch_or(&sharing,
			  (poll ? NO_POLL : 0) | (saturate ? NO_SATURATE : 0) |
				  (relay ? NO_RELAY : 0),
			  __ATOMIC_RELAXED);
}

static bool all_forbid(unsigned int bit)
{
	return __atomic_load_n(&sharing, __ATOMIC_RELAXED) & bit;
}

static bool may_saturate(void)
{
	return !bf_eventfd_no_saturate && !all_forbid(NO_SATURATE);
}

bool bf_eventfd_may_sleep(void)
{
	unsigned int bits = __atomic_load_n(&sharing, __ATOMIC_RELAXED);

	return bits & SHARED && (bits & NO_COMPLETION ||
				 !bf_eventfd_can_complete(may_saturate()));
}

bool bf_eventfd_relay_may_sleep(void)
{
	return all_forbid(NO_SATURATE) || !bf_eventfd_can_complete(false);
}

void bf_io_share_eventfds(void)
{
	bf_eventfd_share();
}

static void begin_child(void)
{
	bf_eventfd_forget_context();
	bf_eventfd_forget_relay();
}

/* A constructor: an eventfd may exist before the first bus. */
__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(bf_eventfd_share, NULL, begin_child);
}

/*
 * Relaxed: the caller of bf_eventfd_share() has not given the eventfd away yet,
 * so whatever tells a thread of the other process orders this load, too.
 */
bool bf_eventfd_is_shared(void)
{
	return __atomic_load_n(&sharing, __ATOMIC_RELAXED) & SHARED;
}

/* Not every processor has poll(2), and ppoll(2) is the slower one. */
#ifdef SYS_poll
static long poll_one(struct pollfd *pfd)
{
	return syscall(SYS_poll, pfd, 1, 0);
}
#else
static long poll_one(struct pollfd *pfd)
{
	const struct timespec now = {0};

	return syscall(SYS_ppoll, pfd, 1, &now, NULL, 0);
}
#endif

static int poll_now(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return poll_one(&pfd) < 0 ? -1 : pfd.revents;
}

/*
 * From 2^64 - 2 on a write to a blocking eventfd sleeps until the counter is
 * read.  At 2^64 - 1 poll(2) returns POLLERR alone.
 */
static bool write_would_sleep(const struct bf_eventfd *eventfd)
{
	int events;

	if (!(eventfd->blocks || bf_eventfd_is_shared()) ||
	    bf_eventfd_no_poll || all_forbid(NO_POLL))
		return false;
	events = poll_now(eventfd->fd, POLLOUT);
	return events >= 0 && !(events & POLLOUT);
}

/*
 * KVM_RUN is no cancellation point, and the caller is in a section, which a
 * thread that ends here would leave open.  syscall(2) is none, unlike write(2).
 */
static bool add_one(const struct bf_eventfd *eventfd)
{
	const uint64_t one = 1;
	long ret;

	if (write_would_sleep(eventfd))
		return false;
	do {
		ret = syscall(SYS_write, eventfd->fd, &one, sizeof(one));
	} while (ret < 0 && errno == EINTR);
	return ret >= 0 || errno != EAGAIN;
}

static bool complete_shared(const struct bf_eventfd *eventfd)
{
	return may_saturate() && bf_eventfd_complete(eventfd->fd);
}

/* A filter for all threads reaches the worker, too. */
static bool signal_shared(struct bf_eventfd *eventfd)
{
	return complete_shared(eventfd) ||
	       (!all_forbid(NO_RELAY) && bf_eventfd_relay(eventfd));
}

static void write_or_saturate(const struct bf_eventfd *eventfd)
{
	if (!add_one(eventfd) && may_saturate())
		bf_eventfd_complete(eventfd->fd);
}

/*
 * A write takes a third of the time of a completion.  If another process has
 * the eventfd, it can make any write sleep: see saturate.c.
 */
void bf_eventfd_signal(struct bf_eventfd *eventfd)
{
	int saved = errno;

	if (!unlikely(bf_eventfd_is_shared()) || !signal_shared(eventfd))
		write_or_saturate(eventfd);
	errno = saved;
}

void bf_eventfd_signal_here(struct bf_eventfd *eventfd)
{
	int saved = errno;

	if (!complete_shared(eventfd))
		write_or_saturate(eventfd);
	errno = saved;
}

void bf_eventfd_pool_init(struct bf_eventfd_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	TAILQ_INIT(&pool->all);
}

void bf_eventfd_pool_close(struct bf_eventfd_pool *pool)
{
	pool->closing = true;
}

/* Duplicates that were made in a row mostly have numbers in a row. */
static void pool_close_fds(const struct bf_eventfd_pool *pool)
{
	const struct bf_shared_eventfd *shared;
	int first = 0, last = -1;

	TAILQ_FOREACH(shared, &pool->all, entry)
	{
		if (shared->eventfd.fd != last + 1) {
			fd_ops.close(first, last);
			first = shared->eventfd.fd;
		}
		last = shared->eventfd.fd;
	}
	fd_ops.close(first, last);
}

static void pool_leave_fds(struct bf_eventfd_pool *pool)
{
	struct bf_shared_eventfd *shared, *next;

	for (shared = TAILQ_FIRST(&pool->all); shared; shared = next) {
		next = TAILQ_NEXT(shared, entry);
		TAILQ_REMOVE(&pool->all, shared, entry);
		if (!bf_eventfd_leave(&shared->eventfd)) {
			if (next)
				TAILQ_INSERT_BEFORE(next, shared, entry);
			else
				TAILQ_INSERT_TAIL(&pool->all, shared, entry);
		}
	}
}

void bf_eventfd_pool_destroy(struct bf_eventfd_pool *pool)
{
	struct bf_shared_eventfd *shared;

	pool_leave_fds(pool);
	pool_close_fds(pool);
	while ((shared = TAILQ_FIRST(&pool->all))) {
		TAILQ_REMOVE(&pool->all, shared, entry);
		free(shared);
	}
	pthread_mutex_destroy(&pool->lock);
}

static struct bf_shared_eventfd **pool_slot(struct bf_eventfd_pool *pool,
					    int fd)
{
	return &pool->recent[(unsigned int)fd % ARRAY_SIZE(pool->recent)];
}

/* fd may be another file by now.  Without kcmp(2) and the query: unknown. */
static bool is_still(const struct bf_shared_eventfd *shared, int fd)
{
	return shared && shared->original == fd &&
	       bf_same_file(shared->eventfd.fd, fd) == 1;
}

static int shared_make(int fd, struct bf_shared_eventfd **sharedp)
{
	struct bf_shared_eventfd *shared = malloc(sizeof(*shared));
	int ret;

	if (!shared)
		return -ENOMEM;
	ret = bf_eventfd_dup(&shared->eventfd, fd);
	if (ret) {
		free(shared);
		return ret;
	}
	shared->original = fd;
	shared->valid = false;
	shared->users = 0;
	*sharedp = shared;
	return 0;
}

int bf_eventfd_get(struct bf_eventfd_pool *pool, int fd,
		   struct bf_shared_eventfd **sharedp)
{
	struct bf_shared_eventfd **slot = pool_slot(pool, fd);
	int ret = 0;

	pthread_mutex_lock(&pool->lock);
	if (!is_still(*slot, fd)) {
		ret = shared_make(fd, slot);
		if (!ret)
			TAILQ_INSERT_TAIL(&pool->all, *slot, entry);
	}
	if (!ret) {
		(*slot)->users++;
		*sharedp = *slot;
	}
	pthread_mutex_unlock(&pool->lock);
	return ret;
}

/* Drops a user; true: it was the last one, and the pool forgot the eventfd. */
static bool pool_drop(struct bf_eventfd_pool *pool,
		      struct bf_shared_eventfd *shared)
{
	struct bf_shared_eventfd **slot = pool_slot(pool, shared->original);

	if (--shared->users)
		return false;
	TAILQ_REMOVE(&pool->all, shared, entry);
	if (*slot == shared)
		*slot = NULL;
	return true;
}

/* The lock keeps pool_find() from an eventfd that is about to be closed. */
void bf_eventfd_put(struct bf_eventfd_pool *pool,
		    struct bf_shared_eventfd *shared)
{
	bool last;

	if (pool->closing)
		return;
	pthread_mutex_lock(&pool->lock);
	last = pool_drop(pool, shared);
	pthread_mutex_unlock(&pool->lock);
	if (last && !bf_eventfd_leave(&shared->eventfd))
		bf_eventfd_free(&shared->eventfd);
}

void bf_eventfd_free(struct bf_eventfd *eventfd)
{
	bf_eventfd_close(eventfd);
	free(container_of(eventfd, struct bf_shared_eventfd, eventfd));
}
