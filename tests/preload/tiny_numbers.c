/* SPDX-License-Identifier: MIT */
/* VMMs whose numbers come by ways that are not seen. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tiny_vmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

static void print_assign(int vm_fd, int bell, uint32_t flags, uint64_t match)
{
	printf("%s %" PRIu64 ": %s\n", flags & DEASSIGN ? "deassign" : "assign",
	       match,
	       strerrorname_np(tiny_ioeventfd(vm_fd, bell, GUEST_MMIO, 4,
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

void tiny_send_numbers(int socket, const int numbers[2])
{
	char byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	union rights rights = {{0}};
	struct msghdr message = message_of(&rights, &iov);

	rights.header.cmsg_level = SOL_SOCKET;
	rights.header.cmsg_type = SCM_RIGHTS;
	rights.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&rights.header), numbers, 2 * sizeof(int));
	tiny_check(sendmsg(socket, &message, 0) == 1, "sendmsg");
}

void tiny_receive_numbers(int socket, int numbers[2])
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	union rights rights;
	struct msghdr message = message_of(&rights, &iov);

	tiny_check(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1, "recvmsg");
	memcpy(numbers, CMSG_DATA(&rights.header), 2 * sizeof(int));
}

/* All numbers of the VM are closed while the message is on its way. */
void scenario_received(void)
{
	int sockets[2], numbers[2], bell = tiny_eventfd();
	struct tiny_vm vm;

	tiny_check(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets),
		   "socketpair");
	tiny_create(&vm, 1);
	print_assign(vm.fd, bell, 0, 1);
	print_assign(vm.fd, bell, 0, 2);
	numbers[0] = vm.fd;
	numbers[1] = vm.vcpu[0].fd;
	tiny_send_numbers(sockets[0], numbers);
	close(vm.fd);
	close(vm.vcpu[0].fd);
	tiny_receive_numbers(sockets[1], numbers);
	vm.fd = numbers[0];
	vm.vcpu[0].fd = numbers[1];
	print_assign(vm.fd, bell, 0, 2);
	print_assign(vm.fd, bell, DEASSIGN, 1);
	print_assign(vm.fd, bell, 0, 3);
	tiny_start(&vm, 0, &guest_count, 4);
	tiny_run(&vm, 0);
	printf("rung: %" PRIu64 "\n", tiny_count(bell));
	tiny_destroy(&vm);
}

static int same_by_pidfd(int pidfd, int fd)
{
	int other = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	tiny_check(other >= 0, "pidfd_getfd");
	return other;
}

/* Numbers that nothing told of stand for the same VM and vCPU. */
void scenario_pidfd(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int bell = tiny_eventfd(), vm_fd, vcpu_fd;
	struct kvm_regs regs;
	struct tiny_vm vm;

	tiny_check(pidfd >= 0, "pidfd_open");
	tiny_create(&vm, 1);
	print_assign(vm.fd, bell, 0, 1);
	print_assign(vm.fd, bell, 0, 2);
	vm_fd = same_by_pidfd(pidfd, vm.fd);
	vcpu_fd = same_by_pidfd(pidfd, vm.vcpu[0].fd);
	print_assign(vm_fd, bell, 0, 2);
	print_assign(vm_fd, bell, DEASSIGN, 1);
	print_assign(vm_fd, bell, 0, 3);
	tiny_check(!ioctl(vcpu_fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	close(vm.fd);
	close(vm.vcpu[0].fd);
	vm.fd = vm_fd;
	vm.vcpu[0].fd = vcpu_fd;
	tiny_start(&vm, 0, &guest_count, 4);
	tiny_run(&vm, 0);
	printf("rung: %" PRIu64 "\n", tiny_count(bell));
	tiny_destroy(&vm);
}

static int run_raw(struct tiny_vm *vm)
{
	tiny_check(!syscall(SYS_ioctl, vm->vcpu[0].fd, KVM_RUN, 0), "KVM_RUN");
	return (int)vm->vcpu[0].run->exit_reason;
}

/* One that is made like any other, and run past it. */
void scenario_raw_run(void)
{
	int bell = tiny_eventfd();
	struct tiny_vm vm;

	tiny_create(&vm, 1);
	print_assign(vm.fd, bell, 0, 1);
	print_assign(vm.fd, bell, 0, 2);
	tiny_start(&vm, 0, &guest_count, 2);
	printf("exit %d\n", run_raw(&vm));
	printf("rung: %" PRIu64 "\n", tiny_count(bell));
	print_assign(vm.fd, bell, 0, 2);
	print_assign(vm.fd, bell, DEASSIGN, 2);
	print_assign(vm.fd, bell, DEASSIGN, 2);
	tiny_destroy(&vm);
}

/* A VM that was made past the library works as it does without. */
void scenario_raw(void)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_MEMORY,
	};
	int bell = tiny_eventfd(), raw;
	struct tiny_vm vm;

	tiny_create(&vm, 0);
	raw = (int)syscall(SYS_ioctl, vm.kvm, KVM_CREATE_VM, 0);
	tiny_check(raw >= 0, "KVM_CREATE_VM");
	region.userspace_addr = (uintptr_t)vm.memory;
	tiny_check(!ioctl(raw, KVM_SET_USER_MEMORY_REGION, &region),
		   "KVM_SET_USER_MEMORY_REGION");
	close(vm.fd);
	vm.fd = raw;
	for (uint64_t match = 1; match < 3; match++)
		print_assign(vm.fd, bell, 0, match);
	print_assign(vm.fd, bell, 0, 2);
	print_assign(vm.fd, bell, DEASSIGN, 1);
	print_assign(vm.fd, bell, DEASSIGN, 1);
	tiny_destroy(&vm);
}
