// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "own_vm.h"

/* out %ax, %dx; loop back to it; hlt */
const uint8_t own_signal_port[4] = {0xef, 0xe2, 0xfd, 0xf4};

/* mov %eax, %es:0x0ffe; jmp back to it */
const uint8_t own_write_across[7] = {0x66, 0x26, 0xa3, 0xfe, 0x0f, 0xeb, 0xf9};

/* mov %ax, %es:(%bx); loop back to it; hlt */
const uint8_t own_signal_mmio[6] = {0x26, 0x89, 0x07, 0xe2, 0xfb, 0xf4};

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

void own_vm_code(struct own_vm *vm, uint32_t at, const uint8_t *code,
		 size_t size)
{
	memcpy(vm->memory + at, code, size);
}

void own_vcpu_start(int vcpu, uint32_t rip, uint16_t cx)
{
	const struct kvm_regs regs = {.rip = rip,
				      .rflags = 2,
				      .rax = 0x20001,
				      .rcx = cx,
				      .rdx = 0x600};
	struct kvm_sregs sregs;

	assert_int_equal(ioctl(vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.es.base = OWN_DOORBELL;
	sregs.es.selector = OWN_DOORBELL >> 4;
	assert_int_equal(ioctl(vcpu, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(vcpu, KVM_SET_REGS, &regs), 0);
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
