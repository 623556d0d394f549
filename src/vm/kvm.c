// SPDX-License-Identifier: MIT
/* The KVM engine: the VM and its memory slots. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm/kvm.h"

/* ioctl(3) may be the preload library's. */
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

static int create_memslots(struct bf_vm *vm, const struct bf_vm_config *config)
{
	const struct bf_memslots_config memslots = {
		.forward = true,
		.vm_fd = vm->fd,
		.pause = config->pause,
		.resume = config->resume,
		.opaque = config->opaque,
	};

	return bf_memslots_create(&memslots, &vm->memslots);
}

/* 0 if the kernel has no answer: KVM_CREATE_VCPU checks the limits, too. */
static uint64_t kvm_limit(const struct bf_vm *vm, unsigned long capability)
{
	long limit = bf_kvm_number(vm->fd, KVM_CHECK_EXTENSION, capability);

	return limit < 0 ? 0 : (uint64_t)limit;
}

/* Returns the VM's fd or a negative errno. */
static int kvm_open_vm(struct bf_kvm_vm *kvm, const struct bf_vm_config *config)
{
	int device = kvm_open(config->kvm_path);
	long fd, size, ring;

	if (device < 0)
		return device;
	size = bf_kvm_number(device, KVM_GET_VCPU_MMAP_SIZE, 0);
	ring = bf_kvm_number(device, KVM_CHECK_EXTENSION,
			     KVM_CAP_COALESCED_MMIO);
	fd = size < 0 ? size :
			bf_kvm_number(device, KVM_CREATE_VM,
				      bf_kvm_vm_type(device, config->vm_type));
	close(device);
	kvm->page_size = (size_t)size;
	/* The kernel says where the ring is in pages. */
	if (ring > 0)
		kvm->ring_offset = (size_t)ring * (size_t)sysconf(_SC_PAGESIZE);
	return (int)fd;
}

static int kvm_build_vm(struct bf_vm *vm, struct bf_kvm_vm *kvm,
			const struct bf_vm_config *config)
{
	int fd = kvm_open_vm(kvm, config), ret;

	if (fd < 0)
		return fd;
	vm->fd = fd;
	ret = create_memslots(vm, config);
	if (ret)
		syscall(SYS_close, fd);
	return ret;
}

static int kvm_vm_create(struct bf_vm *vm, const struct bf_vm_config *config,
			 struct bf_vcpus_config *limits)
{
	struct bf_kvm_vm *kvm = calloc(1, sizeof(*kvm));
	int ret;

	if (!kvm)
		return -ENOMEM;
	ret = kvm_build_vm(vm, kvm, config);
	if (ret) {
		free(kvm);
		return ret;
	}
	kvm->kick_signal = config->kick_signal;
	pthread_mutex_init(&kvm->lock, NULL);
	vm->engine_data = kvm;
	limits->max_ids = kvm_limit(vm, KVM_CAP_MAX_VCPU_ID);
	limits->max_vcpus = kvm_limit(vm, KVM_CAP_MAX_VCPUS);
	return 0;
}

static void close_fd(int fd)
{
	syscall(SYS_close, fd);
}

/* KVM frees the slots with the VM. */
static void kvm_vm_destroy(struct bf_vm *vm)
{
	struct bf_kvm_vm *kvm = vm->engine_data;

	bf_kvm_free_vcpus(kvm);
	bf_close_vm(vm->front, vm->fd, close_fd);
	bf_memslots_destroy(vm->memslots);
	pthread_mutex_destroy(&kvm->lock);
	free(kvm);
}

static int kvm_vcpu_boot64(struct bf_vcpu *vcpu,
			   const struct bf_vcpu_boot64_desc *desc)
{
	int ret = bf_kvm_boot64(vcpu->vm->fd, vcpu->fd, desc);

	if (!ret)
		bf_kvm_vcpu_booted(vcpu);
	return ret;
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
	.vcpu_boot64 = kvm_vcpu_boot64,
	.vcpu_run = bf_kvm_vcpu_run,
	.vcpu_kick = bf_kvm_vcpu_kick,
};
