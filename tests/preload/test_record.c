/* SPDX-License-Identifier: MIT */
/* The recorder, without KVM. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/fds/object.h"
#include "preload/record/internal.h"

#define CHUNKS 4
#define MS     UINT64_C(1000000)

static const struct record_who first_vm = {1, RECORDED_NO_VCPU};

static int setup(void **state)
{
	void *map = mmap(NULL, recording_size(CHUNKS), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return -1;
	recording = map;
	recording_chunks = CHUNKS;
	record_forked(); /* drops the chunk of the last recording */
	return 0;
}

static int teardown(void **state)
{
	munmap(recording, recording_size(CHUNKS));
	recording = NULL;
	return 0;
}

static void test_histogram(void **state)
{
	uint64_t ns = 0;

	for (uint32_t bucket = 0; bucket < HISTOGRAM_SIZE; bucket++) {
		assert_int_equal(histogram_bucket(histogram_start(bucket)),
				 bucket);
		assert_int_equal(
			histogram_bucket(histogram_start(bucket + 1) - 1),
			bucket);
		ns = histogram_start(bucket);
	}
	assert_true(ns > 60u * 1000 * MS);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_SIZE - 1);
}

static void test_calls_while_off(void **state)
{
	struct object *vm = object_new_vm();

	assert_null(recording);
	record_call(record_nobody, KVM_RUN, bf_now_ns(), 0);
	assert_int_equal(record_new_vm(NULL), 0);
	record_call(object_who(vm), STATS_CLOSE_VM, bf_now_ns(), 0);
	object_put(vm);
}

static void *make_calls(void *arg)
{
	const uintptr_t calls = (uintptr_t)arg;

	for (uintptr_t i = 0; i < calls; i++)
		record_call(first_vm, KVM_CHECK_EXTENSION, bf_now_ns(), 0);
	return NULL;
}

static uint64_t count_events(const struct recorded_event *events, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += events[i].kind != RECORDED_NOTHING;
	return sum;
}

static void run_threads(void *(*run)(void *), unsigned int count, void *arg)
{
	pthread_t threads[8];

	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, arg),
				 0);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* Eight threads write more events than fit: each is stored or counted. */
static void test_dropped_events_are_counted(void **state)
{
	const uint64_t calls = 300, threads = 8;
	uint64_t stored;

	run_threads(make_calls, threads, (void *)(uintptr_t)calls);
	stored = count_events(recording->events, CHUNKS * RECORDING_CHUNK) +
		 count_events(recording->priority, RECORDING_PRIORITY);
	assert_int_equal(stored + recording->dropped, calls * threads);
	assert_true(recording->dropped > 0);
	assert_in_range(recording->threads_seen, 1, threads);
}

/* A process with the same memory must not lead the recorder out of it. */
static void test_hostile_sizes(void **state)
{
	memset(recording, 0x11, offsetof(struct recording, next_priority));
	recording->next_priority = UINT64_MAX / 2;
	recording->next_chunk = CHUNKS + (1u << 24);
	recording->threads_seen = 1u << 24;
	recording->vms_seen = UINT32_MAX;
	make_calls((void *)(uintptr_t)2);
	record_call(first_vm, KVM_IRQFD, bf_now_ns() - 2 * MS, 0);
	assert_int_equal(record_new_vm(NULL), 0);
	assert_true(recording->dropped >= 1);
}

/* A stall goes to priority[], which has room when the chunks are full. */
static void test_stalls_have_priority(void **state)
{
	const struct recorded_event *event;

	/* On a busy machine some of these calls are stalls. */
	make_calls((void *)(uintptr_t)(2 * CHUNKS * RECORDING_CHUNK));
	event = &recording->priority[recording->next_priority];
	record_call(first_vm, KVM_IRQFD, bf_now_ns() - 2 * MS, 0);
	assert_int_equal(event->key, KVM_IRQFD);
	assert_int_equal(event->kind, RECORDED_CALL);
}

