// SPDX-License-Identifier: MIT
/* Virtual machines: an engine, a bus and a front, put together. */
#include <errno.h>
#include <stdlib.h>

#include "vm/vm.h"

static const struct bf_engine_ops *find_engine(enum bf_engine engine)
{
	switch (engine) {
	case BF_ENGINE_KVM:
		return &bf_engine_kvm;
#ifdef BF_HAVE_TRAP
	case BF_ENGINE_TRAP:
		return &bf_engine_trap;
#endif
	default:
		return NULL;
	}
}

static int check_config(const struct bf_vm_config *config)
{
	if (config->engine > BF_ENGINE_TRAP || config->policy > BF_POLICY_EAGER)
		return -EINVAL;
	return find_engine(config->engine) ? 0 : -ENOTSUP;
}

/* What the VM is made of; each step undoes what was done before it. */
static int build_vm(struct bf_vm *vm, const struct bf_vm_config *config)
{
	const struct bf_front_config front = {
		.policy = config->policy,
		.rings = config->rings,
		.quiet_ms = config->quiet_ms,
		.zones_at_once = config->zones_at_once,
	};
	int ret;

	ret = bf_io_bus_create(&vm->bus, "vm");
	if (ret)
		return ret;
	ret = vm->engine->vm_create(vm, config);
	if (ret)
		goto destroy_bus;
	ret = bf_front_create(&vm->front, vm->fd, &front, vm->bus);
	if (ret)
		goto destroy_engine;
	return 0;
destroy_engine:
	vm->engine->vm_destroy(vm);
destroy_bus:
	bf_io_bus_destroy(vm->bus);
	return ret;
}

int bf_vm_create(struct bf_vm **vmp, const struct bf_vm_config *config)
{
	static const struct bf_vm_config defaults;
	struct bf_vm *vm;
	int ret;

	if (!config)
		config = &defaults;
	ret = check_config(config);
	if (ret)
		return ret;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->engine = find_engine(config->engine);
	vm->fd = -1;
	ret = build_vm(vm, config);
	if (ret) {
		free(vm);
		return ret;
	}
	pthread_mutex_init(&vm->lock, NULL);
	*vmp = vm;
	return 0;
}

/*
 * Nobody uses the fd any more when it is closed, and nothing can ring any more
 * when the rest of the front goes.
 */
void bf_vm_destroy(struct bf_vm *vm)
{
	if (!vm)
		return;
	bf_front_stop(vm->front);
	vm->engine->vm_destroy(vm);
	bf_front_destroy(vm->front);
	bf_io_bus_destroy(vm->bus);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

int bf_vm_fd(const struct bf_vm *vm)
{
	return vm->fd;
}

struct bf_io_bus *bf_vm_bus(struct bf_vm *vm)
{
	return vm->bus;
}

int bf_vm_set_memory(struct bf_vm *vm,
		     const struct kvm_userspace_memory_region *region)
{
	int ret;

	bf_front_call_begins(vm->front, (uint32_t)KVM_SET_USER_MEMORY_REGION);
	ret = vm->engine->set_memory(vm, region);
	bf_front_call_ends(vm->front, (uint32_t)KVM_SET_USER_MEMORY_REGION);
	return ret;
}

uint64_t bf_vm_guest_addr(struct bf_vm *vm, uint64_t gpa)
{
	return vm->engine->guest_addr(vm, gpa);
}

int bf_vm_ioeventfd(struct bf_vm *vm, const struct kvm_ioeventfd *arg)
{
	return bf_front_ioeventfd(vm->front, arg);
}

int bf_vm_coalesced_zone(struct bf_vm *vm, unsigned long request,
			 const struct kvm_coalesced_mmio_zone *zone)
{
	return bf_front_zone(vm->front, request, zone);
}

void bf_vm_stats(struct bf_vm *vm, struct bf_vm_stats *stats)
{
	bf_front_stats(vm->front, stats);
}
