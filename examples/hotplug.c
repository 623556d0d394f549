// SPDX-License-Identifier: MIT
/*
 * Changing a VM while its guest runs: a device, memory and a vCPU are added,
 * and the device and the vCPU are removed again.  No vCPU is stopped for it.
 *The guest is guests/hotplug.S: it polls a hotplug controller, tries what that
 * tells it to, and reports what it found there.
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

/* Guest memory: programs, and 24 KiB of tables for the paging of each vCPU. */
#define SLOT_SIZE	0x20000
#define PROGRAM(id)	((id)*0x1000u)
#define PAGE_TABLES(id) (0x4000u + (id)*0x6000u)
#define ADDED_MEMORY	0x100000
#define MEMORY_MARK	0x6d656d21

#define CONTROLLER 0xd0000000
#define DEVICE	   0xd0010000
#define DEVICE_ID  0x64657621
#define BELL	   4 /* offset of the device's doorbell */

/* What an access reads that nobody answers. */
#define NOBODY UINT32_MAX

/*
 * The hotplug controller: the VMM sets an event and an address, and the guest
 * takes the event back by reporting what it found at the address.
 */
enum event { EVENT_NONE, EVENT_TRY, EVENT_STOP };

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

/* The bus calls for what lies wholly inside the range, and nothing else. */
static int controller_read(void *opaque, uint64_t offset, void *data,
			   uint32_t len)
{
	struct controller *ctl = opaque;

	pthread_mutex_lock(&ctl->lock);
	memcpy(data, (const char *)&ctl->regs + offset, len);
	pthread_mutex_unlock(&ctl->lock);
	return 0;
}

static int controller_write(void *opaque, uint64_t offset, const void *data,
			    uint32_t len)
{
	struct controller *ctl = opaque;

	pthread_mutex_lock(&ctl->lock);
	memcpy((char *)&ctl->regs + offset, data, len);
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

/* What the guest finds at an address of its memory or of a device. */
static uint32_t guest_tries(struct bf_vm *vm, uint64_t gpa)
{
	uint32_t found;

	pthread_mutex_lock(&controller.lock);
	controller.regs.address = bf_vm_guest_addr(vm, gpa);
	controller.regs.event = EVENT_TRY;
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

/* A vCPU whose program gets an address, 1, and the vCPU's id. */
static struct bf_vcpu *add_vcpu(struct bf_vm *vm, char *memory, unsigned int id,
				const struct guest *guest, uint64_t gpa)
{
	const struct bf_vcpu_boot64 boot = {
		.rip = PROGRAM(id),
		.args = {bf_vm_guest_addr(vm, gpa), 1, id},
		.page_tables = PAGE_TABLES(id),
		.page_tables_hva = memory + PAGE_TABLES(id),
	};
	struct bf_vcpu *vcpu;

	memcpy(memory + PROGRAM(id), guest->start, guest->size);
	must(bf_vcpu_create(vm, id, &vcpu), "vCPU");
	must(bf_vcpu_boot64(vcpu, &boot), "boot");
	return vcpu;
}

/*
 * bf_vcpu_run() returns with what nobody on the bus answers.  Here, as on a
 * real machine, such reads are all ones and such writes go nowhere; the next
 * run hands the data to the guest.
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
	unsigned int parts; /* that an access may still use */
	int gone;	    /* eventfd: the device is freed */
};

static int device_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	const struct device *device = opaque;

	if (offset || len != sizeof(device->id))
		return -1;
	memcpy(data, &device->id, len);
	return 0;
}

/* Both parts in one transaction: no access sees a device without its bell. */
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
	struct bf_io_doorbell_desc bell = {
		.addr = DEVICE + BELL,
		.len = sizeof(uint32_t),
		.space = BF_IO_MMIO,
		.datamatch = GUEST_HOTPLUG_TOKEN,
	};
	struct bf_io_txn *txn;

	expect(device, "memory for the device");
	*device = (struct device){.id = DEVICE_ID, .parts = 2, .gone = gone};
	device->kick = must_sys(eventfd(0, EFD_CLOEXEC), "eventfd");
	bell.eventfd = device->kick;
	must(bf_io_txn_begin(bus, &txn), "transaction");
	must(bf_io_txn_add_range(txn, &range, &device->range), "range");
	must(bf_io_txn_add_doorbell(txn, &bell, &device->doorbell), "doorbell");
	must(bf_io_txn_commit(txn, NULL), "commit");
	return device;
}

