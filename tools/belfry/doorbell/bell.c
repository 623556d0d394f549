/* SPDX-License-Identifier: MIT */
#include "bell.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guests/guests.h"
#include "tools/belfry/common/samples.h"

/* Guest memory: the program at 0, then what KVM needs for paging. */
#define MEMORY_SIZE 0x10000u
#define PAGE_TABLES 0x4000u

#define BELL_GPA  0xd0000000ull
#define BELL_PORT 0x5000u
#define BELL_SIZE 4u

/* More than any count of rings: ends the consumer, behind the last ring. */
#define LAST (1ull << 32)

struct bell {
	struct bell_desc desc;
	struct bf_vm *vm;
	struct bf_vcpu *vcpu;
	char *memory;
	int eventfd;
};

static int device_write(void *opaque, uint64_t offset, const void *data,
			uint32_t len)
{
	const struct bell *bell = opaque;

	return eventfd_write(bell->eventfd, 1);
}

static const struct bf_io_ops device_ops = {.write = device_write};

static uint64_t bell_addr(const struct bell *bell)
{
	return bell->desc.pio ? BELL_PORT : BELL_GPA;
}

static uint16_t bell_space(const struct bell *bell)
{
	return bell->desc.pio ? BF_IO_PIO : BF_IO_MMIO;
}

static int add_device(struct bell *bell)
{
	const struct bf_io_range_desc desc = {
		.addr = bell_addr(bell),
		.size = BELL_SIZE,
		.space = bell_space(bell),
		.name = "bell",
		.ops = &device_ops,
		.opaque = bell,
	};

	return bf_io_add_range(bf_vm_bus(bell->vm), &desc, NULL, NULL);
}

static int add_kernel(struct bell *bell)
{
	const struct kvm_ioeventfd arg = {
		.addr = bell_addr(bell),
		.len = bell->desc.len,
		.fd = bell->eventfd,
		.flags = bell->desc.pio ? KVM_IOEVENTFD_FLAG_PIO : 0,
	};

	return bf_vm_ioeventfd(bell->vm, &arg);
}

static int add_belfry(struct bell *bell)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = bell_addr(bell),
		.len = bell->desc.len,
		.space = bell_space(bell),
		.wildcard = true,
		.eventfd = bell->eventfd,
	};

	return bf_io_add_doorbell(bf_vm_bus(bell->vm), &desc, NULL, NULL);
}

static int add_bell(struct bell *bell)
{
	switch (bell->desc.kind) {
	case BELL_DEVICE:
		return add_device(bell);
	case BELL_KERNEL:
	case BELL_LAZY:
		return add_kernel(bell);
	case BELL_BELFRY:
		return add_belfry(bell);
	}
	return -EINVAL;
}

static int make_eventfd(struct bell *bell)
{
	bell->eventfd = eventfd(0, EFD_CLOEXEC);
	return bell->eventfd < 0 ? -errno : 0;
}

static int make_memory(struct bell *bell)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
	};

	bell->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bell->memory == MAP_FAILED) {
		bell->memory = NULL;
		return -ENOMEM;
	}
	region.userspace_addr = (uintptr_t)bell->memory;
	return bf_memslots_set(bf_vm_memslots(bell->vm), &region);
}

static int build(struct bell *bell, enum bf_engine engine)
{
	const struct bf_vm_config config = {
		.engine = engine,
		.policy = bell->desc.kind == BELL_LAZY ? BF_POLICY_LAZY :
							 BF_POLICY_EAGER,
		.rings = 1,
		.quiet_ms = 1,
	};
	int ret;

	ret = make_eventfd(bell);
	if (!ret)
		ret = bf_vm_create(&bell->vm, &config);
	if (!ret)
		ret = make_memory(bell);
	if (!ret)
		ret = bf_vcpu_create(bell->vm, 0, &bell->vcpu);
	if (!ret)
		ret = add_bell(bell);
	return ret;
}

int bell_create(struct bell **bellp, const struct bell_desc *desc,
		enum bf_engine engine)
{
	struct bell *bell = calloc(1, sizeof(*bell));
	int ret;

	if (!bell)
		return -ENOMEM;
	bell->desc = *desc;
	bell->eventfd = -1;
	ret = build(bell, engine);
	if (ret) {
		bell_destroy(bell);
		return ret;
	}
	*bellp = bell;
	return 0;
}

void bell_destroy(struct bell *bell)
{
	bf_vcpu_destroy(bell->vcpu);
	bf_vm_destroy(bell->vm);
	if (bell->memory)
		munmap(bell->memory, MEMORY_SIZE);
	if (bell->eventfd >= 0)
		close(bell->eventfd);
	free(bell);
}

struct consumer {
	int eventfd;
	uint64_t events;
};

static void *consume(void *arg)
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

static int boot(struct bell *bell, unsigned long count)
{
	const struct guest *guest = bell->desc.pio ? &guest_ring_pio4 :
						     &guest_ring_mmio4;
	const struct bf_vcpu_boot64 boot = {
		.args = {bell->desc.pio ? BELL_PORT :
					  bf_vm_guest_addr(bell->vm, BELL_GPA),
			 count, 1},
		.page_tables = PAGE_TABLES,
		.page_tables_hva = bell->memory + PAGE_TABLES,
	};

	memcpy(bell->memory, guest->start, guest->size);
	return bf_vcpu_boot64(bell->vcpu, &boot);
}

static int run(struct bell *bell, uint64_t *ns)
{
	uint64_t begin = clock_ns();
	int ret;

	do
		ret = bf_vcpu_run(bell->vcpu);
	while (ret == -EINTR);
	*ns = clock_ns() - begin;
	if (ret)
		return ret;
	return bf_vcpu_page(bell->vcpu)->exit_reason == KVM_EXIT_HLT ? 0 :
								       -EPROTO;
}

/* A doorbell that is to be the kernel's never rings here, nor does another. */
static int check_who(const struct bell *bell)
{
	struct bf_vm_stats stats;

	bf_vm_stats(bell->vm, &stats);
	if (bell->desc.kind == BELL_LAZY)
		return stats.installed == 1 ? 0 : -EPROTO;
	if (bell->desc.kind != BELL_KERNEL)
		return stats.installed ? -EPROTO : 0;
	return stats.installed == 1 && !stats.rung ? 0 : -EPROTO;
}

/* Without a thread that waits the events are looked at in the end. */
static int run_heard(struct bell *bell, bool heard, uint64_t *ns,
		     uint64_t *events)
{
	struct consumer consumer = {.eventfd = bell->eventfd};
	pthread_t thread;
	int ret;

	ret = heard ? -pthread_create(&thread, NULL, consume, &consumer) : 0;
	if (ret)
		return ret;
	ret = run(bell, ns);
	eventfd_write(bell->eventfd, LAST);
	if (heard)
		pthread_join(thread, NULL);
	else
		consume(&consumer);
	*events = consumer.events;
	return ret ? ret : check_who(bell);
}

int bell_ring(struct bell *bell, unsigned long count, uint64_t *ns,
	      uint64_t *events)
{
	int ret = boot(bell, count);

	return ret ? ret : run_heard(bell, true, ns, events);
}

int bell_ring_unheard(struct bell *bell, unsigned long count, uint64_t *ns,
		      uint64_t *events)
{
	int ret = boot(bell, count);

	return ret ? ret : run_heard(bell, false, ns, events);
}
