/* SPDX-License-Identifier: MIT */
/*
 * VMMs of which each may not make one system call: it dies of that with belfry
 * under it where it dies of it alone, and nowhere else.  What a VMM itself
 * calls is few, so a call of belfry's is found whatever it is.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tiny_vmm.h"

enum {
	CALLS = 470,   /* more than there are */
	TOGETHER = 16, /* children at a time: most of them sleep */
	RINGS = 300,
	STATUS_LOST_RING = 10,
	STATUS_NO_VMM = 11,
};

void tiny_forbid(uint32_t call, uint32_t action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	tiny_check(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	tiny_check(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter),
		   "seccomp");
}

struct fenced {
	struct tiny_vm vm;
	uint32_t call;
	uint32_t action;
	int bell;
};

/* As a VMM that says nothing: to print takes calls of its own. */
static int assign(struct fenced *fenced, uint32_t flags)
{
	return tiny_ioeventfd(fenced->vm.fd, fenced->bell, GUEST_MMIO, 4, flags,
			      0);
}

static int ring(struct fenced *fenced)
{
	struct tiny_vcpu *vcpu = &fenced->vm.vcpu[0];

	while (!ioctl(vcpu->fd, KVM_RUN, 0))
		if (vcpu->run->exit_reason == KVM_EXIT_HLT)
			return 0;
	return STATUS_NO_VMM;
}

static int end(struct fenced *fenced)
{
	const uint32_t deassign = KVM_IOEVENTFD_FLAG_DEASSIGN;
	uint64_t count = 0;

	if (read(fenced->bell, &count, sizeof(count)) < 0 || count != RINGS)
		return STATUS_LOST_RING;
	if (assign(fenced, deassign) || assign(fenced, deassign) != ENOENT)
		return STATUS_NO_VMM;
	close(fenced->bell);
	tiny_destroy(&fenced->vm);
	return 0;
}

static void begin(struct fenced *fenced)
{
	fenced->bell = tiny_eventfd();
	tiny_create(&fenced->vm, 1);
	tiny_start(&fenced->vm, 0, &guest_count, RINGS);
}

/* The whole VMM, from its start. */
static int run_fenced_vmm(struct fenced *fenced)
{
	tiny_forbid(fenced->call, fenced->action);
	begin(fenced);
	if (assign(fenced, 0) || ring(fenced))
		return STATUS_NO_VMM;
	return end(fenced);
}

/* A VMM that has its VM, and a doorbell, when it fences itself in. */
static int run_late_vmm(struct fenced *fenced)
{
	const uint64_t other = GUEST_MMIO + 8;
	int fd;

	begin(fenced);
	if (assign(fenced, 0))
		return STATUS_NO_VMM;
	tiny_forbid(fenced->call, fenced->action);
	fd = fenced->bell;
	if (!ioctl(fenced->vm.fd, KVM_IOEVENTFD, NULL) || errno != EFAULT ||
	    !ioctl(fenced->vm.kvm, KVM_IOEVENTFD, NULL) || errno == EFAULT)
		return STATUS_NO_VMM;
	if (tiny_ioeventfd(fenced->vm.fd, fd, other, 4, 0, 0) ||
	    tiny_ioeventfd(fenced->vm.fd, fd, GUEST_MMIO, 4, 0, 0) != EEXIST ||
	    ring(fenced))
		return STATUS_NO_VMM;
	return end(fenced);
}

static void *ring_fenced(void *arg)
{
	struct fenced *fenced = arg;

	tiny_forbid(fenced->call, fenced->action);
	return ring(fenced) ? arg : NULL;
}

/* Only the thread that runs the vCPU. */
static int run_fenced_vcpu(struct fenced *fenced)
{
	pthread_t thread;
	void *failed;

	begin(fenced);
	if (assign(fenced, 0) ||
	    pthread_create(&thread, NULL, ring_fenced, fenced) ||
	    pthread_join(thread, &failed) || failed)
		return STATUS_NO_VMM;
	return end(fenced);
}

typedef int (*run_fn)(struct fenced *fenced);

static pid_t start(run_fn run, uint32_t call, uint32_t action)
{
	struct fenced fenced = {.call = call, .action = action};
	pid_t pid = fork();

	tiny_check(pid >= 0, "fork");
	if (!pid)
		_exit(run(&fenced));
	return pid;
}

static void report(pid_t pid, uint32_t call)
{
	int status;

	tiny_check(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status)
		printf("without call %u: status 0x%x\n", call, status);
}

static void forbid_each(run_fn run, uint32_t action)
{
	pid_t pids[TOGETHER];

	for (uint32_t call = 0; call < CALLS + TOGETHER; call++) {
		pid_t *pid = &pids[call % TOGETHER];

		if (call >= TOGETHER)
			report(*pid, call - TOGETHER);
		if (call < CALLS)
			*pid = start(run, call, action);
	}
}

static void kill_each(run_fn run)
{
	forbid_each(run, SECCOMP_RET_KILL_PROCESS);
}

void scenario_forbidden(void)
{
	kill_each(run_fenced_vmm);
}

void scenario_forbidden_late(void)
{
	kill_each(run_late_vmm);
}

void scenario_forbidden_vcpu(void)
{
	kill_each(run_fenced_vcpu);
}

/* Not death but an error, as containers have it. */
void scenario_refused_calls(void)
{
	forbid_each(run_late_vmm, SECCOMP_RET_ERRNO | EPERM);
}
