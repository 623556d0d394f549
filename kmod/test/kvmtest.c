// SPDX-License-Identifier: GPL-2.0
/*
 * Measures and exercises KVM from user space, for scripts/vm-test. Static, so
 * that it runs in an initramfs. Results are lines "@json {...}".
 *
 *   kvmtest measure ROUNDS     medians of the calls that can stall
 *   kvmtest vms SECONDS        complete VMs a second, one and 8 at a time
 *   kvmtest dispatch COUNT     nanoseconds of a doorbell in a guest loop
 *   kvmtest doorbells COUNT    each doorbell is delivered exactly once
 *   kvmtest stress SECONDS     VMs made and ended in 4 threads
 *
 * The first three measure with the module off and with each method, in turn,
 * so that the noise of the host meets all of them. Without the module they
 * measure once, labelled "bare".
 */
#include "kvmtest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define DRAIN_US	  40000 /* longer than a grace period and its timers */
#define MAX_ROUNDS	  101
#define DISPATCH_ROUNDS	  7
#define DOORBELL_GPA	  0xf0000000ull
#define MEMSLOT_GPA	  0x10000000ull

static int kvm;
static int event;
static char *page;
static size_t page_size;

static void fail(const char *what)
{
	printf("@json {\"test\": \"failure\", \"of\": \"%s\", \"errno\": %d}\n",
	       what, errno);
	exit(1);
}

int check(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The modes that are compared: parameters of the module. */

#define PARAMETERS "/sys/module/belfry/parameters/"

static const struct mode {
	const char *label;
	const char *enabled;
	const char *method;
} all_modes[] = {
	{"stock", "0", "promote"},
	{"promote", "1", "promote"},
	{"mark", "1", "mark"},
};

static const struct mode bare_mode = {"bare", NULL, NULL};

static const struct mode *modes = all_modes;
static size_t mode_count = ARRAY_SIZE(all_modes);

static void modes_init(void)
{
	if (access(PARAMETERS, F_OK)) {
		modes = &bare_mode;
		mode_count = 1;
	}
}

static void parameter_set(const char *path, const char *value)
{
	int fd = check(open(path, O_WRONLY), path);

	check(write(fd, value, strlen(value)), path);
	close(fd);
}

static void mode_set(const struct mode *mode)
{
	if (!mode->method)
		return;
	parameter_set(PARAMETERS "enabled", mode->enabled);
	parameter_set(PARAMETERS "method", mode->method);
}

/* The calls under test. */

static int vm_create(void)
{
	return check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
}

static void ioeventfd(int vm, unsigned int index, uint32_t flags)
{
	struct kvm_ioeventfd args = {
		.addr = DOORBELL_GPA + 8 * index,
		.len = 4,
		.fd = event,
		.flags = flags,
	};

	check(ioctl(vm, KVM_IOEVENTFD, &args), "KVM_IOEVENTFD");
}

static void assign(int vm, unsigned int index)
{
	ioeventfd(vm, index, 0);
}

static void deassign(int vm, unsigned int index)
{
	ioeventfd(vm, index, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void memslot(int vm, unsigned int slot, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = MEMSLOT_GPA + slot * page_size,
		.memory_size = size,
		.userspace_addr = (uintptr_t)page,
	};

	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region),
	      "KVM_SET_USER_MEMORY_REGION");
}

static void drain(void)
{
	usleep(DRAIN_US);
}

/* Each scenario returns the nanoseconds of the call that it measures. */

static uint64_t time_memslot(int vm)
{
	uint64_t start = now_ns();

	memslot(vm, 1, page_size);
	return now_ns() - start;
}

static uint64_t memslot_alone(int vm)
{
	drain();
	return time_memslot(vm);
}

static uint64_t memslot_after_ioeventfd(int vm)
{
	drain();
	assign(vm, 0);
	return time_memslot(vm);
}

static uint64_t memslot_after_irqchip(int vm)
{
	drain();
	irqchip_add(vm);
	return time_memslot(vm);
}

static uint64_t memslot_after_pit_or_its(int vm)
{
	irqchip_add(vm);
	drain();
	pit_or_its_add(vm);
	return time_memslot(vm);
}

static uint64_t memslot_after_both(int vm)
{
	drain();
	irqchip_add(vm);
	pit_or_its_add(vm);
	return time_memslot(vm);
}

static uint64_t time_deassign(int vm)
{
	uint64_t start = now_ns();

	deassign(vm, 0);
	return now_ns() - start;
}

static uint64_t deassign_alone(int vm)
{
	assign(vm, 0);
	drain();
	return time_deassign(vm);
}

static uint64_t deassign_after_assign(int vm)
{
	drain();
	assign(vm, 0);
	return time_deassign(vm);
}

static uint64_t memslots_16(int vm)
{
	uint64_t start;

	drain();
	start = now_ns();
	for (unsigned int i = 0; i < 16; i++)
		memslot(vm, i, page_size);
	return now_ns() - start;
}

