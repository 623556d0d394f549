// SPDX-License-Identifier: MIT
/* The engine of KVM_RUN: the VM and its memory slots. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/kvm.h"
#include "memslots/memslots.h"
#include "vm/close.h"
#include "vm/vm.h"

/* Not ioctl(3): that one may be the preload library's. */
long bf_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	long ret = syscall(SYS_ioctl, fd, request, arg);

	return ret < 0 ? -errno : ret;
}

long bf_kvm_number(int fd, unsigned long request, unsigned long arg)
{
	return bf_kvm_ioctl(fd, request, (void *)arg);
}

static int kvm_open(const char *path)
{
	int fd = open(path ? path : "/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (bf_kvm_number(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		close(fd);
		return -ENOTTY;
	}
	return fd;
}

/* A change of memory slots, which an install must keep away from. */
static int kvm_set_slot(void *opaque,
			const struct kvm_userspace_memory_region *slot)
{
	const uint32_t request = (uint32_t)KVM_SET_USER_MEMORY_REGION;
	const struct bf_vm *vm = opaque;
	long ret;

	bf_front_call_begins(vm->front, request);
	ret = bf_kvm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION,
			   (void *)(uintptr_t)slot);
	bf_front_call_ends(vm->front, request);
	return (int)ret;
}

static int create_memslots(struct bf_vm *vm, const struct bf_vm_config *config)
{
	const struct bf_memslots_config memslots = {
		.forward = true,
		.vm_fd = vm->fd,
		.pause = config->pause,
		.resume = config->resume,
		.opaque = config->opaque,
	};
	const struct bf_slots_guest guest = {kvm_set_slot, vm};

	return bf_slots_create(&vm->memslots, &memslots, &guest);
}

/* 0 where the kernel does not say: it has the last word anyway. */
static uint64_t kvm_limit(const struct bf_vm *vm, unsigned long capability)
{
	long limit = bf_kvm_number(vm->fd, KVM_CHECK_EXTENSION, capability);

	return limit < 0 ? 0 : (uint64_t)limit;
}

static int kvm_open_vm(struct bf_vm *vm, const struct bf_vm_config *config)
{
	int kvm = kvm_open(config->kvm_path);
	long fd, size;

	if (kvm < 0)
		return kvm;
	size = bf_kvm_number(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	fd = size < 0 ? size : bf_kvm_number(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	if (fd < 0)
		return (int)fd;
	vm->fd = (int)fd;
	vm->page_size = (size_t)size;
	return 0;
}

static int kvm_vm_create(struct bf_vm *vm, const struct bf_vm_config *config,
			 struct bf_vcpus_config *limits)
{
	int ret = kvm_open_vm(vm, config);

	if (ret)
		return ret;
	ret = create_memslots(vm, config);
	if (ret) {
		syscall(SYS_close, vm->fd);
		return ret;
	}
	pthread_mutex_init(&vm->made_lock, NULL);
	limits->max_ids = kvm_limit(vm, KVM_CAP_MAX_VCPU_ID);
	limits->max_vcpus = kvm_limit(vm, KVM_CAP_MAX_VCPUS);
	return 0;
}

static void close_fd(int fd)
{
	syscall(SYS_close, fd);
}

/* The slots go with the VM: KVM is not asked to remove them one by one. */
static void kvm_vm_destroy(struct bf_vm *vm)
{
	bf_kvm_free_vcpus(vm);
	pthread_mutex_destroy(&vm->made_lock);
	bf_close_vm(vm->front, vm->fd, close_fd);
	bf_memslots_destroy(vm->memslots);
}

static uint64_t kvm_guest_addr(struct bf_vm *vm, uint64_t gpa)
{
	return gpa;
}

const struct bf_engine_ops bf_engine_kvm = {
	.vm_create = kvm_vm_create,
	.vm_destroy = kvm_vm_destroy,
	.guest_addr = kvm_guest_addr,
	.vcpu_create = bf_kvm_vcpu_create,
	.vcpu_destroy = bf_kvm_vcpu_destroy,
	.vcpu_boot64 = bf_kvm_boot64,
	.vcpu_run = bf_kvm_vcpu_run,
	.vcpu_kick = bf_kvm_vcpu_kick,
};
