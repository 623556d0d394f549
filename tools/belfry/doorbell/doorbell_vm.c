/* SPDX-License-Identifier: MIT */
#include "tools/belfry/doorbell/doorbell_vm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guests/guests.h"
#include "tools/belfry/common/samples.h"

/* Guest memory: the program at 0, and page tables above it. */
#define MEMORY_SIZE 0x10000u /* a page of any size */
#define PAGE_TABLES 0x4000u

#define DOORBELL_GPA  0xd0000000ull
#define DOORBELL_PORT 0x5000u
#define DOORBELL_SIZE 4u

/* Added to the eventfd behind the last signal to end the consumer. */
#define LAST (1ull << 32)

struct doorbell_vm {
	struct doorbell_desc desc;
	struct bf_vm *machine;
	struct bf_vcpu *vcpu;
	char *memory;
	int eventfd;
};

static int device_write(void *opaque, uint64_t offset,
			const struct bf_io_access *access)
{
	const struct doorbell_vm *vm = opaque;

	return eventfd_write(vm->eventfd, 1);
}

static const struct bf_io_ops device_ops = {.write = device_write};

static uint64_t doorbell_addr(const struct doorbell_vm *vm)
{
	return vm->desc.pio ? DOORBELL_PORT : DOORBELL_GPA;
}

static uint16_t doorbell_space(const struct doorbell_vm *vm)
{
	return vm->desc.pio ? BF_IO_PIO : BF_IO_MMIO;
}

static int add_device(struct doorbell_vm *vm)
{
	const struct bf_io_range_desc desc = {
		.addr = doorbell_addr(vm),
		.size = DOORBELL_SIZE,
		.space = doorbell_space(vm),
		.name = "doorbell",
		.ops = &device_ops,
		.opaque = vm,
	};

	return bf_io_add_range(bf_vm_bus(vm->machine), &desc, NULL, NULL);
}

static int add_kernel(struct doorbell_vm *vm)
{
	const struct kvm_ioeventfd arg = {
		.addr = doorbell_addr(vm),
		.len = vm->desc.len,
		.fd = vm->eventfd,
		.flags = vm->desc.pio ? KVM_IOEVENTFD_FLAG_PIO : 0,
	};

	return bf_front_ioeventfd(bf_vm_front(vm->machine), &arg);
}

static int add_belfry(struct doorbell_vm *vm)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = doorbell_addr(vm),
		.len = vm->desc.len,
		.space = doorbell_space(vm),
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_EVENTFD,
		.eventfd = vm->eventfd,
	};

	return bf_io_add_doorbell(bf_vm_bus(vm->machine), &desc, NULL, NULL);
}

static int add_doorbell(struct doorbell_vm *vm)
{
	switch (vm->desc.kind) {
	case DOORBELL_DEVICE:
		return add_device(vm);
	case DOORBELL_KERNEL:
	case DOORBELL_LAZY:
		return add_kernel(vm);
	case DOORBELL_BELFRY:
		return add_belfry(vm);
	}
	return -EINVAL;
}

static int make_eventfd(struct doorbell_vm *vm)
{
	vm->eventfd = eventfd(0, EFD_CLOEXEC);
	return vm->eventfd < 0 ? -errno : 0;
}

static int make_memory(struct doorbell_vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
	};

	vm->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED) {
		vm->memory = NULL;
		return -ENOMEM;
	}
	region.userspace_addr = (uintptr_t)vm->memory;
	return bf_memslots_set(bf_vm_memslots(vm->machine), &region);
}

static int build_vm(struct doorbell_vm *vm, const struct bf_engine_ops *engine)
{
	const struct bf_vm_config config = {
		.engine = engine,
		.policy = vm->desc.kind == DOORBELL_LAZY ? BF_POLICY_LAZY :
							   BF_POLICY_EAGER,
		.install_after = 1,
		.quiet_ms = 1,
	};
	int ret;

	ret = make_eventfd(vm);
	if (!ret)
		ret = bf_vm_create(&config, &vm->machine);
	if (!ret)
		ret = make_memory(vm);
	if (!ret)
		ret = bf_vcpu_create(vm->machine, 0, &vm->vcpu);
	if (!ret)
		ret = add_doorbell(vm);
	return ret;
}

