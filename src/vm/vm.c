// SPDX-License-Identifier: MIT
/* Virtual machines: bus, front, memory slots, vCPUs and engine put together. */
#include <errno.h>
#include <signal.h>
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
	if (config->engine > BF_ENGINE_TRAP ||
	    config->policy > BF_POLICY_EAGER ||
	    !config->pause != !config->resume || config->kick_signal < 0 ||
	    config->kick_signal > SIGRTMAX)
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
	struct bf_vcpus_config limits = {0};
	int ret;

	ret = bf_io_bus_create(&vm->bus, "vm");
	if (ret)
		return ret;
	ret = vm->engine->vm_create(vm, config, &limits);
	if (ret)
		goto destroy_bus;
	ret = bf_vcpus_create(&vm->vcpus, &limits);
	if (ret)
		goto destroy_engine;
	ret = bf_front_create(&vm->front, vm->fd, &front, vm->bus);
	if (ret)
		goto destroy_vcpus;
	return 0;
destroy_vcpus:
	bf_vcpus_destroy(vm->vcpus);
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
	vm->kick_signal = config->kick_signal;
	ret = build_vm(vm, config);
	if (ret) {
		free(vm);
		return ret;
	}
	*vmp = vm;
	return 0;
}

/*
 * vCPUs hold their VM in the kernel, so they go before its fd.  Nobody uses
 * that any more when it is closed, and nothing can ring any more when the rest
 * of the front goes.
 */
void bf_vm_destroy(struct bf_vm *vm)
{
	if (!vm)
		return;
	bf_front_stop(vm->front);
	bf_vcpus_destroy(vm->vcpus);
	vm->engine->vm_destroy(vm);
	bf_front_destroy(vm->front);
	bf_io_bus_destroy(vm->bus);
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

struct bf_memslots *bf_vm_memslots(struct bf_vm *vm)
{
	return vm->memslots;
}

struct bf_vcpus *bf_vm_vcpus(struct bf_vm *vm)
{
	return vm->vcpus;
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