static uint64_t ioeventfds_and_memslots_16(int vm)
{
	uint64_t start;

	drain();
	start = now_ns();
	for (unsigned int i = 0; i < 16; i++) {
		for (unsigned int j = 0; j < 4; j++)
			assign(vm, 4 * i + j);
		memslot(vm, i, page_size);
	}
	return now_ns() - start;
}

static uint64_t assigns_64(int vm)
{
	uint64_t start;

	drain();
	start = now_ns();
	for (unsigned int i = 0; i < 64; i++)
		assign(vm, i);
	return now_ns() - start;
}

static uint64_t time_close(int vm)
{
	uint64_t start = now_ns();

	close(vm);
	return now_ns() - start;
}

static uint64_t close_alone(int vm)
{
	assign(vm, 0);
	drain();
	return time_close(vm);
}

static uint64_t close_after_assign(int vm)
{
	drain();
	assign(vm, 0);
	return time_close(vm);
}

static uint64_t close_with_pit_or_its(int vm)
{
	irqchip_add(vm);
	pit_or_its_add(vm);
	drain();
	return time_close(vm);
}

static const struct scenario {
	const char *name;
	uint64_t (*run)(int vm);
	bool closes;
} scenarios[] = {
	{"memslot", memslot_alone},
	{"ioeventfd, memslot", memslot_after_ioeventfd},
	{"irqchip, memslot", memslot_after_irqchip},
	{"pit or its, memslot", memslot_after_pit_or_its},
	{"irqchip, pit or its, memslot", memslot_after_both},
	{"deassign", deassign_alone},
	{"assign, deassign", deassign_after_assign},
	{"close", close_alone, true},
	{"assign, close", close_after_assign, true},
	{"pit or its, close", close_with_pit_or_its, true},
	{"16 memslots", memslots_16},
	{"16 x (4 ioeventfds, memslot)", ioeventfds_and_memslots_16},
	{"64 assigns", assigns_64},
};

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static uint64_t run_scenario(const struct scenario *scenario)
{
	int vm = vm_create();
	uint64_t ns = scenario->run(vm);

	if (!scenario->closes)
		close(vm);
	return ns;
}

static uint64_t median(uint64_t *samples, size_t count)
{
	qsort(samples, count, sizeof(samples[0]), compare);
	return samples[count / 2];
}

static uint64_t samples[ARRAY_SIZE(all_modes)][ARRAY_SIZE(scenarios)]
		       [MAX_ROUNDS];

static void run_round(size_t mode, unsigned int round)
{
	mode_set(&modes[mode]);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		samples[mode][i][round] = run_scenario(&scenarios[i]);
}

static void print_medians(size_t mode, unsigned int rounds)
{
	printf("@json {\"test\": \"measure\", \"label\": \"%s\", \"us\": {",
	       modes[mode].label);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		printf("%s\"%s\": %.1f", i ? ", " : "", scenarios[i].name,
		       median(samples[mode][i], rounds) / 1000.0);
	printf("}}\n");
}

static void measure(unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds; round++)
		for (size_t mode = 0; mode < mode_count; mode++)
			run_round(mode, round);
	for (size_t mode = 0; mode < mode_count; mode++)
		print_medians(mode, rounds);
}

/* Complete VMs: what a VMM registers before its guest runs. */

static void whole_vm(void)
{
	int vm = vm_create();

	irqchip_add(vm);
	pit_or_its_add(vm);
	for (unsigned int i = 0; i < 16; i++)
		assign(vm, i);
	for (unsigned int slot = 0; slot < 4; slot++)
		memslot(vm, slot, page_size);
	for (unsigned int i = 0; i < 8; i++)
		deassign(vm, i);
	close(vm);
}

/*
 * close() ends the domain right behind the last registration: no device has
 * to be unregistered, so no expedited request comes between.
 */
static void small_vm(void)
{
	int vm = vm_create();

	assign(vm, 0);
	memslot(vm, 1, page_size);
	assign(vm, 1);
	close(vm);
}

static uint64_t deadline_ns;

static void *make_whole_vms(void *arg)
{
	unsigned long *count = arg;

	for (; now_ns() < deadline_ns; ++*count)
		whole_vm();
	return NULL;
}

static void *make_both_vms(void *arg)
{
	unsigned long *count = arg;

	for (; now_ns() < deadline_ns; *count += 2) {
		whole_vm();
		small_vm();
	}
	return NULL;
}

static unsigned long run_threads(void *(*make_vms)(void *arg),
				 unsigned int threads, unsigned int seconds)
{
	pthread_t thread[16];
	unsigned long counts[16] = {}, sum = 0;

	deadline_ns = now_ns() + seconds * 1000000000ull;
	for (unsigned int i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, make_vms, &counts[i]))
			fail("pthread_create");
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		sum += counts[i];
	}
	return sum;
}

/* The sum over all CPUs. */
static double idle_seconds(void)
{
	FILE *file = fopen("/proc/uptime", "r");
	double idle;

	if (!file || fscanf(file, "%*f %lf", &idle) != 1)
		fail("/proc/uptime");
	fclose(file);
	return idle;
}

