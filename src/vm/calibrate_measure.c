// SPDX-License-Identifier: MIT
/*
 * A throw-away VM: what a memory slot costs alone and right after a doorbell
 * was registered, and what a ring costs the guest with the doorbell in the
 * kernel and without.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vm/calibrate.h"

#define PORT  0x510
#define RINGS 64
#define TIMES 3 /* the fastest counts: others were disturbed */

/*
 * What a ring in user space costs more where no guest can be run here to tell:
 * an exit on common hardware.
 */
#define USUAL_RING_NS 2000

struct lab {
	int kvm;
	int vm;
	int vcpu;
	int eventfd;
	unsigned int slots;
	char *memory; /* one page, behind every slot */
	struct kvm_run *run;
	size_t run_size;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Not ioctl(3): that one may be the preload library's. */
static long call(int fd, unsigned long request, unsigned long arg)
{
	return syscall(SYS_ioctl, fd, request, arg);
}

/* How long another slot takes; 0: it failed. */
static uint64_t add_slot(struct lab *lab)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	const struct kvm_userspace_memory_region region = {
		.slot = lab->slots,
		.guest_phys_addr = lab->slots * size,
		.memory_size = size,
		.userspace_addr = (uintptr_t)lab->memory,
	};
	uint64_t start = now_ns();

	lab->slots++;
	if (call(lab->vm, KVM_SET_USER_MEMORY_REGION, (unsigned long)&region))
		return 0;
	return now_ns() - start;
}

/* How long a registration takes; 0: it failed. */
static uint64_t add_doorbell(struct lab *lab, unsigned int port)
{
	const struct kvm_ioeventfd arg = {
		.addr = port,
		.len = 1,
		.fd = lab->eventfd,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	uint64_t start = now_ns();

	if (call(lab->vm, KVM_IOEVENTFD, (unsigned long)&arg))
		return 0;
	return now_ns() - start;
}

#ifdef __x86_64__

/* out %al, %dx; loop back to it; hlt */
static const unsigned char ring_code[] = {0xee, 0xe2, 0xfd, 0xf4};

static bool make_vcpu(struct lab *lab)
{
	long size = call(lab->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_sregs sregs;

	lab->vcpu = (int)call(lab->vm, KVM_CREATE_VCPU, 0);
	if (size <= 0 || lab->vcpu < 0 ||
	    call(lab->vcpu, KVM_GET_SREGS, (unsigned long)&sregs))
		return false;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (call(lab->vcpu, KVM_SET_SREGS, (unsigned long)&sregs))
		return false;
	lab->run_size = (size_t)size;
	lab->run = mmap(NULL, lab->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			lab->vcpu, 0);
	memcpy(lab->memory, ring_code, sizeof(ring_code));
	return lab->run != MAP_FAILED;
}

static bool boot(struct lab *lab)
{
	const struct kvm_regs regs = {.rflags = 2, .rdx = PORT, .rcx = RINGS};

	return !call(lab->vcpu, KVM_SET_REGS, (unsigned long)&regs);
}

/* To its end, ringing for it where an exit comes out; 0: it failed. */
static uint64_t run(struct lab *lab)
{
	const uint64_t one = 1;
	uint64_t start = now_ns();

	if (!boot(lab))
		return 0;
	while (!call(lab->vcpu, KVM_RUN, 0)) {
		if (lab->run->exit_reason == KVM_EXIT_HLT)
			return now_ns() - start;
		if (lab->run->exit_reason != KVM_EXIT_IO ||
		    write(lab->eventfd, &one, sizeof(one)) < 0)
			break;
	}
	return 0;
}

/* Twice: the first time the kernel maps what the guest touches. */
static uint64_t run_warm(struct lab *lab)
{
	return run(lab) ? run(lab) : 0;
}

#else

static bool make_vcpu(struct lab *lab)
{
	return true;
}

static uint64_t run_warm(struct lab *lab)
{
	return 0;
}

#endif

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t difference(uint64_t more, uint64_t less)
{
	return more > less ? more - less : 1;
}

/* What a doorbell costs with the slot after it; 0: it failed. */
static uint64_t add_both(struct lab *lab, unsigned int port)
{
	uint64_t doorbell = add_doorbell(lab, port), slot = add_slot(lab);

	return doorbell && slot ? doorbell + slot : 0;
}

static bool measure(struct lab *lab, struct bf_costs *costs)
{
	uint64_t alone = UINT64_MAX, both = UINT64_MAX, here, there;

	for (int i = 0; i < TIMES; i++)
		alone = less(alone, add_slot(lab));
	if (!alone || !make_vcpu(lab))
		return false;
	here = run_warm(lab);
	for (unsigned int i = 0; i < TIMES; i++)
		both = less(both, add_both(lab, PORT + i));
	if (!both)
		return false;
	there = run_warm(lab);
	costs->install_ns = difference(both, alone);
	costs->ring_ns = USUAL_RING_NS;
	if (here && there)
		costs->ring_ns = difference(here, there) / RINGS + 1;
	return true;
}

static bool open_lab(struct lab *lab)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);

	lab->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	lab->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lab->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (lab->kvm < 0 || lab->eventfd < 0 || lab->memory == MAP_FAILED)
		return false;
	lab->vm = (int)call(lab->kvm, KVM_CREATE_VM, 0);
	return lab->vm >= 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		syscall(SYS_close, fd);
}

static void close_lab(struct lab *lab)
{
	if (lab->run && lab->run != MAP_FAILED)
		munmap(lab->run, lab->run_size);
	close_fd(lab->vcpu);
	close_fd(lab->vm);
	close_fd(lab->eventfd);
	close_fd(lab->kvm);
	if (lab->memory != MAP_FAILED)
		munmap(lab->memory, (size_t)sysconf(_SC_PAGESIZE));
}

bool bf_costs_measure(struct bf_costs *costs)
{
	struct lab lab = {.kvm = -1, .vm = -1, .vcpu = -1, .eventfd = -1};
	bool measured = open_lab(&lab) && measure(&lab, costs);

	close_lab(&lab);
	return measured;
}
