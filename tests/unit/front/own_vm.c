// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "guests/copy.h"
#include "own_vm.h"

static void add_vcpu(struct own_vm *vm)
{
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	assert_true(vm->vcpu >= 0);
	vm->run_size = (size_t)ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	assert_ptr_not_equal(vm->run, MAP_FAILED);
}

void own_vm_create(struct own_vm *vm)
{
	struct kvm_userspace_memory_region slot = {.memory_size = OWN_MEMORY};

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		skip();
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	assert_true(vm->fd >= 0);
	vm->memory = mmap(NULL, OWN_MEMORY, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(vm->memory, MAP_FAILED);
	slot.userspace_addr = (uintptr_t)vm->memory;
	assert_int_equal(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	add_vcpu(vm);
}

void own_vm_destroy(struct own_vm *vm)
{
	munmap(vm->run, vm->run_size);
	close(vm->vcpu);
	close(vm->fd);
	close(vm->kvm);
	munmap(vm->memory, OWN_MEMORY);
}

void own_vm_code(struct own_vm *vm, uint32_t at, const struct own_code *code)
{
	own_place(vm->memory + at, code);
}

void own_place(void *hva, const struct own_code *code)
{
	guest_copy(hva, code->bytes, code->size);
}

struct kvm_ioeventfd own_doorbell(int efd, uint64_t addr, uint32_t flags)
{
	return (struct kvm_ioeventfd){
		.addr = addr, .len = 2, .fd = efd, .flags = flags};
}

uint64_t own_count(int efd)
{
	uint64_t count = 0;

	return read(efd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}