/* A child must take a chunk and a thread number of its own. */
static void test_fork_starts_a_chunk(void **state)
{
	int status;
	pid_t pid;

	make_calls((void *)(uintptr_t)1);
	pid = fork();
	if (!pid) {
		record_forked();
		process_adopt();
		make_calls((void *)(uintptr_t)1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	make_calls((void *)(uintptr_t)1);
	assert_int_equal(count_events(recording->events, 2 * RECORDING_CHUNK) +
				 count_events(recording->priority, 3),
			 3);
	assert_int_equal(recording->threads_seen, 2);
	assert_int_equal(recording->threads[0].pid, getpid());
	assert_int_equal(recording->threads[1].pid, pid);
}

static struct kvm_ioeventfd make_arg(uint64_t addr, uint32_t len,
				     uint32_t flags, uint64_t datamatch)
{
	return (struct kvm_ioeventfd){
		.addr = addr,
		.len = len,
		.flags = flags,
		.datamatch = datamatch,
	};
}

static void add_ioeventfd(uint64_t addr, uint32_t len, uint32_t flags,
			  uint64_t match)
{
	const struct kvm_ioeventfd arg = make_arg(addr, len, flags, match);

	record_ioeventfd(1, true, &arg, 0);
}

static void signal_doorbell(uint64_t addr, uint32_t len, uint64_t data)
{
	struct recorded_key write = {
		.vm = 1, .addr = addr, .len = len, .datamatch = data};

	doorbell_add_signal(&write, 0);
}

/* The signals of the doorbell with that address and datamatch. */
static uint64_t signals_of(uint64_t addr, uint64_t datamatch)
{
	for (size_t i = 0; i < RECORDING_DOORBELLS; i++) {
		const struct recorded_doorbell *row = &recording->doorbells[i];

		if (row->id && row->addr == addr && row->datamatch == datamatch)
			return row->signals;
	}
	return UINT64_MAX;
}

static void test_signals_are_counted(void **state)
{
	add_ioeventfd(0x10, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 1);
	add_ioeventfd(0x10, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 2);
	add_ioeventfd(0x20, 4, 0, 0);
	add_ioeventfd(0x30, 0, 0, 0);
	signal_doorbell(0x10, 4, 2);
	signal_doorbell(0x10, 4, 3); /* no doorbell has the datamatch */
	signal_doorbell(0x10, 2, 1); /* no doorbell has the length */
	signal_doorbell(0x20, 4, 77);
	signal_doorbell(0x30, 1, 0);
	signal_doorbell(0x30, 8, 5);
	assert_int_equal(signals_of(0x10, 1), 0);
	assert_int_equal(signals_of(0x10, 2), 1);
	assert_int_equal(signals_of(0x20, 0), 1);
	assert_int_equal(signals_of(0x30, 0), 2);
	add_ioeventfd(0x20, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	signal_doorbell(0x20, 4, 0); /* deassigned */
	assert_int_equal(signals_of(0x20, 0), 1);
}

static void test_changes_of_a_doorbell(void **state)
{
	const struct kvm_ioeventfd arg = make_arg(0x10, 4, 0, 0);
	const uint32_t gone = KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct recorded_doorbell *row = NULL;

	add_ioeventfd(0x10, 4, 0, 0);
	add_ioeventfd(0x10, 4, gone, 0); /* before it was installed */
	add_ioeventfd(0x10, 4, 0, 0);
	doorbell_add_install(1, &arg, -ENOSPC);
	doorbell_add_install(1, &arg, 0);
	add_ioeventfd(0x10, 4, gone, 0);
	for (size_t i = 0; i < RECORDING_DOORBELLS; i++) {
		if (!recording->doorbells[i].id)
			continue;
		assert_null(row);
		row = &recording->doorbells[i];
	}
	assert_non_null(row);
	assert_int_equal(row->assigned, 2);
	assert_int_equal(row->deassigned, 2);
	assert_int_equal(row->never_installed, 1);
	assert_int_equal(row->refused, 1);
	assert_int_equal(row->installed, 1);
	assert_int_equal(recording->next_priority, 6);
}

/* Twice as many doorbells as fit: each gets a row or is counted. */
static void test_dropped_doorbells_are_counted(void **state)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < 2 * RECORDING_DOORBELLS; i++)
		add_ioeventfd(8 * i, 4, 0, 0);
	for (uint32_t i = 0; i < RECORDING_DOORBELLS; i++)
		rows += recording->doorbells[i].id != 0;
	assert_int_equal(rows + recording->dropped_doorbells,
			 2 * RECORDING_DOORBELLS);
	signal_doorbell(8 * (2 * RECORDING_DOORBELLS + 1), 4, 0);
}

static void *assign_and_signal(void *arg)
{
	for (int i = 0; i < 500; i++) {
		add_ioeventfd(0x40, 4, 0, 0);
		signal_doorbell(0x40, 4, 0);
	}
	return NULL;
}

static void test_threads_share_a_row(void **state)
{
	run_threads(assign_and_signal, 4, NULL);
	assert_int_equal(signals_of(0x40, 0), 2000);
	assert_int_equal(recording->next_priority, 2001); /* one first signal */
}

static uint32_t note_call(uint32_t key, uint64_t start, uint64_t end)
{
	return pending_gp_note_call(1, key, start, end, 0);
}

static void test_stall_names_pending_gps(void **state)
{
	const uint64_t t = 1000 * MS;

	pending_gp_add(1, GP_IRQCHIP, t);
	assert_int_equal(note_call(KVM_SET_USER_MEMORY_REGION, t + MS,
				   t + 7 * MS),
			 1u << GP_IRQCHIP);
	/* None is pending after the first wait. */
	assert_int_equal(note_call(KVM_SET_USER_MEMORY_REGION, t + 7 * MS,
				   t + 9 * MS),
			 0);
	/* Other calls leave no grace period and wait for none. */
	pending_gp_add(1, GP_PIT, t + 10 * MS);
	assert_int_equal(
		note_call(KVM_CHECK_EXTENSION, t + 11 * MS, t + 15 * MS), 0);
	assert_int_equal(note_call(STATS_DEASSIGN, t + 11 * MS, t + 15 * MS),
			 1u << GP_PIT);
}

/* A removal that the front answers does not wait for a grace period. */
static void test_removal_by_front_waits_for_no_gp(void **state)
{
	const uint64_t t = 1000 * MS;

	recording->vms[0].front = 1;
	pending_gp_add(1, GP_IRQCHIP, t);
	assert_int_equal(note_call(STATS_DEASSIGN, t + 10, t + 20), 0);
	assert_int_equal(note_call(KVM_SET_USER_MEMORY_REGION, t + 30,
				   t + 6 * MS),
			 1u << GP_IRQCHIP);
}

static void test_old_gp_is_no_cause(void **state)
{
	const uint64_t t = 1000 * MS;

	pending_gp_add(1, GP_ZONE, t);
	assert_int_equal(note_call(KVM_SET_USER_MEMORY_REGION, t + 900 * MS,
				   t + 906 * MS),
			 0);
}

static uint64_t stalls_avoided(void)
{
	return recording->vms[0].stalls_avoided;
}

static void test_stalls_avoided(void **state)
{
	const uint64_t t = 1000 * MS;

	pending_gp_defer(1, t);
	note_call(KVM_SET_USER_MEMORY_REGION, t + 10, t + 20);
	assert_int_equal(stalls_avoided(), 1);
	note_call(KVM_SET_USER_MEMORY_REGION, t + 30, t + 40);
	assert_int_equal(stalls_avoided(),
			 1); /* only the first would have stalled */
	pending_gp_defer(1, t);
	note_call(KVM_SET_USER_MEMORY_REGION, t + 10, t + 7 * MS);
	assert_int_equal(stalls_avoided(), 1); /* it did stall */
	pending_gp_defer(1, t);
	note_call(KVM_SET_USER_MEMORY_REGION, t + 900 * MS, t + 900 * MS);
	assert_int_equal(stalls_avoided(), 1); /* too late to stall */
	pending_gp_defer(1, t);
	note_call(STATS_CLOSE_VM, t + 10, t + 20);
	assert_int_equal(stalls_avoided(), 1); /* it did not end the VM */
	recording->vms[0].ended_ns = t + 15;
	note_call(STATS_CLOSE_VCPU, t + 10, t + 20);
	assert_int_equal(stalls_avoided(), 2);
	pending_gp_defer(1, t);
	note_call(STATS_CLOSE_DEVICE, t + 10, t + 20);
	assert_int_equal(stalls_avoided(), 3);
}

/* The front holds the first zone back, and installs the second in the call. */
static void test_zone_held_back_leaves_no_gp(void **state)
{
	const uint64_t t = 1000 * MS;

	recording->vms[0].front = 1;
	note_call(KVM_REGISTER_COALESCED_MMIO, t, t + 10);
	assert_int_equal(note_call(KVM_SET_USER_MEMORY_REGION, t + 20, t + 30),
			 0);
	assert_int_equal(stalls_avoided(), 1);
	pending_gp_add(1, GP_ZONE, t + 45);
	note_call(KVM_REGISTER_COALESCED_MMIO, t + 40, t + 50);
	assert_int_equal(note_call(KVM_SET_USER_MEMORY_REGION, t + 60,
				   t + 6 * MS),
			 1u << GP_ZONE);
	assert_int_equal(stalls_avoided(), 1);
}

#define WITH_RECORDING(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_calls_while_off),
		WITH_RECORDING(test_dropped_events_are_counted),
		WITH_RECORDING(test_hostile_sizes),
		WITH_RECORDING(test_stalls_have_priority),
		WITH_RECORDING(test_fork_starts_a_chunk),
		WITH_RECORDING(test_signals_are_counted),
		WITH_RECORDING(test_changes_of_a_doorbell),
		WITH_RECORDING(test_dropped_doorbells_are_counted),
		WITH_RECORDING(test_threads_share_a_row),
		WITH_RECORDING(test_stall_names_pending_gps),
		WITH_RECORDING(test_removal_by_front_waits_for_no_gp),
		WITH_RECORDING(test_old_gp_is_no_cause),
		WITH_RECORDING(test_stalls_avoided),
		WITH_RECORDING(test_zone_held_back_leaves_no_gp),
	};

	process_adopt();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
