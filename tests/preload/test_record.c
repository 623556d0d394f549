/* SPDX-License-Identifier: MIT */
/* The recorder by itself, without any KVM. */
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

#include "preload/interpose/config.h"
#include "preload/record/record_debt.h"
#include "preload/record/record_doorbell.h"
#include "preload/record/record_event.h"

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
	recording->chunks = CHUNKS;
	record_forked(); /* this thread's chunk was of the last recording */
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

static void test_off(void **state)
{
	struct object *vm = object_new_vm();

	assert_null(recording);
	record_ioctl(3, KVM_RUN, stats_now(), 0);
	record_vm(3);
	record_close(record_who(vm), STATS_CLOSE_VM, stats_now(), 0);
	object_put(vm);
}

static void *make_calls(void *arg)
{
	const uintptr_t calls = (uintptr_t)arg;

	for (uintptr_t i = 0; i < calls; i++)
		record_call_of(first_vm, KVM_CHECK_EXTENSION, stats_now(), 0);
	return NULL;
}

static uint64_t complete(const struct recorded_event *events, size_t count)
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

/* Nothing is lost without being counted, however many threads write. */
static void test_overflow(void **state)
{
	const uint64_t calls = 300, threads = 8;
	uint64_t stored;

	run_threads(make_calls, threads, (void *)(uintptr_t)calls);
	stored = complete(recording->events, CHUNKS * RECORDING_CHUNK) +
		 complete(recording->kept, RECORDING_KEPT);
	assert_int_equal(stored + recording->dropped, calls * threads);
	assert_true(recording->dropped > 0);
	assert_in_range(recording->threads_seen, 1, threads);
}

/* ... but a stall has its own place. */
static void test_stalls_are_kept(void **state)
{
	const struct recorded_event *event;

	/* Some of these may be stalls: the machine is not ours alone. */
	make_calls((void *)(uintptr_t)(2 * CHUNKS * RECORDING_CHUNK));
	event = &recording->kept[recording->next_kept];
	record_call_of(first_vm, KVM_CREATE_PIT2, stats_now() - 2 * MS, 0);
	assert_int_equal(event->key, KVM_CREATE_PIT2);
	assert_int_equal(event->kind, RECORDED_CALL);
}

