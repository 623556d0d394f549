// SPDX-License-Identifier: MIT
/*
 * Changes a VM while its guest runs: adds a device, memory and a vCPU, and
 * removes the device and the vCPU.  No vCPU stops for a change.  The guest is
 * guests/hotplug_*.S: it polls a hotplug controller, probes the address that
 *the controller names, and reports the word that it read there.
 *
 *	hotplug [--engine kvm|trap]
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <belfry/io_txn.h>

#include "engine.h"
#include "guests/guests.h"

/* Guest memory: a program and 24 KiB of page tables for each vCPU. */
#define SLOT_SIZE	0x20000
#define PROGRAM(id)	((id)*0x1000u)
#define PAGE_TABLES(id) (0x4000u + (id)*0x6000u)
#define ADDED_MEMORY	0x100000
#define MEMORY_MARK	0x6d656d21

#define CONTROLLER 0xd0000000
#define DEVICE	   0xd0010000
#define DEVICE_ID  0x64657621
#define DOORBELL   4 /* offset in the device */

/* A read at an address without a device returns all ones. */
#define NO_DEVICE UINT32_MAX

/*
 * The hotplug controller.  The VMM sets an event and an address.  The guest
 * reads the word at the address and writes it to found.  That write resets the
 * event.
 */
enum event { EVENT_NONE, EVENT_PROBE, EVENT_STOP };

struct registers {
	uint32_t event;
	uint64_t address;
	uint32_t found;
	uint32_t online; /* a vCPU writes its id when it runs */
};

struct controller {
	pthread_mutex_t lock;
	pthread_cond_t written;
	struct registers regs;
};

/* The bus calls a handler only for accesses inside its range. */
static int controller_read(void *opaque, uint64_t offset,
			   const struct bf_io_access *access)
{
	struct controller *ctl = opaque;

	pthread_mutex_lock(&ctl->lock);
	memcpy(access->data, (const char *)&ctl->regs + offset, access->len);
	pthread_mutex_unlock(&ctl->lock);
	return 0;
}

static int controller_write(void *opaque, uint64_t offset,
			    const struct bf_io_access *access)
{
	struct controller *ctl = opaque;

	pthread_mutex_lock(&ctl->lock);
	memcpy((char *)&ctl->regs + offset, access->data, access->len);
	if (offset == offsetof(struct registers, found))
		ctl->regs.event = EVENT_NONE;
	pthread_cond_signal(&ctl->written);
	pthread_mutex_unlock(&ctl->lock);
	return 0;
}

static struct controller controller = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.written = PTHREAD_COND_INITIALIZER,
};

static void add_controller(struct bf_vm *vm)
{
	static const struct bf_io_ops ops = {controller_read, controller_write};
	const struct bf_io_range_desc range = {
		.addr = CONTROLLER,
		.size = sizeof(struct registers),
		.space = BF_IO_MMIO,
		.name = "controller",
		.ops = &ops,
		.opaque = &controller,
	};

	must(bf_io_add_range(bf_vm_bus(vm), &range, NULL, NULL), "controller");
}

/* Returns the word that the guest reads at gpa. */
static uint32_t guest_probe(struct bf_vm *vm, uint64_t gpa)
{
	uint32_t found;

	pthread_mutex_lock(&controller.lock);
	controller.regs.address = bf_vm_guest_addr(vm, gpa);
	controller.regs.event = EVENT_PROBE;
	while (controller.regs.event != EVENT_NONE)
		pthread_cond_wait(&controller.written, &controller.lock);
	found = controller.regs.found;
	pthread_mutex_unlock(&controller.lock);
	return found;
}

static void stop_guest(void)
{
	pthread_mutex_lock(&controller.lock);
	controller.regs.event = EVENT_STOP;
	pthread_mutex_unlock(&controller.lock);
}

static uint32_t *add_memory(struct bf_vm *vm, uint32_t slot, uint64_t gpa)
{
	void *memory = mmap(NULL, SLOT_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = SLOT_SIZE,
		.userspace_addr = (uintptr_t)memory,
	};

	expect(memory != MAP_FAILED, "memory for the guest");
	must(bf_memslots_set(bf_vm_memslots(vm), &region), "memory slot");
	return memory;
}

