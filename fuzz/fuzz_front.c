// SPDX-License-Identifier: MIT
/*
 * A front before a kernel of the fuzzer's, against the same kernel without it:
 * each call must return the same, and each write must signal the same eventfd
 * once, whichever doorbells and zones the front has installed.  The front must
 * install nothing beside a call that it must keep away from.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "belfry/front.h"
#include "front_kernel.h"
#include "fuzz.h"

#define EVENTFDS   3
#define MOST_STEPS 200
#define PAGE	   4096
#define MOST_PARTS 6 /* of 32 bytes in two pages */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the next four */
static struct kernel behind;				 /* the front */
static bool must_not_install;
static unsigned int late_installs; /* since then, by the helper */
static bool refuse_next;	   /* install of the main thread */

static struct kernel expected;
static struct bf_front *front;
static struct bf_front_vcpu *vcpu;
static struct bf_front_config config;
static union {
	struct kvm_run run;
	uint8_t page[8192];
} run_page;
static pthread_t main_thread;
static int eventfds[EVENTFDS], other_file = -1, vm_fd;
static uint64_t assigned, deassigned;

/*
 * An install may have passed its check before the call began.  With it come the
 * doorbells of a zone, which are not counted.
 */
static bool counts_as_late(unsigned long request, const void *arg)
{
	const struct kvm_ioeventfd *doorbell = arg;
	struct kernel_write inside;

	if (!must_not_install || pthread_equal(pthread_self(), main_thread))
		return false;
	if (request == KVM_REGISTER_COALESCED_MMIO)
		return true;
	if (request != KVM_IOEVENTFD ||
	    doorbell->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return false;
	inside = (struct kernel_write){
		.pio = doorbell->flags & KVM_IOEVENTFD_FLAG_PIO,
		.addr = doorbell->addr,
		.len = doorbell->len ? doorbell->len : 1,
	};
	return !kernel_coalesces(&expected, &inside);
}

static int call_behind(unsigned long request, const void *arg)
{
	int ret;

	pthread_mutex_lock(&lock);
	late_installs += counts_as_late(request, arg);
	behind.full = refuse_next && pthread_equal(pthread_self(), main_thread);
	if (request == KVM_IOEVENTFD)
		ret = kernel_ioeventfd(&behind, arg);
	else
		ret = kernel_zone(&behind, request, arg);
	if (ret == -ENOSPC)
		refuse_next = false;
	pthread_mutex_unlock(&lock);
	return ret;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
		    long f);

/*
 * The linker puts it in the place of syscall(), which takes as many arguments
 * as the call has.
 */
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	int ret;

	if (number != SYS_ioctl || (int)a != vm_fd)
		return __real_syscall(number, a, b, c, d, e, f);
	ret = call_behind((unsigned long)b, (const void *)c);
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

/* The front answers as the kernel, or refuses as the kernel behind it. */
static void check_answer(int ret, int plain, const char *what)
{
	if (ret == plain || (ret == -ENOSPC && !plain && !refuse_next))
		return;
	fprintf(stderr, "fuzz_front: %s: %d instead of %d\n", what, ret, plain);
	abort();
}

static int next_fd(struct fuzz_input *input)
{
	unsigned int choice = fuzz_next(input);

	if (choice % 32 == 30)
		return other_file;
	if (choice % 32 == 31)
		return 1000000 + (int)choice;
	return eventfds[choice % EVENTFDS];
}

/* Few places, so that doorbells collide and lie in zones; two pages. */
static uint64_t next_addr(struct fuzz_input *input)
{
	unsigned int choice = fuzz_next(input);

	if (choice >= 250)
		return (uint64_t)choice - 256;
	return choice >= 240 ? PAGE - 20 + (choice - 240) * 4 : choice % 32 * 2;
}

static struct kvm_ioeventfd next_doorbell(struct fuzz_input *input)
{
	static const uint32_t lens[8] = {0, 1, 2, 4, 4, 8, 3, 16};
	unsigned int choice = fuzz_next(input);
	/* The compiler chooses the order of calls in an initializer. */
	uint64_t datamatch = fuzz_next(input) % 3;
	uint64_t addr = next_addr(input);

	return (struct kvm_ioeventfd){
		.flags = choice >> 3 & 3,
		.len = lens[choice % (choice >= 240 ? 8 : 6)],
		.addr = addr,
		.datamatch = datamatch,
		.fd = next_fd(input),
	};
}

static void do_assign(struct fuzz_input *input)
{
	struct kvm_ioeventfd arg = next_doorbell(input);
	struct kvm_ioeventfd undo = arg;
	unsigned int choice = fuzz_next(input);
	int ret, plain;

	if (choice >= 250)
		arg.flags |= 1U << choice % 8;
	arg.flags &= ~(uint32_t)KVM_IOEVENTFD_FLAG_DEASSIGN;
	undo.flags = arg.flags | KVM_IOEVENTFD_FLAG_DEASSIGN;
	plain = kernel_ioeventfd(&expected, &arg);
	ret = bf_front_ioeventfd(front, &arg);
	check_answer(ret, plain, "an assign");
	if (ret != plain)
		kernel_ioeventfd(&expected, &undo);
	assigned += !ret;
}

/* A doorbell that exists, or any. */
static void do_deassign(struct fuzz_input *input)
{
	struct kvm_ioeventfd arg = next_doorbell(input);
	unsigned int at = fuzz_next(input);
	int plain;

	if (expected.nr_doorbells && at % 4) {
		arg = expected.doorbells[at % expected.nr_doorbells].arg;
		if (at >= 248)
			arg.fd = next_fd(input);
	}
	arg.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	if (at == 255)
		arg.flags |= 1U << 9;
	plain = kernel_ioeventfd(&expected, &arg);
	check_answer(bf_front_ioeventfd(front, &arg), plain, "a deassign");
	deassigned += !plain;
}

static void do_zone(struct fuzz_input *input)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = next_addr(input),
		.size = fuzz_next(input) % 24,
	};
	unsigned int choice = fuzz_next(input);
	unsigned long request = choice & 1 ? KVM_UNREGISTER_COALESCED_MMIO :
					     KVM_REGISTER_COALESCED_MMIO;
	int ret, plain;

	zone.pio = choice >= 250 ? 2 : choice >> 1 & 1;
	if (choice & 1 && choice & 12 && expected.nr_zones)
		zone = expected.zones[choice / 16 % expected.nr_zones];
	plain = kernel_zone(&expected, request, &zone);
	ret = bf_front_zone(front, request, &zone);
	check_answer(ret, plain, "a zone call");
	if (ret != plain)
		expected.nr_zones--;
}

