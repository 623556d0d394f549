// SPDX-License-Identifier: MIT
/*
 * vCPUs of KVM.
 *
 * KVM makes one for each id and cannot take it back before the VM is gone.  So
 * all that it made are kept, and whoever creates an id again gets its vCPU
 * back, as VMMs do that hotplug vCPUs.  The table of vCPUs says whose it is: it
 * does not give an id away again before nobody uses what was found under it,
 * but it may do so before the destruction has come to the engine.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/kvm.h"

struct bf_kvm_vcpu {
	struct bf_kvm_vcpu *next;
	uint32_t id;
	int fd;
	struct kvm_run *page; /* NULL: not mapped yet */
};

static struct bf_kvm_vcpu *find(struct bf_vm *vm, uint32_t id)
{
	struct bf_kvm_vcpu *kvm;

	pthread_mutex_lock(&vm->made_lock);
	for (kvm = vm->made; kvm && kvm->id != id; kvm = kvm->next)
		;
	pthread_mutex_unlock(&vm->made_lock);
	return kvm;
}

static void keep(struct bf_vm *vm, struct bf_kvm_vcpu *kvm)
{
	pthread_mutex_lock(&vm->made_lock);
	kvm->next = vm->made;
	vm->made = kvm;
	pthread_mutex_unlock(&vm->made_lock);
}

void bf_kvm_free_vcpus(struct bf_vm *vm)
{
	struct bf_kvm_vcpu *kvm;

	while ((kvm = vm->made)) {
		vm->made = kvm->next;
		if (kvm->page)
			munmap(kvm->page, vm->page_size);
		syscall(SYS_close, kvm->fd);
		free(kvm);
	}
}

static int make(struct bf_vm *vm, uint32_t id, struct bf_kvm_vcpu **kvmp)
{
	struct bf_kvm_vcpu *kvm = calloc(1, sizeof(*kvm));
	int fd;

	if (!kvm)
		return -ENOMEM;
	fd = (int)bf_kvm_number(vm->fd, KVM_CREATE_VCPU, id);
	if (fd < 0) {
		free(kvm);
		return fd;
	}
	kvm->id = id;
	kvm->fd = fd;
	keep(vm, kvm);
	*kvmp = kvm;
	return 0;
}

static int map_page(const struct bf_vm *vm, struct bf_kvm_vcpu *kvm)
{
	void *page = mmap(NULL, vm->page_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, kvm->fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	kvm->page = page;
	return 0;
}

/*
 * Completes the exit that it was destroyed with: otherwise that would happen to
 * its next life, in the registers that it was given.
 */
static void complete_exit(struct bf_kvm_vcpu *kvm)
{
	kvm->page->immediate_exit = 1;
	bf_kvm_number(kvm->fd, KVM_RUN, 0);
	kvm->page->immediate_exit = 0;
}

int bf_kvm_vcpu_create(struct bf_vcpu *vcpu)
{
	const uint32_t id = bf_vcpus_id(&vcpu->entry);
	struct bf_kvm_vcpu *kvm = find(vcpu->vm, id);
	int ret = kvm ? 0 : make(vcpu->vm, id, &kvm);

	if (ret)
		return ret;
	if (kvm->page)
		complete_exit(kvm);
	else
		ret = map_page(vcpu->vm, kvm);
	if (ret)
		return ret;
	vcpu->fd = kvm->fd;
	vcpu->page = kvm->page;
	return 0;
}

/* KVM's is kept, and may be another's by now. */
void bf_kvm_vcpu_destroy(struct bf_vcpu *vcpu)
{
}

static int run_guest(struct bf_vcpu *vcpu)
{
	long ret;

	do {
		bf_front_before_run(vcpu->vm->front);
		ret = bf_kvm_number(vcpu->fd, KVM_RUN, 0);
		if (ret < 0)
			return (int)ret;
	} while (bf_front_exit(vcpu->vm->front, vcpu->page));
	return 0;
}

int bf_kvm_vcpu_run(struct bf_vcpu *vcpu)
{
	int ret;

	if (!vcpu->vm->kick_signal)
		return run_guest(vcpu);
	__atomic_store_n(&vcpu->tid, (pid_t)syscall(SYS_gettid),
			 __ATOMIC_RELAXED);
	/*
	 * Orders the store of tid before KVM_RUN's look at immediate_exit;
	 * pairs with the fence in bf_kvm_vcpu_kick().  Without both, a kick
	 * may see nobody running while KVM_RUN does not see immediate_exit,
	 * and the guest goes on.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ret = run_guest(vcpu);
	__atomic_store_n(&vcpu->tid, 0, __ATOMIC_RELAXED);
	return ret;
}

/* immediate_exit stops who is about to enter, the signal who is inside. */
void bf_kvm_vcpu_kick(struct bf_vcpu *vcpu)
{
	pid_t tid;

	/*
	 * Orders the store of immediate_exit, in kick_vcpu() of vm/vcpu.c,
	 * before the load of tid; pairs with the fence in bf_kvm_vcpu_run().
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	tid = __atomic_load_n(&vcpu->tid, __ATOMIC_RELAXED);
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, vcpu->vm->kick_signal);
}
