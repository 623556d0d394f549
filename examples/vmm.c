// SPDX-License-Identifier: MIT
/*
 * A virtual machine monitor: memory, two vCPUs with a serial port each, and a
 * virtio-style device with two queues.  The guest is guests/driver_*.S: it
 * prints a line, makes requests, and waits until the device has served them.
 *
 *	vmm [--engine kvm|trap]
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine.h"
#include "guests/guests.h"

#define VCPUS	 2
#define REQUESTS 10 /* by each vCPU, to the queue of its number */

/* Guest memory: the program at 0, and 24 KiB of page tables. */
#define MEMORY_SIZE 0x10000
#define PAGE_TABLES 0x4000

/* The first serial port: a port, or an address where there are none. */
#ifdef __x86_64__
#define SERIAL	     0x2f8
#define SERIAL_SPACE BF_IO_PIO
#else
#define SERIAL	     0xc0000000
#define SERIAL_SPACE BF_IO_MMIO
#endif

/* A serial port: the guest writes characters to port + 0. */
struct serial {
	uint64_t port;
	FILE *out; /* one stream a port, so that lines stay whole */
	unsigned int lines;
};

/*
 * A handler runs on the thread of the vCPU that makes the access, under no
 * lock.  A device that several vCPUs share needs a lock of its own.  Here each
 * vCPU has its own port.
 */
static int serial_write(void *opaque, uint64_t offset,
			const struct bf_io_access *access)
{
	struct serial *serial = opaque;
	const char c = *(const char *)access->data;

	if (offset || access->len != 1)
		return -1; /* refused: bf_vcpu_run() returns the exit */
	serial->lines += c == '\n';
	return fputc(c, serial->out) == EOF;
}

static int serial_read(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	memset(access->data, offset == 5 ? 0x60 : 0,
	       access->len); /* LSR: always ready */
	return 0;
}

static void add_serial(struct bf_io_bus *bus, struct serial *serial)
{
	static const struct bf_io_ops ops = {serial_read, serial_write};
	const struct bf_io_range_desc range = {.addr = serial->port,
					       .size = 8,
					       .space = SERIAL_SPACE,
					       .name = "serial",
					       .ops = &ops,
					       .opaque = serial};

	serial->out = fdopen(must_sys(dup(STDOUT_FILENO), "dup"), "w");
	setvbuf(serial->out, NULL, _IOLBF, BUFSIZ);
	must(bf_io_add_range(bus, &range, NULL, NULL), "serial port");
}

/* A device with the registers of virtio-mmio, and its queues. */
#define DEVICE	     0xd0000000
#define MAGIC_VALUE  0x000
#define QUEUE_NOTIFY 0x050
#define CONFIG	     0x100 /* a word for each queue: requests served */

struct queue {
	int kick; /* eventfd */
	uint32_t served;
};

static int device_read(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	struct queue *queues = opaque;
	uint64_t i = (offset - CONFIG) / sizeof(uint32_t);
	uint32_t value = 0;

	if (access->len != sizeof(value) || offset % sizeof(value))
		return -1;
	if (offset == MAGIC_VALUE)
		value = 0x74726976; /* "virt" */
	else if (i < VCPUS)
		value = __atomic_load_n(&queues[i].served, __ATOMIC_RELAXED);
	memcpy(access->data, &value, sizeof(value));
	return 0;
}

/* The device's side of a queue: each kick is one request. */
static void *queue_thread(void *arg)
{
	struct queue *queue = arg;
	eventfd_t kicks, total;

	for (total = 0; total < REQUESTS; total += kicks) {
		must_sys(eventfd_read(queue->kick, &kicks), "eventfd");
		__atomic_fetch_add(&queue->served, kicks, __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * A guest write of the queue's number to QueueNotify adds 1 to the eventfd.
 * The argument is that of the ioctl KVM_IOEVENTFD.  Before the first run the
 * library installs the doorbell in KVM, which then signals it without an exit.
 * A doorbell that is not installed is signalled by the bus.
 */
static void add_queue(struct bf_vm *vm, struct queue *queue, int number)
{
	const struct kvm_ioeventfd doorbell = {
		.addr = DEVICE + QUEUE_NOTIFY,
		.len = sizeof(uint32_t),
		.datamatch = number,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
		.fd = queue->kick,
	};

	must(bf_front_ioeventfd(bf_vm_front(vm), &doorbell), "doorbell");
}

static char *add_memory(struct bf_vm *vm)
{
	char *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct kvm_userspace_memory_region slot = {
		.memory_size = MEMORY_SIZE,
		.userspace_addr = (uintptr_t)memory};

	expect(memory != MAP_FAILED, "memory for the guest");
	must(bf_memslots_set(bf_vm_memslots(vm), &slot), "memory slot");
	guest_place(&guest_driver, memory);
	return memory;
}

static struct bf_vcpu *add_vcpu(struct bf_vm *vm, int id, uint64_t port,
				char *memory)
{
	const struct bf_vcpu_boot64_desc boot = {
		.args = {id, bf_vm_guest_addr(vm, DEVICE), port, REQUESTS},
		.page_tables = PAGE_TABLES,
		.page_tables_hva = memory + PAGE_TABLES};
	struct bf_vcpu *vcpu;

	must(bf_vcpu_create(vm, id, &vcpu), "vCPU");
	must(bf_vcpu_boot64(vcpu, &boot), "boot");
	return vcpu;
}

/* The bus handles every access, so bf_vcpu_run() returns only at HLT. */
static void *vcpu_thread(void *vcpu)
{
	expect(run_vcpu(vcpu)->exit_reason == KVM_EXIT_HLT, "HLT");
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct bf_io_ops device_ops = {.read = device_read};
	struct serial serials[VCPUS] = {{.port = SERIAL},
					{.port = SERIAL + 0x100}};
	struct queue queues[VCPUS] = {{0}};
	const struct bf_io_range_desc device = {.addr = DEVICE,
						.size = 0x200,
						.space = BF_IO_MMIO,
						.name = "device",
						.ops = &device_ops,
						.opaque = queues};
	struct bf_vm *vm = create_vm(argc, argv);
	char *memory = add_memory(vm);
	struct bf_vcpu *vcpus[VCPUS];
	pthread_t threads[VCPUS], servers[VCPUS];
	int i;

	must(bf_io_add_range(bf_vm_bus(vm), &device, NULL, NULL), "device");
	for (i = 0; i < VCPUS; i++) {
		add_serial(bf_vm_bus(vm), &serials[i]);
		queues[i].kick = must_sys(eventfd(0, EFD_CLOEXEC), "eventfd");
		add_queue(vm, &queues[i], i);
		vcpus[i] = add_vcpu(vm, i, serials[i].port, memory);
	}
	for (i = 0; i < VCPUS; i++) {
		pthread_create(&servers[i], NULL, queue_thread, &queues[i]);
		pthread_create(&threads[i], NULL, vcpu_thread, vcpus[i]);
	}
	for (i = 0; i < VCPUS; i++) {
		pthread_join(threads[i], NULL);
		pthread_join(servers[i], NULL);
		printf("queue %d served %u requests\n", i, queues[i].served);
		expect(queues[i].served == REQUESTS, "all requests served");
		expect(serials[i].lines == 1, "a line on the serial port");
		bf_vcpu_destroy(vcpus[i]);
	}
	bf_vm_destroy(vm);
	return 0;
}
