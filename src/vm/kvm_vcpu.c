// SPDX-License-Identifier: MIT
/*
 * vCPUs of KVM.
 *
 * The kernel creates one vCPU for each id and keeps it until the VM is gone.
 * So the engine keeps every vCPU that the kernel has created, and a later
 * bf_vcpu_create() of the same id returns that one, as VMMs do that hotplug
 * vCPUs.  The table of vCPUs decides which struct bf_vcpu has the id: it
 * frees an id only after a grace period, but it may do so before it destroys
 * the old struct bf_vcpu.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm/kvm.h"

struct bf_kvm_vcpu {
	struct bf_kvm_vcpu *next;
	uint32_t id;
	int fd;
	struct kvm_run *page; /* NULL: not mapped yet */
	bool booted;	      /* its program is one of bf_vcpu_boot64() */
	pid_t tid;	      /* of the thread that runs it; 0: none.  Set only
				 where a kick sends a signal */
};

static struct bf_kvm_vcpu *kvm_vcpu_find(struct bf_kvm_vm *kvm, uint32_t id)
{
	struct bf_kvm_vcpu *vcpu;

	pthread_mutex_lock(&kvm->lock);
	for (vcpu = kvm->vcpus; vcpu && vcpu->id != id; vcpu = vcpu->next)
		;
	pthread_mutex_unlock(&kvm->lock);
	return vcpu;
}

static void kvm_vcpu_keep(struct bf_kvm_vm *kvm, struct bf_kvm_vcpu *vcpu)
{
	pthread_mutex_lock(&kvm->lock);
	vcpu->next = kvm->vcpus;
	kvm->vcpus = vcpu;
	pthread_mutex_unlock(&kvm->lock);
}

void bf_kvm_free_vcpus(struct bf_kvm_vm *kvm)
{
	struct bf_kvm_vcpu *vcpu;

	while ((vcpu = kvm->vcpus)) {
		kvm->vcpus = vcpu->next;
		if (vcpu->page)
			munmap(vcpu->page, kvm->page_size);
		syscall(SYS_close, vcpu->fd);
		free(vcpu);
	}
}

/* Asks the kernel for a new vCPU.  0 or a negative errno. */
static int kvm_vcpu_new(struct bf_vm *vm, uint32_t id,
			struct bf_kvm_vcpu **vcpup)
{
	struct bf_kvm_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int fd;

	if (!vcpu)
		return -ENOMEM;
	fd = (int)bf_kvm_number(vm->fd, KVM_CREATE_VCPU, id);
	if (fd < 0) {
		free(vcpu);
		return fd;
	}
	vcpu->id = id;
	vcpu->fd = fd;
	kvm_vcpu_keep(vm->engine_data, vcpu);
	*vcpup = vcpu;
	return 0;
}

static int kvm_vcpu_map(const struct bf_kvm_vm *kvm, struct bf_kvm_vcpu *vcpu)
{
	void *page = mmap(NULL, kvm->page_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, vcpu->fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	vcpu->page = page;
	return 0;
}

/*
 * Completes the exit that was pending when the vCPU was destroyed.  Otherwise
 * the next KVM_RUN would complete it, and overwrite a register that the new
 * owner of the id has set.  Each call brings out the next part of a split
 * access, which nothing serves any more, until there is none and KVM_RUN fails.
 */
static void kvm_vcpu_complete_exit(struct bf_kvm_vcpu *vcpu)
{
	vcpu->page->kvm_valid_regs = vcpu->page->kvm_dirty_regs = 0;
	vcpu->page->immediate_exit = 1;
	while (!bf_kvm_number(vcpu->fd, KVM_RUN, 0))
		;
	vcpu->page->immediate_exit = 0;
}

static void set_page(struct bf_vcpu *vcpu, const struct bf_kvm_vm *vm,
		     struct kvm_run *page)
{
	const size_t ring_size = (size_t)sysconf(_SC_PAGESIZE);

	vcpu->page = page;
	vcpu->page_size = vm->page_size;
	if (!vm->ring_offset || vm->ring_offset + ring_size > vm->page_size)
		return;
	vcpu->ring = (void *)((char *)page + vm->ring_offset);
	vcpu->ring_entries = (uint32_t)((ring_size - sizeof(*vcpu->ring)) /
					sizeof(vcpu->ring->coalesced_mmio[0]));
}

int bf_kvm_vcpu_create(struct bf_vcpu *vcpu)
{
	const uint32_t id = bf_vcpu_entry_id(&vcpu->entry);
	struct bf_kvm_vm *vm = vcpu->vm->engine_data;
	struct bf_kvm_vcpu *kvm = kvm_vcpu_find(vm, id);
	int ret = kvm ? 0 : kvm_vcpu_new(vcpu->vm, id, &kvm);

	if (ret)
		return ret;
	if (kvm->page)
		kvm_vcpu_complete_exit(kvm);
	else
		ret = kvm_vcpu_map(vm, kvm);
	if (ret)
		return ret;
	kvm->booted = false;
	vcpu->engine_data = kvm;
	vcpu->fd = kvm->fd;
	set_page(vcpu, vm, kvm->page);
	return 0;
}

/*
 * The kernel's vCPU stays.  A new struct bf_vcpu of the same id may already
 * use it.
 */
void bf_kvm_vcpu_destroy(struct bf_vcpu *vcpu)
{
}

void bf_kvm_vcpu_booted(struct bf_vcpu *vcpu)
{
	struct bf_kvm_vcpu *kvm = vcpu->engine_data;

	kvm->booted = true;
}

static int run_guest(struct bf_vcpu *vcpu)
{
	const struct bf_kvm_vcpu *kvm = vcpu->engine_data;
	int ret;

	do {
		bf_front_before_run(vcpu->front);
		ret = (int)bf_kvm_number(vcpu->fd, KVM_RUN, 0);
	} while (bf_front_after_run(vcpu->front, ret));
	if (!ret && kvm->booted && bf_kvm_is_end(kvm->page))
		kvm->page->exit_reason = KVM_EXIT_HLT;
	return ret;
}

int bf_kvm_vcpu_run(struct bf_vcpu *vcpu)
{
	const struct bf_kvm_vm *vm = vcpu->vm->engine_data;
	struct bf_kvm_vcpu *kvm = vcpu->engine_data;
	int ret;

	if (!vm->kick_signal)
		return run_guest(vcpu);
	__atomic_store_n(&kvm->tid, (pid_t)syscall(SYS_gettid),
			 __ATOMIC_RELAXED);
	/*
	 * Orders the store of tid before KVM_RUN's load of immediate_exit.
	 * Pairs with the fence in bf_kvm_vcpu_kick().  Without either fence a
	 * kick may load tid 0 while KVM_RUN loads immediate_exit 0, and the
	 * guest goes on running.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ret = run_guest(vcpu);
	__atomic_store_n(&kvm->tid, 0, __ATOMIC_RELAXED);
	return ret;
}

/*
 * immediate_exit stops a thread that is about to enter the guest, the signal
 * stops a thread that is in the guest.
 */
void bf_kvm_vcpu_kick(struct bf_vcpu *vcpu)
{
	const struct bf_kvm_vm *vm = vcpu->vm->engine_data;
	const struct bf_kvm_vcpu *kvm = vcpu->engine_data;
	pid_t tid;

	/*
	 * Orders the store of immediate_exit, in vcpu_kick() of vm/vcpu.c,
	 * before the load of tid.  Pairs with the fence in bf_kvm_vcpu_run().
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	tid = __atomic_load_n(&kvm->tid, __ATOMIC_RELAXED);
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, vm->kick_signal);
}
