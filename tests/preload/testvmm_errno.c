/* SPDX-License-Identifier: MIT */
/* VMMs that print the answers to good and bad calls. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testvmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN
#define CCW	 KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY

enum which_fd {
	FD_FIRST,
	FD_SECOND,
	FD_FIRST_DUPED,
	FD_NOT_EVENTFD,
	FD_CLOSED,
	FD_NEGATIVE,
	FDS
};

struct call {
	uint64_t addr;
	uint32_t len;
	uint32_t flags;
	uint64_t datamatch;
	enum which_fd fd;
};

/* In this order, on one VM. */
static const struct call calls[] = {
	{0x6000, 3, 0, 0, FD_FIRST},
	{0x6000, 16, 0, 0, FD_FIRST},
	{~0ull, 1, 0, 0, FD_FIRST},
	{~0ull - 3, 4, 0, 0, FD_FIRST},
	{~0ull, 0, 0, 0, FD_FIRST},
	{~0ull - 8, 8, 0, 0, FD_FIRST},
	{0x6000, 4, 1u << 5, 0, FD_FIRST},
	{0x6000, 4, 1u << 31, 0, FD_FIRST},
	{0x6000, 0, MATCH, 1, FD_FIRST},
	{0x6000, 4, 0, 0, FD_CLOSED},
	{0x6000, 4, 0, 0, FD_NEGATIVE},
	{0x6000, 4, 0, 0, FD_NOT_EVENTFD},
	{0x6000, 3, 0, 0, FD_CLOSED},
	{0x6000, 4, MATCH, 1, FD_FIRST},
	{0x6000, 4, MATCH, 1, FD_FIRST},
	{0x6000, 4, MATCH, 1, FD_SECOND},
	{0x6000, 4, MATCH, 2, FD_FIRST},
	{0x6000, 4, MATCH, 1ull << 32 | 1, FD_FIRST},
	{0x6000, 4, 0, 0, FD_FIRST},
	{0x6000, 2, 0, 0, FD_FIRST},
	{0x6000, 2, MATCH, 1, FD_FIRST},
	{0x6000, 8, MATCH, 1, FD_FIRST},
	{0x6000, 0, 0, 0, FD_FIRST},
	{0x6001, 4, 0, 0, FD_FIRST},
	{0x6000, 4, PIO, 0, FD_FIRST},
	{0x6000, 4, PIO | CCW, 0, FD_FIRST},
	{0x6000, 4, CCW, 0, FD_FIRST},
	{0x7000, 0, 0, 0, FD_FIRST},
	{0x7000, 1, 0, 0, FD_FIRST},
	{0x10000, 4, PIO, 0, FD_FIRST},
	{0x7100, 4, 1u << 4, 0, FD_FIRST},
	/* Removals with one wrong member, then a right one, then again. */
	{0x6000, 4, DEASSIGN | MATCH, 1, FD_SECOND},
	{0x6000, 4, DEASSIGN | MATCH, 3, FD_FIRST},
	{0x6000, 4, DEASSIGN, 1, FD_FIRST},
	{0x6000, 1, DEASSIGN | MATCH, 1, FD_FIRST},
	{0x6004, 4, DEASSIGN | MATCH, 1, FD_FIRST},
	{0x6000, 4, DEASSIGN | MATCH | PIO, 1, FD_FIRST},
	{0x6000, 4, DEASSIGN | MATCH, 1, FD_CLOSED},
	{0x6000, 4, DEASSIGN | MATCH, 1, FD_NOT_EVENTFD},
	{0x6000, 4, DEASSIGN | MATCH, 1, FD_FIRST_DUPED},
	{0x6000, 4, DEASSIGN | MATCH, 1, FD_FIRST},
	{0x6000, 4, DEASSIGN | PIO | 1u << 20, 77, FD_FIRST},
	{0x6000, 3, DEASSIGN, 0, FD_FIRST},
	{0x7000, 0, DEASSIGN, 0, FD_FIRST},
	{0x7000, 1, 0, 0, FD_SECOND},
	{0x7100, 4, DEASSIGN, 0, FD_FIRST},
};

static void open_fds(int fds[FDS])
{
	fds[FD_FIRST] = testvmm_eventfd();
	fds[FD_SECOND] = testvmm_eventfd();
	fds[FD_FIRST_DUPED] = dup(fds[FD_FIRST]);
	fds[FD_NOT_EVENTFD] = STDOUT_FILENO;
	fds[FD_CLOSED] = 900;
	fds[FD_NEGATIVE] = -1;
}

static void make_calls(int vm_fd, int fds[FDS])
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *call = &calls[i];
		int err = testvmm_ioeventfd(vm_fd, fds[call->fd], call->addr,
					    call->len, call->flags,
					    call->datamatch);

		printf("%zu: %s\n", i, strerrorname_np(err));
	}
}

static void print_answer(const char *what, int ret)
{
	printf("%s: %d %s\n", what, ret, ret ? strerrorname_np(errno) : "");
}

