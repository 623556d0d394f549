// SPDX-License-Identifier: MIT
/* The two backends: ioctls on /dev/kvm, and belfry/vm.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "belfry/vm.h"
#include "tools/belfry/stall/rows.h"

#define SLOT_SIZE     0x10000ULL
#define DOORBELL_BASE 0xd0000000ULL

/* All slots share one buffer: KVM refuses only overlapping guest addresses. */
static struct kvm_userspace_memory_region region(unsigned int slot, bool remove)
{
	static void *memory;

	if (!memory)
		memory = mmap(NULL, SLOT_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return (struct kvm_userspace_memory_region){
		.slot = slot,
		.guest_phys_addr = slot * SLOT_SIZE,
		.memory_size = remove ? 0 : SLOT_SIZE,
		.userspace_addr = (uintptr_t)memory,
	};
}

static struct kvm_ioeventfd ioeventfd(const struct stall_vm *vm,
				      unsigned int nth, bool remove)
{
	return (struct kvm_ioeventfd){
		.addr = DOORBELL_BASE + 8 * nth,
		.len = 4,
		.fd = vm->eventfds[nth % STALL_DOORBELLS],
		.flags = remove ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0,
	};
}

int stall_open_eventfds(int eventfds[STALL_DOORBELLS])
{
	int i;

	for (i = 0; i < STALL_DOORBELLS; i++) {
		eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (eventfds[i] < 0)
			break;
	}
	if (i == STALL_DOORBELLS)
		return 0;
	while (i-- > 0)
		close(eventfds[i]);
	return -EMFILE;
}

void stall_close_eventfds(const int eventfds[STALL_DOORBELLS])
{
	for (int i = 0; i < STALL_DOORBELLS; i++)
		close(eventfds[i]);
}

int stall_with_eventfds(const struct stall_row *row, struct stall_samples *out,
			int (*measure)(const struct stall_row *row,
				       const int *eventfds,
				       struct stall_samples *out))
{
	int eventfds[STALL_DOORBELLS];
	int ret = stall_open_eventfds(eventfds);

	if (ret)
		return ret;
	ret = measure(row, eventfds, out);
	stall_close_eventfds(eventfds);
	return ret;
}

static int negative_errno(int ret)
{
	return ret < 0 ? -errno : 0;
}

void stall_vm_init(struct stall_vm *vm, const struct stall_backend *backend,
		   const int *eventfds)
{
	unsigned int i;

	*vm = (struct stall_vm){
		.backend = backend, .eventfds = eventfds, .fd = -1};
	for (i = 0; i < STALL_VCPUS; i++) {
		vm->vcpu_fds[i] = -1;
		vm->runs[i] = MAP_FAILED;
	}
}

static int plain_create(struct stall_vm *vm)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		return -errno;
	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	vm->run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	close(kvm);
	vm->created = vm->fd >= 0;
	return negative_errno(vm->fd);
}

static int plain_doorbell(struct stall_vm *vm, unsigned int nth, bool remove)
{
	struct kvm_ioeventfd arg = ioeventfd(vm, nth, remove);

	return negative_errno(ioctl(vm->fd, KVM_IOEVENTFD, &arg));
}

static int plain_memory(struct stall_vm *vm, unsigned int slot, bool remove)
{
	struct kvm_userspace_memory_region arg = region(slot, remove);

	return negative_errno(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &arg));
}

/* No vCPU runs without its page, so every VMM maps that and writes to it. */
static int map_run(struct stall_vm *vm, unsigned int id)
{
	void *page = mmap(NULL, (size_t)vm->run_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, vm->vcpu_fds[id], 0);

	if (page == MAP_FAILED)
		return -errno;
	vm->runs[id] = page;
	vm->runs[id]->immediate_exit = 0;
	return 0;
}

static int plain_vcpu(struct stall_vm *vm, unsigned int id)
{
	vm->vcpu_fds[id] = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	return vm->vcpu_fds[id] < 0 ? -errno : map_run(vm, id);
}

static int plain_close_vcpu(struct stall_vm *vm, unsigned int id)
{
	int fd = vm->vcpu_fds[id];

	if (vm->runs[id] != MAP_FAILED)
		munmap(vm->runs[id], (size_t)vm->run_size);
	vm->runs[id] = MAP_FAILED;
	vm->vcpu_fds[id] = -1;
	return negative_errno(close(fd));
}

static void plain_close(struct stall_vm *vm)
{
	unsigned int i;

	for (i = 0; i < STALL_VCPUS; i++)
		if (vm->vcpu_fds[i] >= 0)
			plain_close_vcpu(vm, i);
	close(vm->fd);
}

const struct stall_backend stall_plain = {
	.create = plain_create,
	.doorbell = plain_doorbell,
	.memory = plain_memory,
	.vcpu = plain_vcpu,
	.close_vcpu = plain_close_vcpu,
	.close = plain_close,
};

enum bf_policy stall_policy = BF_POLICY_LAZY;

static int belfry_create(struct stall_vm *vm)
{
	const struct bf_vm_config config = {.policy = stall_policy};
	int ret = bf_vm_create(&config, &vm->vm);

	vm->created = !ret;
	return ret;
}

static int belfry_doorbell(struct stall_vm *vm, unsigned int nth, bool remove)
{
	struct kvm_ioeventfd arg = ioeventfd(vm, nth, remove);

	return bf_front_ioeventfd(bf_vm_front(vm->vm), &arg);
}

static int belfry_memory(struct stall_vm *vm, unsigned int slot, bool remove)
{
	struct kvm_userspace_memory_region arg = region(slot, remove);

	return bf_memslots_set(bf_vm_memslots(vm->vm), &arg);
}

static int belfry_vcpu(struct stall_vm *vm, unsigned int id)
{
	return bf_vcpu_create(vm->vm, id, &vm->vcpus[id]);
}

static int belfry_close_vcpu(struct stall_vm *vm, unsigned int id)
{
	bf_vcpu_destroy(vm->vcpus[id]);
	return 0;
}

static void belfry_close(struct stall_vm *vm)
{
	bf_vm_destroy(vm->vm);
}

const struct stall_backend stall_belfry = {
	.create = belfry_create,
	.doorbell = belfry_doorbell,
	.memory = belfry_memory,
	.vcpu = belfry_vcpu,
	.close_vcpu = belfry_close_vcpu,
	.close = belfry_close,
};