/* Adds a vCPU.  Its program gets the address gpa, 1, and the vCPU's id. */
static struct bf_vcpu *add_vcpu(struct bf_vm *vm, char *memory, unsigned int id,
				const struct guest *guest, uint64_t gpa)
{
	const struct bf_vcpu_boot64_desc boot = {
		.rip = PROGRAM(id),
		.args = {bf_vm_guest_addr(vm, gpa), 1, id},
		.page_tables = PAGE_TABLES(id),
		.page_tables_hva = memory + PAGE_TABLES(id),
	};
	struct bf_vcpu *vcpu;

	guest_place(guest, memory + PROGRAM(id));
	must(bf_vcpu_create(vm, id, &vcpu), "vCPU");
	must(bf_vcpu_boot64(vcpu, &boot), "boot");
	return vcpu;
}

/*
 * bf_vcpu_run() returns at an access that no entry of the bus handles.  As on a
 * real machine, such a read returns all ones and such a write has no effect.
 * The next run hands the data to the guest.
 */
static void *vcpu_thread(void *vcpu)
{
	struct kvm_run *run;

	while ((run = run_vcpu(vcpu))->exit_reason == KVM_EXIT_MMIO)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	expect(run->exit_reason == KVM_EXIT_HLT, "HLT");
	return NULL;
}

struct device {
	uint32_t id;
	int kick; /* eventfd */
	struct bf_io_range *range;
	struct bf_io_doorbell *doorbell;
	unsigned int parts; /* not yet removed from the bus */
	int gone;	    /* eventfd, signalled when the device is freed */
};

static int device_read(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	const struct device *device = opaque;

	if (offset || access->len != sizeof(device->id))
		return -1;
	memcpy(access->data, &device->id, access->len);
	return 0;
}

/* One transaction: no access sees the device without its doorbell. */
static struct device *plug_device(struct bf_io_bus *bus, int gone)
{
	static const struct bf_io_ops ops = {.read = device_read};
	struct device *device = calloc(1, sizeof(*device));
	struct bf_io_range_desc range = {
		.addr = DEVICE,
		.size = 0x1000,
		.space = BF_IO_MMIO,
		.name = "device",
		.ops = &ops,
		.opaque = device,
	};
	struct bf_io_doorbell_desc doorbell = {
		.addr = DEVICE + DOORBELL,
		.len = sizeof(uint32_t),
		.space = BF_IO_MMIO,
		.datamatch = GUEST_HOTPLUG_TOKEN,
	};
	struct bf_io_txn *txn;

	expect(device, "memory for the device");
	*device = (struct device){.id = DEVICE_ID, .parts = 2, .gone = gone};
	device->kick = must_sys(eventfd(0, EFD_CLOEXEC), "eventfd");
	doorbell.consumer = BF_IO_CONSUMER_EVENTFD;
	doorbell.eventfd = device->kick;
	must(bf_io_txn_begin(bus, &txn), "transaction");
	must(bf_io_txn_add_range(txn, &range, &device->range), "range");
	must(bf_io_txn_add_doorbell(txn, &doorbell, &device->doorbell),
	     "doorbell");
	must(bf_io_txn_commit(txn, NULL), "commit");
	return device;
}

/* Completion of each removal: no access uses the part any more. */
static void part_removed(void *opaque)
{
	struct device *device = opaque;
	const int gone = device->gone;

	if (__atomic_sub_fetch(&device->parts, 1, __ATOMIC_ACQ_REL))
		return;
	close(device->kick);
	free(device);
	eventfd_write(gone, 1);
}

/*
 * Returns at once.  An access in progress may still use the device, so
 * part_removed() frees the device after the last one.
 */
