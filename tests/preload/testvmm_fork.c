/* SPDX-License-Identifier: MIT */
/* VMMs with child processes. */
#include <errno.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testvmm.h"

#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH

/* Returns the doorbell's eventfd. */
static int create_with_doorbell(struct testvmm *vm, uint32_t flags)
{
	int efd;

	testvmm_create(vm, 1);
	efd = testvmm_eventfd();
	testvmm_assign(vm->fd, efd, GUEST_MMIO, 4, flags, flags == MATCH);
	return efd;
}

static void run_and_destroy(struct testvmm *vm, int efd, uint32_t writes,
			    const char *name)
{
	testvmm_start(vm, 0, &guest_count, writes);
	testvmm_run(vm, 0);
	testvmm_print_count(name, efd);
	testvmm_destroy(vm);
}

static void run_new_vm(const char *name)
{
	struct testvmm vm;
	int efd = create_with_doorbell(&vm, 0);

	run_and_destroy(&vm, efd, 4, name);
}

static void child_with_inherited_vm(struct testvmm *vm, int efd)
{
	printf("child: %s\n", strerrorname_np(testvmm_ioeventfd(
				      vm->fd, efd, GUEST_MMIO, 4, 0, 0)));
	printf("child: run %d %s\n", ioctl(vm->vcpu[0].fd, KVM_RUN, 0),
	       strerrorname_np(errno));
	printf("child: %u mappings\n",
	       testvmm_count_lines("/proc/self/maps", "kvm-vcpu"));
	close(vm->vcpu[0].fd);
	close(vm->fd);
	run_new_vm("child");
	_exit(0); /* no leak check: the child abandons objects */
}

/* The kernel refuses the child's calls.  The parent's VM must work on. */
void scenario_fork(void)
{
	struct testvmm vm;
	int efd, status;
	pid_t pid;

	efd = create_with_doorbell(&vm, MATCH);
	pid = fork();
	testvmm_check(pid >= 0, "fork");
	if (!pid)
		child_with_inherited_vm(&vm, efd);
	testvmm_check(waitpid(pid, &status, 0) == pid, "waitpid");
	printf("child's status: %d\n", status);
	run_and_destroy(&vm, efd, 3, "parent");
}

/*
 * The child shares the parent's memory.  It closes its own fds and installs a
 * filter for itself, and neither may affect the parent.
 */
void scenario_vfork(void)
{
	struct testvmm vm;
	int efd, status;
	pid_t pid;

	efd = create_with_doorbell(&vm, MATCH);
	pid = vfork();
	if (!pid) {
		close(vm.vcpu[0].fd);
		dup2(STDOUT_FILENO, vm.fd);
		close_range(3, ~0u, 0);
		testvmm_forbid(SYS_write, SECCOMP_RET_KILL_PROCESS);
		_exit(0);
	}
	testvmm_check(waitpid(pid, &status, 0) == pid, "waitpid");
	printf("collides: %s\n", strerrorname_np(testvmm_ioeventfd(
					 vm.fd, efd, GUEST_MMIO, 4, MATCH, 1)));
	run_and_destroy(&vm, efd, 3, "parent");
}