static void fill_exit(const struct kernel_write *write, bool is_write)
{
	struct kvm_run *run = &run_page.run;

	if (!write->pio) {
		run->exit_reason = KVM_EXIT_MMIO;
		run->mmio.phys_addr = write->addr;
		run->mmio.len = write->len;
		run->mmio.is_write = is_write;
		memcpy(run->mmio.data, &write->value, sizeof(write->value));
		return;
	}
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = is_write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.port = (uint16_t)write->addr;
	run->io.size = (uint8_t)write->len;
	run->io.count = 1;
	run->io.data_offset = 4096;
	memcpy(run_page.page + 4096, &write->value, sizeof(write->value));
}

/* The kernel has nothing to complete when it is asked to. */
static void before_run(void)
{
	bf_front_before_run(vcpu);
	while (run_page.run.immediate_exit) {
		fuzz_check(bf_front_after_run(vcpu, -EINTR),
			   "the program got a completion");
		bf_front_before_run(vcpu);
	}
}

/* Lock held: a doorbell or a zone of the kernel takes the write. */
static bool kernel_takes(const struct kernel_write *write)
{
	const struct kernel_doorbell *d = kernel_match(&behind, write);
	const uint64_t one = 1;

	if (d)
		fuzz_check(__real_syscall(SYS_write, d->fd, &one, sizeof(one),
					  0, 0, 0) == sizeof(one),
			   "the kernel's signal");
	return d || kernel_coalesces(&behind, write);
}

/* True: the guest goes on, without an exit for the program. */
static bool run_write(const struct kernel_write *write)
{
	bool done;

	before_run();
	pthread_mutex_lock(&lock);
	done = kernel_takes(write);
	pthread_mutex_unlock(&lock);
	if (done)
		return true;
	fill_exit(write, true);
	return bf_front_after_run(vcpu, 0);
}

static void check_counts(const uint64_t expected_counts[EVENTFDS])
{
	uint64_t count;

	for (int i = 0; i < EVENTFDS; i++) {
		count = 0;
		if (read(eventfds[i], &count, sizeof(count)) < 0)
			count = 0;
		fuzz_check(count == expected_counts[i],
			   "the signals of a write");
	}
}

/* Asserts that one eventfd was signalled once, or none. */
static void check_signals(int only)
{
	uint64_t counts[EVENTFDS];

	for (int i = 0; i < EVENTFDS; i++)
		counts[i] = eventfds[i] == only;
	check_counts(counts);
}

static void do_write(struct fuzz_input *input)
{
	struct kernel_write write = {
		.pio = fuzz_next(input) & 1,
		.addr = next_addr(input),
		.len = 1U << fuzz_next(input) % 4,
		.value = fuzz_next(input) % 3,
	};
	const struct kernel_doorbell *d;
	bool done;

	if (write.pio) {
		write.addr &= 0xffff;
		write.len = write.len == 8 ? 4 : write.len;
	}
	d = kernel_match(&expected, &write);
	done = run_write(&write);
	check_signals(d ? d->arg.fd : -1);
	if (d)
		fuzz_check(done, "a write of a doorbell came out");
	else if (done)
		fuzz_check(kernel_coalesces(&expected, &write),
			   "an exit of the program was served");
}

