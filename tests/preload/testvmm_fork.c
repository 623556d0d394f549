/* SPDX-License-Identifier: MIT */
/* VMMs with child processes. */
#include <errno.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
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

static pid_t raw_clone(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static void print_end(pid_t pid)
{
	int status = 0;

	testvmm_check(pid > 0 && waitpid(pid, &status, __WALL) == pid, "child");
	printf("child's status: %#x\n", status);
}

/* The VMM's helper must exist, so that a child could wait for it. */
static void signal_much(struct testvmm *vm, int efd)
{
	testvmm_start(vm, 0, &guest_count, 500);
	testvmm_run(vm, 0);
	testvmm_print_count("signals", efd);
	usleep(20000);
}

/* Closes by number, and works with a VM of its own. */
static void run_cloned_child(struct testvmm *vm, int efd)
{
	alarm(20);
	printf("child: close %d %d %d\n", close(vm->vcpu[0].fd), close(vm->fd),
	       close(efd));
	run_new_vm("child");
	fflush(stdout);
	_exit(0);
}

static void *clone_in_thread(void *arg)
{
	pid_t pid = raw_clone(0);

	if (!pid)
		_exit(close(((struct testvmm *)arg)->fd) ? 1 : 0);
	print_end(pid);
	return NULL;
}

/* Children that pthread_atfork() does not see. */
static void clone_children(unsigned long flags)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;
	pthread_t thread;
	pid_t pid;

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	signal_much(&vm, efd);
	pid = raw_clone(flags);
	if (!pid)
		run_cloned_child(&vm, efd);
	print_end(pid);
	testvmm_check(!pthread_create(&thread, NULL, clone_in_thread, &vm),
		      "thread");
	pthread_join(thread, NULL);
	run_and_destroy(&vm, efd, 3, "parent");
}

void scenario_clone(void)
{
	clone_children(0);
}

/* The child of vfork() is process 1, too, and shares the parent's memory. */
static void vfork_in_namespace(void)
{
	struct testvmm vm;
	int efd = create_with_doorbell(&vm, 0);
	pid_t pid;

	signal_much(&vm, efd); /* after unshare() KVM cannot start its thread */
	testvmm_check(!unshare(CLONE_NEWPID), "unshare");
	pid = vfork();
	if (!pid) {
		close(vm.vcpu[0].fd);
		close_range(3, ~0u, 0);
		_exit(0);
	}
	print_end(pid);
	run_and_destroy(&vm, efd, 3, "parent");
}

/* The VMM and its children are process 1 of their namespaces. */
void scenario_as_init(void)
{
	alarm(60);
	clone_children(CLONE_NEWPID);
	vfork_in_namespace();
}

/* Root of its own namespace, so that it may make another one. */
static void exec_as_init(uid_t uid)
{
	FILE *map = fopen("/proc/self/uid_map", "we");

	if (map) {
		fprintf(map, "0 %u 1", uid);
		fclose(map);
	}
	execl("/proc/self/exe", "testvmm", "as-init", NULL);
	_exit(127);
}

void scenario_pidns(void)
{
	const uid_t uid = geteuid();
	pid_t pid = raw_clone(CLONE_NEWPID | (uid ? CLONE_NEWUSER : 0));

	if (pid < 0)
		printf("no PID namespaces\n");
	else if (!pid)
		exec_as_init(uid);
	else
		print_end(pid);
}