/* A child writes into a chunk of its own, as a thread of its own. */
static void test_fork(void **state)
{
	int status;
	pid_t pid;

	make_calls((void *)(uintptr_t)1);
	pid = fork();
	if (!pid) {
		record_forked();
		config.pid = getpid();
		make_calls((void *)(uintptr_t)1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	make_calls((void *)(uintptr_t)1);
	assert_int_equal(complete(recording->events, 2 * RECORDING_CHUNK) +
				 complete(recording->kept, 3),
			 3);
	assert_int_equal(recording->threads_seen, 2);
	assert_int_equal(recording->threads[0].pid, getpid());
	assert_int_equal(recording->threads[1].pid, pid);
}

static struct kvm_ioeventfd bell(uint64_t addr, uint32_t len, uint32_t flags,
				 uint64_t datamatch)
{
	return (struct kvm_ioeventfd){
		.addr = addr,
		.len = len,
		.flags = flags,
		.datamatch = datamatch,
	};
}

static void answer(uint64_t addr, uint32_t len, uint32_t flags, uint64_t match)
{
	const struct kvm_ioeventfd arg = bell(addr, len, flags, match);
	const struct object_vm vm = {.number = 1, .front = (void *)&vm};

	record_answer(&vm, &arg, 0);
}

static void ring(uint64_t addr, uint32_t len, uint64_t data)
{
	struct recorded_key write = {
		.vm = 1, .addr = addr, .len = len, .datamatch = data};

	record_ring(&write, 0);
}

/* The rings of what has that address and datamatch. */
static uint64_t rings(uint64_t addr, uint64_t datamatch)
{
	for (size_t i = 0; i < RECORDING_DOORBELLS; i++) {
		const struct recorded_doorbell *row = &recording->doorbells[i];

		if (row->id && row->addr == addr && row->datamatch == datamatch)
			return row->rings;
	}
	return UINT64_MAX;
}

static void test_rings(void **state)
{
	answer(0x10, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 1);
	answer(0x10, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 2);
	answer(0x20, 4, 0, 0);
	answer(0x30, 0, 0, 0);
	ring(0x10, 4, 2);
	ring(0x10, 4, 3); /* nobody's */
	ring(0x10, 2, 1); /* nobody's */
	ring(0x20, 4, 77);
	ring(0x30, 1, 0);
	ring(0x30, 8, 5);
	assert_int_equal(rings(0x10, 1), 0);
	assert_int_equal(rings(0x10, 2), 1);
	assert_int_equal(rings(0x20, 0), 1);
	assert_int_equal(rings(0x30, 0), 2);
	answer(0x20, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	ring(0x20, 4, 0); /* it is gone */
	assert_int_equal(rings(0x20, 0), 1);
}

static void test_life_of_a_doorbell(void **state)
{
	const struct kvm_ioeventfd arg = bell(0x10, 4, 0, 0);
	const uint32_t gone = KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct recorded_doorbell *row = NULL;

	answer(0x10, 4, 0, 0);
	answer(0x10, 4, gone, 0); /* never known */
	answer(0x10, 4, 0, 0);
	record_install(1, &arg, -ENOSPC);
	record_install(1, &arg, 0);
	answer(0x10, 4, gone, 0);
	for (size_t i = 0; i < RECORDING_DOORBELLS; i++) {
		if (!recording->doorbells[i].id)
			continue;
		assert_null(row);
		row = &recording->doorbells[i];
	}
	assert_non_null(row);
	assert_int_equal(row->assigned, 2);
	assert_int_equal(row->deassigned, 2);
	assert_int_equal(row->never_known, 1);
	assert_int_equal(row->refused, 1);
	assert_int_equal(row->installed, 1);
	assert_int_equal(recording->next_kept, 6);
}

/* However many there are, the rest is counted. */
static void test_too_many_doorbells(void **state)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < 2 * RECORDING_DOORBELLS; i++)
		answer(8 * i, 4, 0, 0);
	for (uint32_t i = 0; i < RECORDING_DOORBELLS; i++)
		rows += recording->doorbells[i].id != 0;
	assert_int_equal(rows + recording->dropped_doorbells,
			 2 * RECORDING_DOORBELLS);
	ring(8 * (2 * RECORDING_DOORBELLS + 1), 4, 0);
}

static void *assign_and_ring(void *arg)
{
	for (int i = 0; i < 500; i++) {
		answer(0x40, 4, 0, 0);
		ring(0x40, 4, 0);
	}
	return NULL;
}

static void test_doorbells_of_threads(void **state)
{
	run_threads(assign_and_ring, 4, NULL);
	assert_int_equal(rings(0x40, 0), 2000);
	assert_int_equal(recording->next_kept, 2001); /* one first ring */
}

static uint32_t call(uint32_t key, uint64_t start, uint64_t end)
{
	return debt_of_call(1, key, start, end, 0);
}

static void test_debts(void **state)
{
	const uint64_t t = 1000 * MS;

	call(KVM_CREATE_IRQCHIP, t, t);
	assert_int_equal(call(KVM_SET_USER_MEMORY_REGION, t + MS, t + 7 * MS),
			 1u << DEBT_IRQCHIP);
	/* It was paid. */
	assert_int_equal(
		call(KVM_SET_USER_MEMORY_REGION, t + 7 * MS, t + 9 * MS), 0);
	/* Others make no debt, and pay none. */
	call(KVM_CREATE_PIT2, t + 10 * MS, t + 10 * MS);
	assert_int_equal(call(KVM_CHECK_EXTENSION, t + 11 * MS, t + 15 * MS),
			 0);
	assert_int_equal(call(STATS_DEASSIGN, t + 11 * MS, t + 15 * MS),
			 1u << DEBT_PIT);
}

/* A removal that the front answered leaves the kernel's debts as they are. */
static void test_debts_behind_the_front(void **state)
{
	const uint64_t t = 1000 * MS;

	recording->vms[0].front = 1;
	call(KVM_CREATE_IRQCHIP, t, t);
	assert_int_equal(call(STATS_DEASSIGN, t + 10, t + 20), 0);
	assert_int_equal(call(KVM_SET_USER_MEMORY_REGION, t + 30, t + 6 * MS),
			 1u << DEBT_IRQCHIP);
}

static void test_old_debts(void **state)
{
	const uint64_t t = 1000 * MS;

	debt_made(1, DEBT_ZONE, t);
	assert_int_equal(call(KVM_SET_USER_MEMORY_REGION, t + 900 * MS,
			      t + 906 * MS),
			 0);
}

static uint64_t spared(void)
{
	return recording->vms[0].spared;
}

static void test_spared(void **state)
{
	const uint64_t t = 1000 * MS;

	debt_deferred(1, t);
	call(KVM_SET_USER_MEMORY_REGION, t + 10, t + 20);
	assert_int_equal(spared(), 1);
	call(KVM_SET_USER_MEMORY_REGION, t + 30, t + 40);
	assert_int_equal(spared(), 1); /* only the first would have paid */
	debt_deferred(1, t);
	call(KVM_SET_USER_MEMORY_REGION, t + 10, t + 7 * MS);
	assert_int_equal(spared(), 1); /* it did stall */
	debt_deferred(1, t);
	call(KVM_SET_USER_MEMORY_REGION, t + 900 * MS, t + 900 * MS);
	assert_int_equal(spared(), 1); /* too late to stall */
	debt_deferred(1, t);
	call(STATS_CLOSE_VM, t + 10, t + 20);
	assert_int_equal(spared(), 1); /* it did not end the VM */
	recording->vms[0].ended_ns = t + 15;
	call(STATS_CLOSE_VCPU, t + 10, t + 20);
	assert_int_equal(spared(), 2);
}

/* The front keeps the first, and gives the kernel the second in the call. */
static void test_zones_behind_the_front(void **state)
{
	const uint64_t t = 1000 * MS;

	recording->vms[0].front = 1;
	call(KVM_REGISTER_COALESCED_MMIO, t, t + 10);
	assert_int_equal(call(KVM_SET_USER_MEMORY_REGION, t + 20, t + 30), 0);
	assert_int_equal(spared(), 1);
	debt_made(1, DEBT_ZONE, t + 45);
	call(KVM_REGISTER_COALESCED_MMIO, t + 40, t + 50);
	assert_int_equal(call(KVM_SET_USER_MEMORY_REGION, t + 60, t + 6 * MS),
			 1u << DEBT_ZONE);
	assert_int_equal(spared(), 1);
}

#define WITH_RECORDING(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_off),
		WITH_RECORDING(test_overflow),
		WITH_RECORDING(test_stalls_are_kept),
		WITH_RECORDING(test_fork),
		WITH_RECORDING(test_rings),
		WITH_RECORDING(test_life_of_a_doorbell),
		WITH_RECORDING(test_too_many_doorbells),
		WITH_RECORDING(test_doorbells_of_threads),
		WITH_RECORDING(test_debts),
		WITH_RECORDING(test_debts_behind_the_front),
		WITH_RECORDING(test_old_debts),
		WITH_RECORDING(test_spared),
		WITH_RECORDING(test_zones_behind_the_front),
	};

	config.pid = getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