/* A store of more than 8 bytes, in parts; a page has a turn of its own. */
struct store {
	struct kernel_write parts[MOST_PARTS];
	bool for_program[MOST_PARTS]; /* by the kernel alone */
	unsigned int count, second_page;
	unsigned int next;	    /* to come out */
	bool comes_out[MOST_PARTS]; /* of the kernel behind */
	uint64_t signals[EVENTFDS]; /* by the kernel alone */
};

static struct store next_store(struct fuzz_input *input)
{
	uint64_t addr = next_addr(input);
	const uint64_t end = addr + 9 + fuzz_next(input) % 24;
	struct store store = {.second_page = MOST_PARTS};
	uint64_t part_end;

	for (; addr < end; addr = part_end) {
		part_end = end - addr > 8 ? addr + 8 : end;
		if (addr < PAGE && part_end > PAGE)
			part_end = PAGE;
		if (addr == PAGE)
			store.second_page = store.count;
		store.parts[store.count++] = (struct kernel_write){
			.addr = addr,
			.len = (uint32_t)(part_end - addr),
			.value = fuzz_next(input) % 3,
		};
	}
	return store;
}

/* The kernel offers the parts of a page up to the first that none takes. */
static void store_expect(struct store *store)
{
	const struct kernel_doorbell *d;
	bool stopped = false;

	for (unsigned int i = 0; i < store->count; i++) {
		stopped &= i != store->second_page;
		d = stopped ? NULL : kernel_match(&expected, &store->parts[i]);
		for (int n = 0; d && n < EVENTFDS; n++)
			store->signals[n] += eventfds[n] == d->arg.fd;
		stopped |= !d && !kernel_coalesces(&expected, &store->parts[i]);
		store->for_program[i] = stopped;
	}
}

static void store_begin(struct store *store)
{
	bool stopped = false;

	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < store->count; i++) {
		stopped &= i != store->second_page;
		stopped |= !stopped && !kernel_takes(&store->parts[i]);
		store->comes_out[i] = stopped;
	}
	pthread_mutex_unlock(&lock);
}

/* KVM_RUN brings out the next part, or the guest may go on. */
static bool store_part_comes(struct store *store)
{
	while (store->next < store->count && !store->comes_out[store->next])
		store->next++;
	if (store->next == store->count)
		return false;
	fill_exit(&store->parts[store->next], true);
	return true;
}

/* The program's turn: it may kick itself, or jump out of the next KVM_RUN. */
static void between_parts(struct fuzz_input *input)
{
	const unsigned int choice = fuzz_next(input);

	run_page.run.immediate_exit = choice % 4 == 1;
	if (choice % 8 == 2)
		bf_front_before_run(vcpu);
	bf_front_before_run(vcpu);
}

/* KVM_RUN has no more part: it fails where immediate_exit is set. */
static void store_end(void)
{
	const uint8_t kick = run_page.run.immediate_exit;

	if (kick)
		fuzz_check(bf_front_after_run(vcpu, -EINTR) == (kick != 1),
			   "the end of a store");
	fuzz_check(run_page.run.immediate_exit == (kick == 1),
		   "a kick after a store");
	run_page.run.immediate_exit = 0;
}

/*
 * A part in a zone may come out.  Where the helper has the front's lock then,
 * the program gets the rest of the page, too.
 */
static bool store_is_exact(const struct store *store)
{
	bool in_zone = false;

	for (unsigned int i = 0; i < store->count; i++)
		in_zone |= kernel_coalesces(&expected, &store->parts[i]);
	return !in_zone || config.policy == BF_POLICY_EAGER ||
	       config.policy == BF_POLICY_NEVER;
}

static void check_part(const struct store *store, unsigned int part,
		       bool served)
{
	if (served)
		fuzz_check(!store->for_program[part],
			   "a part of the program was served");
	else if (store_is_exact(store))
		fuzz_check(store->for_program[part] ||
				   !kernel_match(&expected,
						 &store->parts[part]),
			   "a doorbell's part came out");
}

static void do_store(struct fuzz_input *input)
{
	struct store store = next_store(input);
	uint64_t count;

	store_expect(&store);
	before_run();
	store_begin(&store);
	while (store_part_comes(&store)) {
		check_part(&store, store.next++, bf_front_after_run(vcpu, 0));
		between_parts(input);
	}
	store_end();
	if (store_is_exact(&store))
		check_counts(store.signals);
	for (int i = 0; i < EVENTFDS; i++)
		fuzz_check(read(eventfds[i], &count, sizeof(count)) < 0 ||
				   count <= store.signals[i],
			   "the signals of a store");
}

