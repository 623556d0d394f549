/* SPDX-License-Identifier: MIT */
/* VMs that the kernel, or belfry, leaves without a service. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tiny_vmm.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

void tiny_fill_bus(int vm_fd)
{
	struct kvm_coalesced_mmio_zone zone = {.size = 1};

	for (unsigned int i = 0; i < 1000; i++) {
		zone.addr = 0x100000 + i;
		tiny_check(!ioctl(vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone),
			   "KVM_REGISTER_COALESCED_MMIO");
	}
}

void scenario_refused(void)
{
	struct tiny_vm vm;
	int bell, err;

	tiny_create(&vm, 1);
	tiny_fill_bus(vm.fd);
	bell = tiny_eventfd();
	err = tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
	printf("assign: %s\n", strerrorname_np(err));
	if (!err) {
		tiny_start(&vm, 0, &guest_count, 1000);
		tiny_run(&vm, 0);
		tiny_print_count("rung", bell);
	}
	tiny_destroy(&vm);
}

static int create_vcpu_without_address_space(struct tiny_vm *vm)
{
	struct rlimit limit, none;
	int fd;

	tiny_check(!getrlimit(RLIMIT_AS, &limit), "getrlimit");
	none = limit;
	none.rlim_cur = 4096;
	tiny_check(!setrlimit(RLIMIT_AS, &none), "setrlimit");
	fd = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	tiny_check(!setrlimit(RLIMIT_AS, &limit), "setrlimit");
	tiny_check(fd >= 0, "KVM_CREATE_VCPU");
	return fd;
}

static void map_vcpu(struct tiny_vm *vm, int fd)
{
	struct tiny_vcpu *vcpu = &vm->vcpu[0];

	vcpu->fd = fd;
	vcpu->size = (size_t)ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu->run = mmap(NULL, vcpu->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	tiny_check(vcpu->run != MAP_FAILED, "mmap");
}

/* belfry cannot see the exits of this vCPU: the kernel gets everything. */
void scenario_aside(void)
{
	struct tiny_vm vm;
	int bell;

	tiny_create(&vm, 0);
	bell = tiny_eventfd();
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 1);
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 2);
	map_vcpu(&vm, create_vcpu_without_address_space(&vm));
	tiny_assign(vm.fd, bell, GUEST_MMIO, 4, MATCH, 3);
	for (uint64_t match = 2; match < 4; match++)
		printf("collides: %s\n",
		       strerrorname_np(tiny_ioeventfd(vm.fd, bell, GUEST_MMIO,
						      4, MATCH, match)));
	tiny_start(&vm, 0, &guest_count, 4);
	tiny_run(&vm, 0);
	tiny_print_count("rung", bell);
	for (uint64_t match = 2; match < 5; match++)
		printf("deassign: %s\n", strerrorname_np(tiny_ioeventfd(
						 vm.fd, bell, GUEST_MMIO, 4,
						 MATCH | DEASSIGN, match)));
	tiny_start(&vm, 0, &guest_count, 4);
	tiny_run(&vm, 0);
	tiny_print_count("rung", bell);
	tiny_fill_bus(vm.fd);
	printf("refused: %s\n", strerrorname_np(tiny_ioeventfd(
					vm.fd, bell, GUEST_MMIO + 8, 4, 0, 0)));
	tiny_destroy(&vm);
}
