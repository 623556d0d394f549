// SPDX-License-Identifier: MIT
/* vCPUs, as far as they are the same on every engine. */
#include <errno.h>
#include <stdlib.h>

#include "vm/vm.h"

int bf_vcpu_create(struct bf_vm *vm, unsigned long id, struct bf_vcpu **vcpup)
{
	struct bf_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int ret;

	if (!vcpu)
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = -1;
	bf_front_call_begins(vm->front, (uint32_t)KVM_CREATE_VCPU);
	ret = vm->engine->vcpu_create(vcpu);
	bf_front_call_ends(vm->front, (uint32_t)KVM_CREATE_VCPU);
	if (ret) {
		free(vcpu);
		return ret;
	}
	*vcpup = vcpu;
	return 0;
}

void bf_vcpu_destroy(struct bf_vcpu *vcpu)
{
	if (!vcpu)
		return;
	vcpu->vm->engine->vcpu_destroy(vcpu);
	free(vcpu);
}

int bf_vcpu_fd(const struct bf_vcpu *vcpu)
{
	return vcpu->fd;
}

struct kvm_run *bf_vcpu_page(struct bf_vcpu *vcpu)
{
	return vcpu->page;
}

int bf_vcpu_boot64(struct bf_vcpu *vcpu, const struct bf_vcpu_boot64 *boot)
{
	return vcpu->vm->engine->vcpu_boot64(vcpu, boot);
}

int bf_vcpu_run(struct bf_vcpu *vcpu)
{
	return vcpu->vm->engine->vcpu_run(vcpu);
}
