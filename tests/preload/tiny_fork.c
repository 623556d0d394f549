/* SPDX-License-Identifier: MIT */
/* VMMs with children. */
#include <errno.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tiny_vmm.h"

#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH

/* Returns the eventfd of its doorbell. */
static int create_with_bell(struct tiny_vm *vm, uint32_t flags)
{
	int bell;

	tiny_create(vm, 1);
	bell = tiny_eventfd();
	tiny_assign(vm->fd, bell, GUEST_MMIO, 4, flags, flags == MATCH);
	return bell;
}

static void ring_and_destroy(struct tiny_vm *vm, int bell, uint32_t writes,
			     const char *who)
{
	tiny_start(vm, 0, &guest_count, writes);
	tiny_run(vm, 0);
	tiny_print_count(who, bell);
	tiny_destroy(vm);
}

static void ring_in_own_vm(const char *who)
{
	struct tiny_vm vm;
	int bell = create_with_bell(&vm, 0);

	ring_and_destroy(&vm, bell, 4, who);
}

static void child_with_inherited_vm(struct tiny_vm *vm, int bell)
{
	printf("child: %s\n", strerrorname_np(tiny_ioeventfd(
				      vm->fd, bell, GUEST_MMIO, 4, 0, 0)));
	printf("child: run %d %s\n", ioctl(vm->vcpu[0].fd, KVM_RUN, 0),
	       strerrorname_np(errno));
	printf("child: %u mappings\n",
	       tiny_lines_with("/proc/self/maps", "kvm-vcpu"));
	close(vm->vcpu[0].fd);
	close(vm->fd);
	ring_in_own_vm("child");
	_exit(0); /* what it forgot is no leak */
}

/* The kernel refuses children; what the parent has stays its own. */
void scenario_fork(void)
{
	struct tiny_vm vm;
	int bell, status;
	pid_t pid;

	bell = create_with_bell(&vm, MATCH);
	pid = fork();
	tiny_check(pid >= 0, "fork");
	if (!pid)
		child_with_inherited_vm(&vm, bell);
	tiny_check(waitpid(pid, &status, 0) == pid, "waitpid");
	printf("child's status: %d\n", status);
	ring_and_destroy(&vm, bell, 3, "parent");
}

/*
 * A child that shares the memory closes its own fds and fences itself in, not
 * its parent.
 */
void scenario_vfork(void)
{
	struct tiny_vm vm;
	int bell, status;
	pid_t pid;

	bell = create_with_bell(&vm, MATCH);
	pid = vfork();
	if (!pid) {
		close(vm.vcpu[0].fd);
		dup2(STDOUT_FILENO, vm.fd);
		close_range(3, ~0u, 0);
		tiny_forbid(SYS_write, SECCOMP_RET_KILL_PROCESS);
		_exit(0);
	}
	tiny_check(waitpid(pid, &status, 0) == pid, "waitpid");
	printf("collides: %s\n",
	       strerrorname_np(
		       tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1)));
	ring_and_destroy(&vm, bell, 3, "parent");
}
