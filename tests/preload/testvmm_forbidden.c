/* SPDX-License-Identifier: MIT */
/*
 * A VMM for each system call, with a seccomp filter that forbids that call.
 * Under belfry a VMM must die if and only if it dies alone.  The VMM itself
 * makes few system calls, so the tests find any call that belfry adds.
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

#include "testvmm.h"

enum {
	CALLS = 470,   /* more than the kernel has */
	TOGETHER = 16, /* children at a time: most of them sleep */
	WRITES = 300,
	STATUS_LOST_SIGNAL = 10,
	STATUS_CALL_FAILED = 11,
};

static void forbid(uint32_t call, uint32_t action, unsigned int flags)
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

	testvmm_check(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	testvmm_check(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
			       &filter),
		      "seccomp");
}

void testvmm_forbid(uint32_t call, uint32_t action)
{
	forbid(call, action, 0);
}

static void *forbid_for_all(void *call)
{
	forbid(*(const uint32_t *)call, SECCOMP_RET_KILL_PROCESS,
	       SECCOMP_FILTER_FLAG_TSYNC);
	return NULL;
}

void testvmm_forbid_for_all(uint32_t call)
{
	pthread_t thread;

	testvmm_check(!pthread_create(&thread, NULL, forbid_for_all, &call),
		      "thread");
	pthread_join(thread, NULL);
}

struct filtered {
	struct testvmm vm;
	uint32_t call;
	uint32_t action;
	int efd;
};

/* Prints nothing: that would make system calls of the VMM itself. */
static int assign(struct filtered *vmm, uint32_t flags)
{
	return testvmm_ioeventfd(vmm->vm.fd, vmm->efd, GUEST_MMIO, 4, flags, 0);
}

static int run_to_halt(struct filtered *vmm)
{
	struct testvmm_vcpu *vcpu = &vmm->vm.vcpu[0];

	while (!ioctl(vcpu->fd, KVM_RUN, 0))
		if (vcpu->run->exit_reason == GUEST_END)
			return 0;
	return STATUS_CALL_FAILED;
}

static int end_vm(struct filtered *vmm)
{
	const uint32_t deassign = KVM_IOEVENTFD_FLAG_DEASSIGN;
	uint64_t count = 0;

	if (read(vmm->efd, &count, sizeof(count)) < 0 || count != WRITES)
		return STATUS_LOST_SIGNAL;
	if (assign(vmm, deassign) || assign(vmm, deassign) != ENOENT)
		return STATUS_CALL_FAILED;
	close(vmm->efd);
	testvmm_destroy(&vmm->vm);
	return 0;
}

static void begin_vm(struct filtered *vmm)
{
	vmm->efd = testvmm_eventfd();
	testvmm_create(&vmm->vm, 1);
	testvmm_start(&vmm->vm, 0, &guest_count, WRITES);
}

/* Installs the filter before it creates the VM. */
static int run_filtered_vmm(struct filtered *vmm)
{
	testvmm_forbid(vmm->call, vmm->action);
	begin_vm(vmm);
	if (assign(vmm, 0) || run_to_halt(vmm))
		return STATUS_CALL_FAILED;
	return end_vm(vmm);
}

/* Installs the filter after it created the VM and a doorbell. */
static int run_late_vmm(struct filtered *vmm)
{
	const uint64_t other = GUEST_MMIO + 8;
	int fd;

	begin_vm(vmm);
	if (assign(vmm, 0))
		return STATUS_CALL_FAILED;
	testvmm_forbid(vmm->call, vmm->action);
	fd = vmm->efd;
	if (!ioctl(vmm->vm.fd, KVM_IOEVENTFD, NULL) || errno != EFAULT ||
	    !ioctl(vmm->vm.kvm, KVM_IOEVENTFD, NULL) || errno == EFAULT)
		return STATUS_CALL_FAILED;
	if (testvmm_ioeventfd(vmm->vm.fd, fd, other, 4, 0, 0) ||
	    testvmm_ioeventfd(vmm->vm.fd, fd, GUEST_MMIO, 4, 0, 0) != EEXIST ||
	    run_to_halt(vmm))
		return STATUS_CALL_FAILED;
	return end_vm(vmm);
}

static void *run_filtered_thread(void *arg)
{
	struct filtered *vmm = arg;

	testvmm_forbid(vmm->call, vmm->action);
	return run_to_halt(vmm) ? arg : NULL;
}

/* Installs the filter only in the thread that runs the vCPU. */
static int run_filtered_vcpu(struct filtered *vmm)
{
	pthread_t thread;
	void *failed;

	begin_vm(vmm);
	if (assign(vmm, 0) ||
	    pthread_create(&thread, NULL, run_filtered_thread, vmm) ||
	    pthread_join(thread, &failed) || failed)
		return STATUS_CALL_FAILED;
	return end_vm(vmm);
}

typedef int (*run_fn)(struct filtered *vmm);

static pid_t start_child(run_fn run, uint32_t call, uint32_t action)
{
	struct filtered vmm = {.call = call, .action = action};
	pid_t pid = fork();

	testvmm_check(pid >= 0, "fork");
	if (!pid)
		_exit(run(&vmm));
	return pid;
}

static void report_child(pid_t pid, uint32_t call)
{
	int status;

	testvmm_check(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status)
		printf("without call %u: status 0x%x\n", call, status);
}

static void forbid_each(run_fn run, uint32_t action)
{
	pid_t pids[TOGETHER];

	for (uint32_t call = 0; call < CALLS + TOGETHER; call++) {
		pid_t *pid = &pids[call % TOGETHER];

		if (call >= TOGETHER)
			report_child(*pid, call - TOGETHER);
		if (call < CALLS)
			*pid = start_child(run, call, action);
	}
}

static void kill_each(run_fn run)
{
	forbid_each(run, SECCOMP_RET_KILL_PROCESS);
}

void scenario_forbidden(void)
{
	kill_each(run_filtered_vmm);
}

void scenario_forbidden_late(void)
{
	kill_each(run_late_vmm);
}

void scenario_forbidden_vcpu(void)
{
	kill_each(run_filtered_vcpu);
}

/* The filter returns an error, as the filters of containers do. */
void scenario_refused_calls(void)
{
	forbid_each(run_late_vmm, SECCOMP_RET_ERRNO | EPERM);
}