/* Called for each part when no access uses it any more. */
static void part_is_gone(void *opaque)
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
 * Returns at once: an access that is under way on a vCPU may use the device
 * for a while, and the device is freed behind the last one.
 */
static void unplug_device(struct bf_io_bus *bus, struct device *device)
{
	struct bf_io_txn *txn;

	must(bf_io_txn_begin(bus, &txn), "transaction");
	must(bf_io_txn_remove_range(txn, device->range, part_is_gone, device),
	     "range");
	must(bf_io_txn_remove_doorbell(txn, device->doorbell, part_is_gone,
				       device),
	     "doorbell");
	must(bf_io_txn_commit(txn, NULL), "commit");
}

static void show_device(struct bf_vm *vm)
{
	const int gone = must_sys(eventfd(0, EFD_CLOEXEC), "eventfd");
	struct device *device;
	eventfd_t count;

	expect(guest_tries(vm, DEVICE) == NOBODY, "nothing before the device");
	device = plug_device(bf_vm_bus(vm), gone);
	expect(guest_tries(vm, DEVICE) == DEVICE_ID, "the guest has a device");
	must_sys(eventfd_read(device->kick, &count), "doorbell");
	printf("device added: the guest read its id and rang %d time\n",
	       (int)count);

	unplug_device(bf_vm_bus(vm), device);
	expect(guest_tries(vm, DEVICE) == NOBODY, "nothing after the device");
	must_sys(eventfd_read(gone, &count), "done");
	printf("device removed: the guest finds nothing, and it is freed\n");
	close(gone);
}

/* The VMM reaches it as its devices do: by address, wherever the memory is. */
static void show_memory(struct bf_vm *vm)
{
	struct bf_memslots *slots = bf_vm_memslots(vm);
	const uint32_t mark = MEMORY_MARK;
	uint32_t answer = 0;

	expect(!bf_memslots_write(slots, 0, ADDED_MEMORY, &mark, sizeof(mark)),
	       "no memory before it is added");
	add_memory(vm, 1, ADDED_MEMORY);
	bf_memslots_write(slots, 0, ADDED_MEMORY, &mark, sizeof(mark));
	expect(guest_tries(vm, ADDED_MEMORY) == MEMORY_MARK,
	       "the guest reads what the VMM wrote");
	bf_memslots_read(slots, 0, ADDED_MEMORY + sizeof(mark), &answer,
			 sizeof(answer));
	expect(answer == GUEST_HOTPLUG_TOKEN,
	       "the VMM reads what the guest wrote");
	printf("memory added: guest and VMM read what the other wrote\n");
}

/* By its id; the section keeps what was found from being freed. */
static bool is_online(struct bf_vm *vm, unsigned int id)
{
	struct bf_vcpus *vcpus = bf_vm_vcpus(vm);
	int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
	bool online = bf_vcpus_by_id(vcpus, id);

	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	return online;
}

/* The new vCPU writes its id to the controller once, halts, and is removed. */
static void show_vcpu(struct bf_vm *vm, char *memory)
{
	struct bf_vcpu *vcpu =
		add_vcpu(vm, memory, 1, &guest_ring_mmio4,
			 CONTROLLER + offsetof(struct registers, online));
	pthread_t thread;

	expect(is_online(vm, 1), "the new vCPU is in the table");
	pthread_create(&thread, NULL, vcpu_thread, vcpu);
	pthread_join(thread, NULL);
	expect(controller.regs.online == 1, "the new vCPU reports");
	printf("vCPU added: it reported as number %u\n",
	       controller.regs.online);
	bf_vcpu_destroy(vcpu);
	expect(!is_online(vm, 1), "the table has it no more");
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
