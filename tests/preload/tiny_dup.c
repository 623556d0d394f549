/* SPDX-License-Identifier: MIT */
/* VMMs that copy, replace and close numbers of fds. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tiny_vmm.h"

#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH

/* All that a number may go through, and the VM stays the same one. */
void scenario_numbers(void)
{
	struct tiny_vm vm;
	int bell, other;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	other = dup(vm.fd);
	close(vm.fd);
	tiny_assign(other, bell, GUEST_MMIO, 4, MATCH, 1);
	vm.fd = fcntl(other, F_DUPFD_CLOEXEC, 40);
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 2);
	tiny_check(dup2(vm.fd, other) == other, "dup2 onto itself");
	close(vm.fd);
	tiny_assign(other, bell, GUEST_MMIO, 4, MATCH, 3);
	vm.fd = dup3(other, 50, O_CLOEXEC);
	close_range((unsigned int)other, (unsigned int)other, 0);
	printf("closed: %s\n", strerrorname_np(tiny_ioeventfd(
				       other, bell, GUEST_MMIO, 4, MATCH, 9)));
	printf("collides: %s\n",
	       strerrorname_np(
		       tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, MATCH, 3)));
	printf("dup2 fails: %d\n", dup2(999, vm.fd));
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 4);

	other = dup(vm.vcpu[0].fd);
	close(vm.vcpu[0].fd);
	vm.vcpu[0].fd = other;
	tiny_start(&vm, 0, &guest_count, 6);
	tiny_run(&vm, 0);
	tiny_print_count("rung", bell);
	tiny_destroy(&vm);
}

enum { SOME_FDS = 4096 };

static int is_of(const struct tiny_vm *vm, int bell, int fd)
{
	return fd == vm->kvm || fd == vm->fd || fd == vm->vcpu[0].fd ||
	       fd == bell;
}

/* A VMM that closes what it knows not to be its own. */
void scenario_strangers(void)
{
	struct tiny_vm vm;
	unsigned int above;
	int bell, open = 0;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 2);
	above = (unsigned int)bell + 1;
	for (int fd = 3; fd < SOME_FDS; fd++)
		open += !is_of(&vm, bell, fd) && !close(fd);
	printf("strangers: %d\n", open);
	printf("range: %d\n", close_range(above, ~0u, 0));
	printf("unshared: %d\n", close_range(above, ~0u, CLOSE_RANGE_UNSHARE));
	printf("bad flags: %d\n", close_range(above, ~0u, 1 << 20));
	closefrom((int)above);
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	tiny_print_count("rung", bell);
	tiny_destroy(&vm);
}

/* A VMM that uses numbers without asking. */
void scenario_onto_all(void)
{
	int bell, busy = 0, failed = 0;
	struct tiny_vm vm;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	for (int fd = 3; fd < SOME_FDS; fd++) {
		if (is_of(&vm, bell, fd))
			continue;
		if (dup2(bell, fd) == fd)
			failed += close(fd) < 0;
		else
			busy += errno == EBUSY;
	}
	printf("busy: %d, failed: %d\n", busy, failed);
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	tiny_start(&vm, 0, &guest_count, 3);
	tiny_run(&vm, 0);
	tiny_print_count("rung", bell);
	tiny_destroy(&vm);
}