static void unplug_device(struct bf_io_bus *bus, struct device *device)
{
	struct bf_io_txn *txn;

	must(bf_io_txn_begin(bus, &txn), "transaction");
	must(bf_io_txn_remove_range(txn, device->range, part_removed, device),
	     "range");
	must(bf_io_txn_remove_doorbell(txn, device->doorbell, part_removed,
				       device),
	     "doorbell");
	must(bf_io_txn_commit(txn, NULL), "commit");
}

static void show_device(struct bf_vm *vm)
{
	const int gone = must_sys(eventfd(0, EFD_CLOEXEC), "eventfd");
	struct device *device;
	eventfd_t count;

	expect(guest_probe(vm, DEVICE) == NO_DEVICE,
	       "nothing before the device");
	device = plug_device(bf_vm_bus(vm), gone);
	expect(guest_probe(vm, DEVICE) == DEVICE_ID, "the guest has a device");
	must_sys(eventfd_read(device->kick, &count), "doorbell");
	printf("device added: the guest read its id; doorbell signals: %d\n",
	       (int)count);

	unplug_device(bf_vm_bus(vm), device);
	expect(guest_probe(vm, DEVICE) == NO_DEVICE,
	       "nothing after the device");
	must_sys(eventfd_read(gone, &count), "done");
	printf("device removed: the guest finds nothing, and it is freed\n");
	close(gone);
}

/* The VMM and its devices access guest memory by guest address. */
static void show_memory(struct bf_vm *vm)
{
	struct bf_memslots *slots = bf_vm_memslots(vm);
	const uint32_t mark = MEMORY_MARK;
	uint32_t answer = 0;

	expect(!bf_memslots_write(slots, 0, ADDED_MEMORY, &mark, sizeof(mark)),
	       "no memory before it is added");
	add_memory(vm, 1, ADDED_MEMORY);
	bf_memslots_write(slots, 0, ADDED_MEMORY, &mark, sizeof(mark));
	expect(guest_probe(vm, ADDED_MEMORY) == MEMORY_MARK,
	       "the guest reads what the VMM wrote");
	bf_memslots_read(slots, 0, ADDED_MEMORY + sizeof(mark), &answer,
			 sizeof(answer));
	expect(answer == GUEST_HOTPLUG_TOKEN,
	       "the VMM reads what the guest wrote");
	printf("memory added: guest and VMM read what the other wrote\n");
}

/* The section keeps the vCPU from being freed during the lookup. */
static bool is_online(struct bf_vm *vm, unsigned int id)
{
	struct bf_vcpus *vcpus = bf_vm_vcpus(vm);
	int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
	bool online = bf_vcpus_by_id(vcpus, id);

	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	return online;
}

/* The new vCPU writes its id to the controller and halts.  Then remove it. */
static void show_vcpu(struct bf_vm *vm, char *memory)
{
	struct bf_vcpu *vcpu =
		add_vcpu(vm, memory, 1, &guest_write_mmio4,
			 CONTROLLER + offsetof(struct registers, online));
	pthread_t thread;

	expect(is_online(vm, 1), "the new vCPU is in the table");
	pthread_create(&thread, NULL, vcpu_thread, vcpu);
	pthread_join(thread, NULL);
	expect(controller.regs.online == 1, "the new vCPU reports");
	printf("vCPU added: it reported as number %u\n",
	       controller.regs.online);
	bf_vcpu_destroy(vcpu);
	expect(!is_online(vm, 1), "the removed vCPU is not in the table");
}

int main(int argc, char **argv)
{
	struct bf_vm *vm = create_vm(argc, argv);
	char *memory = (char *)add_memory(vm, 0, 0);
	struct bf_vcpu *vcpu;
	pthread_t thread;

	add_controller(vm);
	vcpu = add_vcpu(vm, memory, 0, &guest_hotplug, CONTROLLER);
	pthread_create(&thread, NULL, vcpu_thread, vcpu);

	show_device(vm);
	show_memory(vm);
	show_vcpu(vm, memory);

	stop_guest();
	pthread_join(thread, NULL);
	bf_vcpu_destroy(vcpu);
	bf_vm_destroy(vm);
	return 0;
}