/* The structure ends at the end of readable memory, or beyond it. */
static void call_at_end_of_memory(int vm_fd, int fd)
{
	struct kvm_ioeventfd arg = {.addr = 0x8000, .len = 4, .fd = fd};
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	testvmm_check(page != MAP_FAILED, "mmap");
	mprotect(page + 4096, 4096, PROT_NONE);
	memcpy(page + 4096 - sizeof(arg), &arg, sizeof(arg));
	print_answer("last bytes",
		     ioctl(vm_fd, KVM_IOEVENTFD, page + 4096 - sizeof(arg)));
	print_answer("one too far",
		     ioctl(vm_fd, KVM_IOEVENTFD, page + 4097 - sizeof(arg)));
	print_answer("unreadable", ioctl(vm_fd, KVM_IOEVENTFD, page + 4096));
	munmap(page, 8192);
}

static void make_unusual_calls(int vm_fd, int fd)
{
	struct kvm_ioeventfd arg = {.addr = 0x8100, .len = 4, .fd = fd};
	struct kvm_clock_data clock;

	print_answer("NULL", ioctl(vm_fd, KVM_IOEVENTFD, NULL));
	print_answer("not a VM", ioctl(fd, KVM_IOEVENTFD, &arg));
	print_answer("no fd", ioctl(-1, KVM_IOEVENTFD, &arg));
	memset(arg.pad, 0xff, sizeof(arg.pad));
	print_answer("padding in use", ioctl(vm_fd, KVM_IOEVENTFD, &arg));
	print_answer("and again", ioctl(vm_fd, KVM_IOEVENTFD, &arg));
	arg.flags = DEASSIGN;
	print_answer("and gone", ioctl(vm_fd, KVM_IOEVENTFD, &arg));
	print_answer("request in an int",
		     ioctl(vm_fd, (unsigned long)(int)KVM_GET_CLOCK, &clock));
}

void scenario_errno(void)
{
	struct testvmm vm;
	int fds[FDS];

	testvmm_create(&vm, 0);
	open_fds(fds);
	make_calls(vm.fd, fds);
	call_at_end_of_memory(vm.fd, fds[FD_FIRST]);
	make_unusual_calls(vm.fd, fds[FD_FIRST]);
	errno = 77;
	testvmm_ioeventfd(vm.fd, fds[FD_FIRST], 0x9000, 4, 0, 0);
	printf("errno after success: %d\n", errno);
	testvmm_destroy(&vm);
}

void scenario_zone_errno(void)
{
	static const struct kvm_coalesced_mmio_zone zones[] = {
		{.addr = GUEST_MMIO, .size = 0x100},
		{.addr = GUEST_MMIO, .size = 0x100},
		{.addr = GUEST_MMIO, .size = 0},
		{.addr = ~0ull - 1, .size = 0x100},
		{.addr = 0x600, .size = 4, .pio = 1},
		{.addr = 0x600, .size = 4, .pio = 2},
	};
	struct testvmm vm;

	testvmm_create(&vm, 0);
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		print_answer("register",
			     ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO,
				   &zones[i]));
		print_answer("unregister",
			     ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO,
				   &zones[i]));
	}
	print_answer("NULL", ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, NULL));
	testvmm_destroy(&vm);
}

void scenario_plain_ioctl(void)
{
	int pipe_fds[2], available = -1;

	testvmm_check(!pipe(pipe_fds), "pipe");
	testvmm_check(write(pipe_fds[1], "abc", 3) == 3, "write");
	errno = 0;
	print_answer("FIONREAD", ioctl(pipe_fds[0], FIONREAD, &available));
	printf("%d bytes, errno %d\n", available, errno);
	print_answer("no such ioctl", ioctl(pipe_fds[0], KVM_CREATE_VM, 0));
	print_answer("KVM_RUN of a pipe", ioctl(pipe_fds[0], KVM_RUN, 0));
	print_answer("KVM_CREATE_VCPU of a pipe",
		     ioctl(pipe_fds[0], KVM_CREATE_VCPU, 0));
	print_answer("TCGETS", ioctl(pipe_fds[0], 0x5401, &available));
}

/* A call that the preload library passes on at once, in all its ways to fail. */
void scenario_untimed_call(void)
{
	struct kvm_mp_state state = {0};
	struct testvmm vm;
	int pipe_fds[2];

	testvmm_create(&vm, 1);
	testvmm_check(!pipe(pipe_fds), "pipe");
	errno = 0;
	print_answer("vCPU", ioctl(vm.vcpu[0].fd, KVM_GET_MP_STATE, &state));
	printf("state %u, errno %d\n", state.mp_state, errno);
	print_answer("extended",
		     ioctl(vm.vcpu[0].fd, (int)KVM_GET_MP_STATE, &state));
	print_answer("no memory", ioctl(vm.vcpu[0].fd, KVM_GET_MP_STATE, 1));
	print_answer("VM", ioctl(vm.fd, KVM_GET_MP_STATE, &state));
	print_answer("pipe", ioctl(pipe_fds[0], KVM_GET_MP_STATE, &state));
	print_answer("closed", ioctl(900, KVM_GET_MP_STATE, &state));
	testvmm_destroy(&vm);
}