int doorbell_vm_create(struct doorbell_vm **vmp,
		       const struct doorbell_desc *desc,
		       const struct bf_engine_ops *engine)
{
	struct doorbell_vm *vm = calloc(1, sizeof(*vm));
	int ret;

	if (!vm)
		return -ENOMEM;
	vm->desc = *desc;
	vm->eventfd = -1;
	ret = build_vm(vm, engine);
	if (ret) {
		doorbell_vm_destroy(vm);
		return ret;
	}
	*vmp = vm;
	return 0;
}

void doorbell_vm_destroy(struct doorbell_vm *vm)
{
	bf_vcpu_destroy(vm->vcpu);
	bf_vm_destroy(vm->machine);
	if (vm->memory)
		munmap(vm->memory, MEMORY_SIZE);
	if (vm->eventfd >= 0)
		close(vm->eventfd);
	free(vm);
}

struct consumer {
	int eventfd;
	uint64_t events;
};

static void *count_signals(void *arg)
{
	struct consumer *consumer = arg;
	eventfd_t value;

	while (consumer->events < LAST) {
		if (eventfd_read(consumer->eventfd, &value) == 0)
			consumer->events += value;
		else if (errno != EINTR)
			break;
	}
	consumer->events -= LAST;
	return NULL;
}

static int boot_guest(struct doorbell_vm *vm, unsigned long count)
{
	const struct guest *guest = vm->desc.pio ? &guest_write_pio4 :
						   &guest_write_mmio4;
	const struct bf_vcpu_boot64_desc boot = {
		.args = {vm->desc.pio ?
				 DOORBELL_PORT :
				 bf_vm_guest_addr(vm->machine, DOORBELL_GPA),
			 count, 1},
		.page_tables = PAGE_TABLES,
		.page_tables_hva = vm->memory + PAGE_TABLES,
	};

	guest_place(guest, vm->memory);
	return bf_vcpu_boot64(vm->vcpu, &boot) ? -ENOEXEC : 0;
}

/* A write that neither the bus nor the kernel took comes out. */
static int check_exit(uint32_t reason)
{
	switch (reason) {
	case KVM_EXIT_HLT:
		return 0;
	case KVM_EXIT_MMIO:
	case KVM_EXIT_IO:
		return -EPROTO;
	}
	return -EIO;
}

static int run_guest(struct doorbell_vm *vm, uint64_t *ns)
{
	uint64_t begin = clock_ns();
	int ret;

	do
		ret = bf_vcpu_run(vm->vcpu);
	while (ret == -EINTR);
	*ns = clock_ns() - begin;
	if (ret)
		return ret;
	return check_exit(bf_vcpu_page(vm->vcpu)->exit_reason);
}

/* With a doorbell in the kernel no exit reaches this process. */
static int check_path(const struct doorbell_vm *vm)
{
	struct bf_front_stats stats;

	bf_front_get_stats(bf_vm_front(vm->machine), &stats);
	if (vm->desc.kind == DOORBELL_LAZY)
		return stats.installed == 1 ? 0 : -EPROTO;
	if (vm->desc.kind != DOORBELL_KERNEL)
		return stats.installed ? -EPROTO : 0;
	return stats.installed == 1 && !stats.signalled ? 0 : -EPROTO;
}

/* Unless watched, read the eventfd only after the guest has halted. */
static int run_watched(struct doorbell_vm *vm, bool watched, uint64_t *ns,
		       uint64_t *events)
{
	struct consumer consumer = {.eventfd = vm->eventfd};
	pthread_t thread;
	int ret;

	ret = watched ?
		      -pthread_create(&thread, NULL, count_signals, &consumer) :
		      0;
	if (ret)
		return ret;
	ret = run_guest(vm, ns);
	eventfd_write(vm->eventfd, LAST);
	if (watched)
		pthread_join(thread, NULL);
	else
		count_signals(&consumer);
	*events = consumer.events;
	return ret ? ret : check_path(vm);
}

int doorbell_vm_signal(struct doorbell_vm *vm, unsigned long count,
		       uint64_t *ns, uint64_t *events)
{
	int ret = boot_guest(vm, count);

	return ret ? ret : run_watched(vm, true, ns, events);
}

int doorbell_vm_signal_unwatched(struct doorbell_vm *vm, unsigned long count,
				 uint64_t *ns, uint64_t *events)
{
	int ret = boot_guest(vm, count);

	return ret ? ret : run_watched(vm, false, ns, events);
}

const char *doorbell_vm_reason(int err)
{
	switch (err) {
	case ENOEXEC:
		return "KVM refuses the registers of a 64-bit guest";
	case EIO:
		return "the guest stopped before its end";
	case EPROTO:
		return "another part of the system took a write";
	}
	return strerror(err);
}
