/* SPDX-License-Identifier: MIT */
/* VMMs with unusual eventfds, and one that asks for its table of fds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tiny_vmm.h"

#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

static int raw_eventfd(void)
{
	return (int)syscall(SYS_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* The only number that is left of it has come over a socket. */
static int received_eventfd(void)
{
	int sockets[2], numbers[2];

	tiny_check(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets),
		   "socketpair");
	numbers[0] = numbers[1] = raw_eventfd();
	tiny_send_numbers(sockets[0], numbers);
	close(numbers[0]);
	tiny_receive_numbers(sockets[1], numbers);
	close(numbers[1]);
	close(sockets[0]);
	close(sockets[1]);
	return numbers[0];
}

static int fetched_eventfd(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int fd = raw_eventfd();
	int other = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	close(fd);
	close(pidfd);
	return other;
}

static int raw_duplicate(void)
{
	int fd = tiny_eventfd();
	int other = (int)syscall(SYS_dup, fd);

	close(fd);
	return other;
}

static void print_answer(const struct tiny_vm *vm, const char *what, int fd,
			 uint32_t flags)
{
	printf("%s: %s\n", what,
	       strerrorname_np(
		       tiny_ioeventfd(vm->fd, fd, GUEST_MMIO, 4, flags, 0)));
}

/* It is known as what it is, whatever number it is called by. */
static void use(int (*make)(void))
{
	int bell = make(), same, other = raw_eventfd();
	struct tiny_vm vm;

	tiny_check(bell >= 0, "eventfd");
	tiny_create(&vm, 1);
	print_answer(&vm, "assign", bell, 0);
	same = (int)syscall(SYS_dup, bell);
	print_answer(&vm, "again", same, 0);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	printf("rung: %" PRIu64 "\n", tiny_count(same));
	print_answer(&vm, "deassign another", other, DEASSIGN);
	close(bell);
	print_answer(&vm, "deassign it", same, DEASSIGN);
	print_answer(&vm, "once more", same, DEASSIGN);
	tiny_destroy(&vm);
	close(same);
	close(other);
}

void scenario_unseen_eventfds(void)
{
	use(raw_eventfd);
	use(received_eventfd);
	use(fetched_eventfd);
	use(raw_duplicate);
}

/* Nobody reads, and a write would sleep: the guest goes on. */
void scenario_full_eventfd(void)
{
	const uint64_t most = UINT64_MAX - 1;
	int bell = eventfd(0, EFD_CLOEXEC);
	struct tiny_vm vm;

	tiny_check(write(bell, &most, sizeof(most)) == sizeof(most), "write");
	tiny_create(&vm, 1);
	print_answer(&vm, "assign", bell, 0);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	printf("still full: %d\n", tiny_count(bell) >= most);
	tiny_destroy(&vm);
}

/* An eventfd that is closed is gone, from whoever polls it too. */
void scenario_polled_eventfd(void)
{
	int bell = tiny_eventfd(), poll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	struct tiny_vm vm;

	tiny_check(!epoll_ctl(poll, EPOLL_CTL_ADD, bell, &event), "epoll_ctl");
	tiny_create(&vm, 1);
	print_answer(&vm, "assign", bell, 0);
	close(bell);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	printf("events: %d\n", epoll_wait(poll, &event, 1, 0));
	tiny_destroy(&vm);
	close(poll);
}

/* How many fds the kernel has room for without another table. */
void scenario_fd_table(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned int size = 0;
	char line[256];

	tiny_check(file != NULL, "/proc/self/status");
	while (!size && fgets(line, sizeof(line), file))
		if (sscanf(line, "FDSize: %u", &size) != 1)
			size = 0;
	fclose(file);
	printf("%u\n", size);
}
