/* SPDX-License-Identifier: MIT */
/* VMMs that duplicate, replace and close fds. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "testvmm.h"

#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH

/* The VM must stay the same one through every change of its fds. */
void scenario_fds(void)
{
	struct testvmm vm;
	int efd, other;

	testvmm_create(&vm, 1);
	efd = testvmm_eventfd();
	other = dup(vm.fd);
	close(vm.fd);
	testvmm_assign(other, efd, GUEST_MMIO, 4, MATCH, 1);
	vm.fd = fcntl(other, F_DUPFD_CLOEXEC, 40);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 2);
	testvmm_check(dup2(vm.fd, other) == other, "dup2 onto itself");
	close(vm.fd);
	testvmm_assign(other, efd, GUEST_MMIO, 4, MATCH, 3);
	vm.fd = dup3(other, 50, O_CLOEXEC);
	close_range((unsigned int)other, (unsigned int)other, 0);
	printf("closed: %s\n", strerrorname_np(testvmm_ioeventfd(
				       other, efd, GUEST_MMIO, 4, MATCH, 9)));
	printf("collides: %s\n", strerrorname_np(testvmm_ioeventfd(
					 vm.fd, efd, GUEST_MMIO, 4, MATCH, 3)));
	printf("dup2 fails: %d\n", dup2(999, vm.fd));
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 4);

	other = dup(vm.vcpu[0].fd);
	close(vm.vcpu[0].fd);
	vm.vcpu[0].fd = other;
	testvmm_start(&vm, 0, &guest_count, 6);
	testvmm_run(&vm, 0);
	testvmm_print_count("signals", efd);
	testvmm_destroy(&vm);
}

enum { MANY_FDS = 4096 };

static int belongs_to_vm(const struct testvmm *vm, int efd, int fd)
{
	return fd == vm->kvm || fd == vm->fd || fd == vm->vcpu[0].fd ||
	       fd == efd;
}

/* A VMM that closes every fd that it did not open. */
void scenario_close_all(void)
{
	struct testvmm vm;
	unsigned int above;
	int efd, open = 0;

	testvmm_create(&vm, 1);
	efd = testvmm_eventfd();
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 2);
	above = (unsigned int)efd + 1;
	for (int fd = 3; fd < MANY_FDS; fd++)
		open += !belongs_to_vm(&vm, efd, fd) && !close(fd);
	printf("open: %d\n", open);
	printf("range: %d\n", close_range(above, ~0u, 0));
	printf("unshared: %d\n", close_range(above, ~0u, CLOSE_RANGE_UNSHARE));
	printf("bad flags: %d\n", close_range(above, ~0u, 1 << 20));
	closefrom((int)above);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 1);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	testvmm_print_count("signals", efd);
	testvmm_destroy(&vm);
}

/* A VMM that duplicates an eventfd onto every other number. */
void scenario_dup2_onto_all(void)
{
	int efd, busy = 0, failed = 0;
	struct testvmm vm;

	testvmm_create(&vm, 1);
	efd = testvmm_eventfd();
	for (int fd = 3; fd < MANY_FDS; fd++) {
		if (belongs_to_vm(&vm, efd, fd))
			continue;
		if (dup2(efd, fd) == fd)
			failed += close(fd) < 0;
		else
			busy += errno == EBUSY;
	}
	printf("busy: %d, failed: %d\n", busy, failed);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 1);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	testvmm_print_count("signals", efd);
	testvmm_destroy(&vm);
}
