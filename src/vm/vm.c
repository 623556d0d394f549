// SPDX-License-Identifier: MIT
/* A virtual machine: its bus, front, memory slots, vCPUs and engine. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/util.h"
#include "vm/vm.h"

static int check_config(const struct bf_vm_config *config)
{
	if (config->policy > BF_POLICY_EAGER ||
	    !config->pause != !config->resume || config->kick_signal < 0 ||
	    config->kick_signal > SIGRTMAX ||
	    !bf_reserved_is_zero(config->reserved))
		return -EINVAL;
	return 0;
}

static int attach_front(struct bf_vm *vm, const struct bf_vm_config *config)
{
	const struct bf_front_config front = {
		.policy = config->policy,
		.install_after = config->install_after,
		.quiet_ms = config->quiet_ms,
		.zones_at_once = config->zones_at_once,
		.bus = vm->bus,
		.memslots = vm->fd < 0 ? NULL : vm->memslots,
	};

	return bf_front_attach(vm->fd, &front, &vm->front);
}

/* Each step that fails undoes the steps before it. */
static int build_vm(struct bf_vm *vm, const struct bf_vm_config *config)
{
	struct bf_vcpus_config limits = {0};
	int ret;

	ret = bf_io_bus_create("vm", &vm->bus);
	if (ret)
		return ret;
	ret = vm->engine->vm_create(vm, config, &limits);
	if (ret)
		goto destroy_bus;
	ret = bf_vcpus_create(&limits, &vm->vcpus);
	if (ret)
		goto destroy_engine;
	ret = attach_front(vm, config);
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

int bf_vm_create(const struct bf_vm_config *config, struct bf_vm **vmp)
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
	vm->engine = config->engine ? config->engine : &bf_engine_kvm;
	vm->fd = -1;
	ret = build_vm(vm, config);
	if (ret) {
		free(vm);
		return ret;
	}
	*vmp = vm;
	return 0;
}

/*
 * The order: the front stops using the fd; the vCPUs, which hold the VM in the
 * kernel, close; the engine closes the fd; then no access can come, and the
 * front and the bus go.
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

/*
 * Without a vCPU of the table the caller may be about to make its own ones, of
 * whose exits the front would never know.
 */
int bf_vm_fd(struct bf_vm *vm)
{
	if (vm->fd >= 0 && !bf_vcpus_created(vm->vcpus) &&
	    !__atomic_exchange_n(&vm->fd_is_out, true, __ATOMIC_RELAXED))
		bf_front_at_once(vm->front, 1);
	return vm->fd;
}

int bf_vm_ioctl(struct bf_vm *vm, unsigned long request, void *arg)
{
	if (request == KVM_CREATE_VCPU || request == KVM_SET_USER_MEMORY_REGION)
		return -EPERM;
	return bf_front_ioctl(vm->front, request, arg);
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

struct bf_front *bf_vm_front(struct bf_vm *vm)
{
	return vm->front;
}

uint64_t bf_vm_guest_addr(struct bf_vm *vm, uint64_t gpa)
{
	return vm->engine->guest_addr(vm, gpa);
}
