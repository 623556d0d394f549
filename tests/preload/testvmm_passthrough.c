/* SPDX-License-Identifier: MIT */
/* The kernel refuses doorbells, or belfry passes a VM through. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "testvmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

void testvmm_fill_bus(int vm_fd)
{
	struct kvm_coalesced_mmio_zone zone = {.size = 1};

	for (unsigned int i = 0; i < 1000; i++) {
		zone.addr = 0x100000 + i;
		testvmm_check(!ioctl(vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone),
			      "KVM_REGISTER_COALESCED_MMIO");
	}
}

void scenario_refused(void)
{
	struct testvmm vm;
	int efd, err;

	testvmm_create(&vm, 1);
	testvmm_fill_bus(vm.fd);
	efd = testvmm_eventfd();
	err = testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	printf("assign: %s\n", strerrorname_np(err));
	if (!err) {
		testvmm_start(&vm, 0, &guest_count, 1000);
		testvmm_run(&vm, 0);
		testvmm_print_count("signals", efd);
	}
	testvmm_destroy(&vm);
}

static int create_vcpu_without_address_space(struct testvmm *vm)
{
	struct rlimit limit, low;
	int fd;

	testvmm_check(!getrlimit(RLIMIT_AS, &limit), "getrlimit");
	low = limit;
	low.rlim_cur = 4096;
	testvmm_check(!setrlimit(RLIMIT_AS, &low), "setrlimit");
	fd = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	testvmm_check(!setrlimit(RLIMIT_AS, &limit), "setrlimit");
	testvmm_check(fd >= 0, "KVM_CREATE_VCPU");
	return fd;
}

static void map_vcpu(struct testvmm *vm, int fd)
{
	struct testvmm_vcpu *vcpu = &vm->vcpu[0];

	vcpu->fd = fd;
	vcpu->size = (size_t)ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu->run = mmap(NULL, vcpu->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	testvmm_check(vcpu->run != MAP_FAILED, "mmap");
}

/* belfry cannot map the run page, so the kernel must get every doorbell. */
void scenario_passthrough(void)
{
	struct testvmm vm;
	int efd;

	testvmm_create(&vm, 0);
	efd = testvmm_eventfd();
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 2);
	map_vcpu(&vm, create_vcpu_without_address_space(&vm));
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, MATCH, 3);
	for (uint64_t match = 2; match < 4; match++)
		printf("collides: %s\n",
		       strerrorname_np(testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO,
							 4, MATCH, match)));
	testvmm_start(&vm, 0, &guest_count, 4);
	testvmm_run(&vm, 0);
	testvmm_print_count("signals", efd);
	for (uint64_t match = 2; match < 5; match++)
		printf("deassign: %s\n", strerrorname_np(testvmm_ioeventfd(
						 vm.fd, efd, GUEST_MMIO, 4,
						 MATCH | DEASSIGN, match)));
	testvmm_start(&vm, 0, &guest_count, 4);
	testvmm_run(&vm, 0);
	testvmm_print_count("signals", efd);
	testvmm_fill_bus(vm.fd);
	printf("refused: %s\n", strerrorname_np(testvmm_ioeventfd(
					vm.fd, efd, GUEST_MMIO + 8, 4, 0, 0)));
	testvmm_destroy(&vm);
}

/* Calls that another preload library answers; see other_library.c. */
void scenario_other_library(void)
{
	const int fd = 77;
	int copy = dup(STDOUT_FILENO);

	printf("ioctl %d\n", ioctl(fd, FIONREAD, NULL));
	printf("KVM's ioctl %d\n", ioctl(fd, KVM_CHECK_EXTENSION, 1));
	printf("fcntl %d\n", fcntl(fd, F_DUPFD, 0));
	printf("dup %d %d %d\n", dup(fd), dup2(fd, copy),
	       dup3(fd, copy, O_CLOEXEC));
	printf("prctl %d\n", prctl(fd, 0, 0, 0, 0));
	printf("close %d %d\n", close(fd), close(copy));
}

static rlim_t set_fd_limit(rlim_t limit)
{
	struct rlimit limits;
	rlim_t before;

	testvmm_check(!getrlimit(RLIMIT_NOFILE, &limits), "getrlimit");
	before = limits.rlim_cur;
	limits.rlim_cur = limit;
	testvmm_check(!setrlimit(RLIMIT_NOFILE, &limits), "setrlimit");
	return before;
}

static int open_until_limit(void)
{
	int opened = 0;

	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		opened++;
	return opened;
}

/* Each queue has a doorbell in two places, as with QEMU's virtio devices. */
static void assign_queues(int vm_fd, int queues)
{
	int efds[128];

	for (int i = 0; i < queues; i++) {
		efds[i] = testvmm_eventfd();
		testvmm_assign(vm_fd, efds[i], GUEST_MMIO + 4 * i, 4, 0, 0);
	}
	for (int i = 0; i < queues; i++)
		testvmm_assign(vm_fd, efds[i], 2 * GUEST_MMIO + 4 * i, 4, 0, 0);
}

static void use_fds(rlim_t limit, int queues, int most_private)
{
	const int own = queues + 3; /* /dev/kvm, VM and vCPU */
	rlim_t limit_before = set_fd_limit(limit);
	struct testvmm vm;
	int before = 0, private;

	for (int fd = 0; fd < (int)limit; fd++)
		before += fcntl(fd, F_GETFD) >= 0;
	testvmm_create(&vm, 1);
	assign_queues(vm.fd, queues);
	private = (int)limit - before - own - open_until_limit();
	printf("%d queues: few private fds: %d\n", queues,
	       private <= most_private);
	/* LeakSanitizer opens files at exit. */
	set_fd_limit(limit_before);
}

void scenario_shared_duplicates(void)
{
	use_fds(1024, 40, 41);
}

void scenario_fd_reserve(void)
{
	use_fds(256, 100, 16);
}

/* Has a VM until standard input ends, and says so by a file. */
void scenario_daemon(void)
{
	struct testvmm vm;
	char byte;

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, testvmm_eventfd(), GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	close(open(getenv("TESTVMM_READY"), O_CREAT | O_WRONLY, 0600));
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	testvmm_destroy(&vm);
}