static void do_read(struct fuzz_input *input)
{
	const struct kernel_write read = {
		.pio = fuzz_next(input) & 1,
		.addr = next_addr(input) & 0xffff,
		.len = 1U << fuzz_next(input) % 3,
	};

	before_run();
	fill_exit(&read, false);
	fuzz_check(!bf_front_after_run(vcpu, 0), "a read was served");
	check_signals(-1);
}

static void do_failed_run(struct fuzz_input *input)
{
	before_run();
	fuzz_check(!bf_front_after_run(vcpu, -EINTR),
		   "a failed run was served");
}

/* The front must keep away from this call, and may do so for no other one. */
static void do_call(struct fuzz_input *input)
{
	unsigned int steps = fuzz_next(input) % 4;

	bf_front_call_begins(front, KVM_SET_USER_MEMORY_REGION);
	pthread_mutex_lock(&lock);
	must_not_install = true;
	late_installs = 0;
	pthread_mutex_unlock(&lock);
	while (steps--)
		do_write(input);
	if (fuzz_next(input) % 16 == 1)
		usleep(3000);
	pthread_mutex_lock(&lock);
	fuzz_check(late_installs <= 1, "an install beside a call");
	must_not_install = false;
	pthread_mutex_unlock(&lock);
	bf_front_call_ends(front, KVM_SET_USER_MEMORY_REGION);
}

/* The helper installs what has had enough signals. */
static void do_pause(struct fuzz_input *input)
{
	if (fuzz_next(input) % 8 == 1)
		usleep(2500);
}

static void do_step(struct fuzz_input *input)
{
	bf_front_set_stepping(vcpu, fuzz_next(input) & 1);
}

static void do_refuse(struct fuzz_input *input)
{
	refuse_next = fuzz_next(input) & 1;
}

static void do_install_all(struct fuzz_input *input)
{
	if (fuzz_next(input) != 77)
		return;
	refuse_next = false;
	fuzz_check(!bf_front_install_all(front), "the installs of all");
	config.policy = BF_POLICY_EAGER;
}

static void check_state(void)
{
	struct bf_front_stats stats;

	pthread_mutex_lock(&lock);
	fuzz_check(kernel_is_part(&behind, &expected),
		   "a doorbell stayed behind");
	pthread_mutex_unlock(&lock);
	bf_front_get_stats(front, &stats);
	fuzz_check(stats.assigned == assigned, "the count of assigns");
	fuzz_check(stats.deassigned == deassigned, "the count of deassigns");
}

static void set_up_once(void)
{
	if (other_file >= 0)
		return;
	for (int i = 0; i < EVENTFDS; i++)
		eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	other_file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	vm_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	main_thread = pthread_self();
}

static void set_up(struct fuzz_input *input)
{
	unsigned int choice = fuzz_next(input);

	set_up_once();
	config = (struct bf_front_config){
		.policy = choice % 4,
		.install_after = 1 + choice / 4 % 3,
		.quiet_ms = 1,
		.zones_at_once = choice / 16 % 4 == 0,
	};
	assigned = deassigned = 0;
	refuse_next = false;
	fuzz_check(!bf_front_attach(vm_fd, &config, &front), "an attach");
	fuzz_check(!bf_front_attach_vcpu(front, -1, &run_page.run, NULL, &vcpu),
		   "the attach of a vCPU");
}

/* The kernel gets all that the front has, or the VM ends. */
static void tear_down(unsigned int choice)
{
	refuse_next = false;
	bf_front_detach_vcpu(vcpu);
	if (choice % 2) {
		fuzz_check(!bf_front_detach(front), "a detach");
		fuzz_check(kernel_is_part(&behind, &expected) &&
				   kernel_is_part(&expected, &behind),
			   "the kernel after a detach");
	} else {
		bf_front_destroy(front);
	}
	kernel_init(&behind);
	kernel_init(&expected);
	check_signals(-1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const operations[16])(struct fuzz_input * input) = {
		do_assign, do_assign, do_assign, do_deassign,
		do_zone,   do_zone,   do_write,	 do_write,
		do_write,  do_write,  do_read,	 do_failed_run,
		do_call,   do_pause,  do_step,	 do_refuse,
	};
	struct fuzz_input input = {data, size};
	unsigned int i, choice;

	set_up(&input);
	for (i = 0; input.size && i < MOST_STEPS; i++) {
		choice = fuzz_next(&input);
		if (choice == 255)
			do_install_all(&input);
		else if (choice >= 248)
			do_store(&input);
		else
			operations[choice % ARRAY_SIZE(operations)](&input);
		check_state();
	}
	tear_down(i);
	return 0;
}
