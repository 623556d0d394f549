/* SPDX-License-Identifier: MIT */
/* VMMs with unusual eventfds, and one that prints the size of its fd table. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testvmm.h"

#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

static int make_raw_eventfd(void)
{
	return (int)syscall(SYS_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* The only fd that is left of it came over a socket. */
static int receive_eventfd(void)
{
	int sockets[2], fds[2];

	testvmm_check(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0,
				  sockets),
		      "socketpair");
	fds[0] = fds[1] = make_raw_eventfd();
	testvmm_send_fds(sockets[0], fds);
	close(fds[0]);
	testvmm_receive_fds(sockets[1], fds);
	close(fds[1]);
	close(sockets[0]);
	close(sockets[1]);
	return fds[0];
}

static int fetch_eventfd(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int fd = make_raw_eventfd();
	int other = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	close(fd);
	close(pidfd);
	return other;
}

static int duplicate_raw(void)
{
	int fd = testvmm_eventfd();
	int other = (int)syscall(SYS_dup, fd);

	close(fd);
	return other;
}

static void print_answer(const struct testvmm *vm, const char *what, int fd,
			 uint32_t flags)
{
	printf("%s: %s\n", what,
	       strerrorname_np(
		       testvmm_ioeventfd(vm->fd, fd, GUEST_MMIO, 4, flags, 0)));
}

/* belfry must recognise the eventfd by any of its fds. */
static void use_eventfd(int (*make)(void))
{
	int efd = make(), same, other = make_raw_eventfd();
	struct testvmm vm;

	testvmm_check(efd >= 0, "eventfd");
	testvmm_create(&vm, 1);
	print_answer(&vm, "assign", efd, 0);
	same = (int)syscall(SYS_dup, efd);
	print_answer(&vm, "again", same, 0);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	printf("signals: %" PRIu64 "\n", testvmm_read_count(same));
	print_answer(&vm, "deassign another", other, DEASSIGN);
	close(efd);
	print_answer(&vm, "deassign it", same, DEASSIGN);
	print_answer(&vm, "once more", same, DEASSIGN);
	testvmm_destroy(&vm);
	close(same);
	close(other);
}

void scenario_unseen_eventfds(void)
{
	use_eventfd(make_raw_eventfd);
	use_eventfd(receive_eventfd);
	use_eventfd(fetch_eventfd);
	use_eventfd(duplicate_raw);
}

static void fill_eventfd(int flags)
{
	const uint64_t most = UINT64_MAX - 1;
	struct pollfd pfd = {.events = POLLIN | POLLOUT};
	struct testvmm vm;

	pfd.fd = eventfd(0, EFD_CLOEXEC | flags);
	testvmm_check(write(pfd.fd, &most, sizeof(most)) == sizeof(most),
		      "write");
	testvmm_create(&vm, 1);
	print_answer(&vm, "assign", pfd.fd, 0);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	testvmm_check(poll(&pfd, 1, 0) == 1, "poll");
	printf("events %#x, count %#" PRIx64 "\n", (unsigned int)pfd.revents,
	       testvmm_read_count(pfd.fd));
	testvmm_destroy(&vm);
	close(pfd.fd);
}

/*
 * If it is not non-blocking, a write(2) would sleep, but the guest must run on.
 */
void scenario_full_eventfd(void)
{
	fill_eventfd(0);
	fill_eventfd(EFD_NONBLOCK);
}

/* After its close an eventfd must be gone from the epoll set. */
void scenario_polled_eventfd(void)
{
	int efd = testvmm_eventfd(), poll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	struct testvmm vm;

	testvmm_check(!epoll_ctl(poll, EPOLL_CTL_ADD, efd, &event),
		      "epoll_ctl");
	testvmm_create(&vm, 1);
	print_answer(&vm, "assign", efd, 0);
	close(efd);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	printf("events: %d\n", epoll_wait(poll, &event, 1, 0));
	testvmm_destroy(&vm);
	close(poll);
}

/* Prints the number of fds that fit into the kernel's current table. */
void scenario_fd_table(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned int size = 0;
	char line[256];

	testvmm_check(file != NULL, "/proc/self/status");
	while (!size && fgets(line, sizeof(line), file))
		if (sscanf(line, "FDSize: %u", &size) != 1)
			size = 0;
	fclose(file);
	printf("%u\n", size);
}
