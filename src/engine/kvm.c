// SPDX-License-Identifier: MIT
/* The engine of KVM_RUN. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/kvm.h"
#include "vm/close.h"
#include "vm/vm.h"

/* Not ioctl(3): that one may be the preload library's. */
long bf_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	long ret = syscall(SYS_ioctl, fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static long kvm_number(int fd, unsigned long request, unsigned long arg)
{
	long ret = syscall(SYS_ioctl, fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static int kvm_open(const char *path)
{
	int fd = open(path ? path : "/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (kvm_number(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		close(fd);
		return -ENOTTY;
	}
	return fd;
}

static int kvm_vm_create(struct bf_vm *vm, const struct bf_vm_config *config)
{
	int kvm = kvm_open(config->kvm_path);
	long fd, size;

	if (kvm < 0)
		return kvm;
	size = kvm_number(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	fd = size < 0 ? size : kvm_number(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	if (fd < 0)
		return (int)fd;
	vm->fd = (int)fd;
	vm->page_size = (size_t)size;
	return 0;
}

static void close_fd(int fd)
{
	syscall(SYS_close, fd);
}

static void kvm_vm_destroy(struct bf_vm *vm)
{
	bf_close_vm(vm->front, vm->fd, close_fd);
}

static int kvm_set_memory(struct bf_vm *vm,
			  const struct kvm_userspace_memory_region *region)
{
	return (int)bf_kvm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION,
				 (void *)region);
}

static uint64_t kvm_guest_addr(struct bf_vm *vm, uint64_t gpa)
{
	return gpa;
}

static int kvm_vcpu_create(struct bf_vcpu *vcpu)
{
	long fd = kvm_number(vcpu->vm->fd, KVM_CREATE_VCPU, vcpu->id);
	void *page;

	if (fd < 0)
		return (int)fd;
	page = mmap(NULL, vcpu->vm->page_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, (int)fd, 0);
	if (page == MAP_FAILED) {
		int ret = -errno;

		syscall(SYS_close, (int)fd);
		return ret;
	}
	vcpu->fd = (int)fd;
	vcpu->page = page;
	return 0;
}

static void kvm_vcpu_destroy(struct bf_vcpu *vcpu)
{
	munmap(vcpu->page, vcpu->vm->page_size);
	syscall(SYS_close, vcpu->fd);
}

static int kvm_vcpu_run(struct bf_vcpu *vcpu)
{
	long ret;

	do {
		bf_front_before_run(vcpu->vm->front);
		ret = kvm_number(vcpu->fd, KVM_RUN, 0);
		if (ret < 0)
			return (int)ret;
	} while (bf_front_exit(vcpu->vm->front, vcpu->page));
	return 0;
}

const struct bf_engine_ops bf_engine_kvm = {
	.vm_create = kvm_vm_create,
	.vm_destroy = kvm_vm_destroy,
	.set_memory = kvm_set_memory,
	.guest_addr = kvm_guest_addr,
	.vcpu_create = kvm_vcpu_create,
	.vcpu_destroy = kvm_vcpu_destroy,
	.vcpu_boot64 = bf_kvm_boot64,
	.vcpu_run = kvm_vcpu_run,
};