/* Where the CPUs have no idle time left, no shorter wait makes more VMs. */
static void print_vms(const char *name, unsigned int threads,
		      unsigned int seconds)
{
	double idle = idle_seconds();
	uint64_t start = now_ns();
	unsigned long made = run_threads(make_whole_vms, threads, seconds);
	double took = (now_ns() - start) / 1e9;

	idle = (idle_seconds() - idle) / sysconf(_SC_NPROCESSORS_ONLN);
	printf(", \"%s\": %.1f, \"%s_idle_percent\": %.0f", name, made / took,
	       name, 100 * idle / took);
}

static void vms(unsigned int seconds)
{
	for (size_t i = 0; i < mode_count; i++) {
		mode_set(&modes[i]);
		printf("@json {\"test\": \"vms\", \"label\": \"%s\"",
		       modes[i].label);
		print_vms("one_at_a_time", 1, seconds);
		print_vms("eight_at_a_time", 8, seconds);
		printf("}\n");
	}
}

static void stress(unsigned int seconds)
{
	printf("@json {\"test\": \"stress\", \"vms\": %lu}\n",
	       run_threads(make_both_vms, 4, seconds));
}

static void *shared_memory(void)
{
	void *memory = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	return memory;
}

static void guest_init(struct guest *guest)
{
	void *memory = shared_memory();
	struct kvm_userspace_memory_region region = {
		.slot = 30,
		.memory_size = page_size,
		.userspace_addr = (uintptr_t)memory,
	};
	int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size");

	guest_write_code(memory);
	guest->vm = vm_create();
	check(ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region),
	      "KVM_SET_USER_MEMORY_REGION");
	guest_add_doorbell(guest->vm, event);
	guest->vcpu =
		check(ioctl(guest->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	guest->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  guest->vcpu, 0);
	if (guest->run == MAP_FAILED)
		fail("mmap of the vCPU");
	guest_init_vcpu(guest);
}

static void guest_run(struct guest *guest, uint32_t count)
{
	guest_set_registers(guest, count);
	check(ioctl(guest->vcpu, KVM_RUN, 0), "KVM_RUN");
	if (!guest_has_ended(guest)) {
		errno = guest->run->exit_reason;
		fail("exit of KVM_RUN");
	}
}

static uint64_t signals_taken(void)
{
	uint64_t count = 0;

	if (read(event, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

static volatile bool guest_runs;

static void *change_vm(void *arg)
{
	struct guest *guest = arg;
	unsigned long changes = 0;

	while (guest_runs) {
		assign(guest->vm, 0);
		memslot(guest->vm, 1, page_size);
		deassign(guest->vm, 0);
		memslot(guest->vm, 1, 0);
		changes++;
	}
	return (void *)changes;
}

static void doorbells(uint32_t count)
{
	struct guest guest;
	pthread_t thread;
	void *changes;
	uint64_t taken;

	guest_init(&guest);
	guest_runs = true;
	if (pthread_create(&thread, NULL, change_vm, &guest))
		fail("pthread_create");
	guest_run(&guest, count);
	guest_runs = false;
	pthread_join(thread, &changes);
	taken = signals_taken();
	printf("@json {\"test\": \"doorbells\", \"sent\": %u, \"delivered\": "
	       "%llu, \"changes\": %lu}\n",
	       count, (unsigned long long)taken, (unsigned long)changes);
}

static void dispatch(uint32_t count)
{
	uint64_t times[ARRAY_SIZE(all_modes)][DISPATCH_ROUNDS], start;
	struct guest guest;

	guest_init(&guest);
	guest_run(&guest, count);
	for (size_t i = 0; i < DISPATCH_ROUNDS * mode_count; i++) {
		mode_set(&modes[i % mode_count]);
		start = now_ns();
		guest_run(&guest, count);
		times[i % mode_count][i / mode_count] = now_ns() - start;
	}
	for (size_t mode = 0; mode < mode_count; mode++)
		printf("@json {\"test\": \"dispatch\", \"label\": \"%s\", "
		       "\"ns\": %llu}\n",
		       modes[mode].label,
		       (unsigned long long)median(times[mode],
						  DISPATCH_ROUNDS) /
			       count);
}

int main(int argc, char **argv)
{
	int count = argc == 3 ? atoi(argv[2]) : 0;

	if (count <= 0 || count > 1000000)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	kvm = check(open("/dev/kvm", O_RDWR), "open /dev/kvm");
	event = check(eventfd(0, EFD_NONBLOCK), "eventfd");
	page_size = sysconf(_SC_PAGESIZE);
	page = shared_memory();
	modes_init();
	if (!strcmp(argv[1], "measure") && count <= MAX_ROUNDS)
		measure(count);
	else if (!strcmp(argv[1], "vms"))
		vms(count);
	else if (!strcmp(argv[1], "dispatch"))
		dispatch(count);
	else if (!strcmp(argv[1], "doorbells"))
		doorbells(count);
	else if (!strcmp(argv[1], "stress"))
		stress(count);
	else
		return 2;
	return 0;
}
