// SPDX-License-Identifier: MIT
/* The part of a vCPU that every engine shares. */
#include <errno.h>
#include <stdlib.h>

#include "base/util.h"
#include "vm/vm.h"

struct bf_vcpu *bf_vcpu_of(struct bf_vcpu_entry *entry)
{
	return container_of(entry, struct bf_vcpu, entry);
}

struct bf_vcpu_entry *bf_vcpu_get_entry(struct bf_vcpu *vcpu)
{
	return &vcpu->entry;
}

static void vcpu_release(struct bf_vcpu_entry *entry)
{
	struct bf_vcpu *vcpu = bf_vcpu_of(entry);

	bf_front_detach_vcpu(vcpu->front);
	vcpu->vm->engine->vcpu_destroy(vcpu);
	free(vcpu);
}

static void vcpu_kick(struct bf_vcpu_entry *entry)
{
	struct bf_vcpu *vcpu = bf_vcpu_of(entry);

	/*
	 * Release: orders the stores of the kicking thread, a flag to stop for
	 * example, before immediate_exit.  Pairs with the acquire of the
	 * thread that clears immediate_exit (belfry_vm(3)).  Without it, that
	 * thread could clear the kick and not see the flag.
	 */
	__atomic_store_n(&vcpu->page->immediate_exit, 1, __ATOMIC_RELEASE);
	vcpu->vm->engine->vcpu_kick(vcpu);
}

static const struct bf_vcpu_entry_ops vcpu_ops = {
	.release = vcpu_release,
	.kick = vcpu_kick,
};

/*
 * Outside of bf_vcpu_run() the page asks for registers that no kernel has, so
 * that a KVM_RUN of the caller's fails with EINVAL and does not pass the bus
 * by. The kernel looks at the request on x86-64 and not on aarch64; 6.12
 * looks at the low 32 bits alone.
 */
#define NO_SUCH_REGS (1ULL << 31)

static void forbid_run(struct bf_vcpu *vcpu)
{
	vcpu->page->kvm_dirty_regs |= NO_SUCH_REGS;
}

static void allow_run(struct bf_vcpu *vcpu)
{
	vcpu->page->kvm_dirty_regs &= ~NO_SUCH_REGS;
}

static int vcpu_create_in_engine(struct bf_vcpu *vcpu)
{
	struct bf_front *front = vcpu->vm->front;
	int ret;

	bf_front_call_begins(front, KVM_CREATE_VCPU);
	ret = vcpu->vm->engine->vcpu_create(vcpu);
	bf_front_call_ends(front, KVM_CREATE_VCPU);
	if (ret)
		return ret;
	ret = bf_front_attach_vcpu(front, vcpu->fd, vcpu->page, vcpu,
				   &vcpu->front);
	if (ret)
		vcpu->vm->engine->vcpu_destroy(vcpu);
	return ret;
}

int bf_vcpu_create(struct bf_vm *vm, unsigned long id, struct bf_vcpu **vcpup)
{
	struct bf_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int ret;

	if (!vcpu)
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->fd = -1;
	ret = bf_vcpus_reserve(vm->vcpus, &vcpu->entry, id, &vcpu_ops, 0);
	if (ret)
		goto free_vcpu;
	ret = vcpu_create_in_engine(vcpu);
	if (ret)
		goto cancel;
	forbid_run(vcpu);
	bf_vcpu_entry_publish(&vcpu->entry);
	if (__atomic_exchange_n(&vm->fd_is_out, false, __ATOMIC_RELAXED))
		bf_front_at_once(vm->front, -1);
	*vcpup = vcpu;
	return 0;
cancel:
	bf_vcpu_entry_cancel(&vcpu->entry);
free_vcpu:
	free(vcpu);
	return ret;
}

void bf_vcpu_destroy(struct bf_vcpu *vcpu)
{
	if (vcpu)
		bf_vcpu_entry_remove(&vcpu->entry);
}

int bf_vcpu_fd(const struct bf_vcpu *vcpu)
{
	return vcpu->fd;
}

struct kvm_run *bf_vcpu_page(const struct bf_vcpu *vcpu)
{
	return vcpu->page;
}

struct bf_front_vcpu *bf_vcpu_front(struct bf_vcpu *vcpu)
{
	vcpu->own_loop = true;
	allow_run(vcpu);
	return vcpu->front;
}

size_t bf_vcpu_page_size(const struct bf_vcpu *vcpu)
{
	return vcpu->page_size;
}

struct kvm_coalesced_mmio_ring *
bf_vcpu_coalesced_ring(const struct bf_vcpu *vcpu, uint32_t *entriesp)
{
	if (vcpu->ring)
		*entriesp = vcpu->ring_entries;
	return vcpu->ring;
}

int bf_vcpu_boot64(struct bf_vcpu *vcpu, const struct bf_vcpu_boot64_desc *desc)
{
	if (!bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	return vcpu->vm->engine->vcpu_boot64(vcpu, desc);
}

int bf_vcpu_run(struct bf_vcpu *vcpu)
{
	int ret;

	allow_run(vcpu);
	ret = vcpu->vm->engine->vcpu_run(vcpu);
	if (!vcpu->own_loop)
		forbid_run(vcpu);
	return ret;
}
