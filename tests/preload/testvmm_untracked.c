/* SPDX-License-Identifier: MIT */
/* VMMs that get fds, or call a VM, out of the library's sight. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testvmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

static void print_assign(int vm_fd, int efd, uint32_t flags, uint64_t match)
{
	printf("%s %" PRIu64 ": %s\n", flags & DEASSIGN ? "deassign" : "assign",
	       match,
	       strerrorname_np(testvmm_ioeventfd(vm_fd, efd, GUEST_MMIO, 4,
						 MATCH | flags, match)));
}

union rights {
	struct cmsghdr header;
	char space[CMSG_SPACE(2 * sizeof(int))];
};

static struct msghdr message_of(union rights *rights, struct iovec *iov)
{
	return (struct msghdr){
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = rights,
		.msg_controllen = sizeof(*rights),
	};
}

void testvmm_send_fds(int socket, const int fds[2])
{
	char byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	union rights rights = {{0}};
	struct msghdr message = message_of(&rights, &iov);

	rights.header.cmsg_level = SOL_SOCKET;
	rights.header.cmsg_type = SCM_RIGHTS;
	rights.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&rights.header), fds, 2 * sizeof(int));
	testvmm_check(sendmsg(socket, &message, 0) == 1, "sendmsg");
}

void testvmm_receive_fds(int socket, int fds[2])
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	union rights rights;
	struct msghdr message = message_of(&rights, &iov);

	testvmm_check(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1,
		      "recvmsg");
	memcpy(fds, CMSG_DATA(&rights.header), 2 * sizeof(int));
}

/* The VMM closes its fds of the VM while the message is in flight. */
void scenario_received(void)
{
	int sockets[2], fds[2], efd = testvmm_eventfd();
	struct testvmm vm;

	testvmm_check(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0,
				  sockets),
		      "socketpair");
	testvmm_create(&vm, 1);
	print_assign(vm.fd, efd, 0, 1);
	print_assign(vm.fd, efd, 0, 2);
	fds[0] = vm.fd;
	fds[1] = vm.vcpu[0].fd;
	testvmm_send_fds(sockets[0], fds);
	close(vm.fd);
	close(vm.vcpu[0].fd);
	testvmm_receive_fds(sockets[1], fds);
	vm.fd = fds[0];
	vm.vcpu[0].fd = fds[1];
	print_assign(vm.fd, efd, 0, 2);
	print_assign(vm.fd, efd, DEASSIGN, 1);
	print_assign(vm.fd, efd, 0, 3);
	testvmm_start(&vm, 0, &guest_count, 4);
	testvmm_run(&vm, 0);
	printf("signals: %" PRIu64 "\n", testvmm_read_count(efd));
	testvmm_destroy(&vm);
}

static int duplicate_by_pidfd(int pidfd, int fd)
{
	int other = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	testvmm_check(other >= 0, "pidfd_getfd");
	return other;
}

/* belfry must recognise the VM and the vCPU behind fds that it has not seen. */
void scenario_pidfd(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int efd = testvmm_eventfd(), vm_fd, vcpu_fd;
	struct kvm_mp_state mp_state;
	struct testvmm vm;

	testvmm_check(pidfd >= 0, "pidfd_open");
	testvmm_create(&vm, 1);
	print_assign(vm.fd, efd, 0, 1);
	print_assign(vm.fd, efd, 0, 2);
	vm_fd = duplicate_by_pidfd(pidfd, vm.fd);
	vcpu_fd = duplicate_by_pidfd(pidfd, vm.vcpu[0].fd);
	print_assign(vm_fd, efd, 0, 2);
	print_assign(vm_fd, efd, DEASSIGN, 1);
	print_assign(vm_fd, efd, 0, 3);
	testvmm_check(!ioctl(vcpu_fd, KVM_GET_MP_STATE, &mp_state),
		      "KVM_GET_MP_STATE");
	close(vm.fd);
	close(vm.vcpu[0].fd);
	vm.fd = vm_fd;
	vm.vcpu[0].fd = vcpu_fd;
	testvmm_start(&vm, 0, &guest_count, 4);
	testvmm_run(&vm, 0);
	printf("signals: %" PRIu64 "\n", testvmm_read_count(efd));
	testvmm_destroy(&vm);
}

static int run_raw(struct testvmm *vm)
{
	testvmm_check(!syscall(SYS_ioctl, vm->vcpu[0].fd, KVM_RUN, 0),
		      "KVM_RUN");
	return (int)vm->vcpu[0].run->exit_reason;
}

/* The VMM creates the VM by ioctl() and runs it by syscall(). */
void scenario_raw_run(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;

	testvmm_create(&vm, 1);
	print_assign(vm.fd, efd, 0, 1);
	print_assign(vm.fd, efd, 0, 2);
	testvmm_start(&vm, 0, &guest_count, 2);
	printf("exit %d\n", run_raw(&vm));
	printf("signals: %" PRIu64 "\n", testvmm_read_count(efd));
	print_assign(vm.fd, efd, 0, 2);
	print_assign(vm.fd, efd, DEASSIGN, 2);
	print_assign(vm.fd, efd, DEASSIGN, 2);
	testvmm_destroy(&vm);
}

/* A line for each VM would hide the others that the VMM prints. */
void scenario_raw_runs(void)
{
	for (int i = 0; i < 3; i++)
		scenario_raw_run();
	scenario_received();
}

/* A VM that the VMM creates by syscall() must work as without belfry. */
void scenario_raw_vm(void)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_MEMORY,
	};
	int efd = testvmm_eventfd(), raw;
	struct testvmm vm;

	testvmm_create(&vm, 0);
	raw = (int)syscall(SYS_ioctl, vm.kvm, KVM_CREATE_VM, 0);
	testvmm_check(raw >= 0, "KVM_CREATE_VM");
	region.userspace_addr = (uintptr_t)vm.memory;
	testvmm_check(!ioctl(raw, KVM_SET_USER_MEMORY_REGION, &region),
		      "KVM_SET_USER_MEMORY_REGION");
	close(vm.fd);
	vm.fd = raw;
	for (uint64_t match = 1; match < 3; match++)
		print_assign(vm.fd, efd, 0, match);
	print_assign(vm.fd, efd, 0, 2);
	print_assign(vm.fd, efd, DEASSIGN, 1);
	print_assign(vm.fd, efd, DEASSIGN, 1);
	testvmm_destroy(&vm);
}
