// SPDX-License-Identifier: MIT
/*
 * Copies of guest memory that faults.  With BELFRY_HWPOISON set, the test gives
 * a page of the machine a memory error, which the page keeps until the machine
 * boots again.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/memslots.h"

#define PAGE  ((size_t)sysconf(_SC_PAGESIZE))
#define PAGES 6
#define SIZE  (PAGES * PAGE)
#define MAX   (PAGES * 65536)

typedef ssize_t vm_copy_fn(pid_t pid, const struct iovec *local,
			   unsigned long nr_local, const struct iovec *remote,
			   unsigned long nr_remote, unsigned long flags);
vm_copy_fn __real_process_vm_readv, __wrap_process_vm_readv;
vm_copy_fn __real_process_vm_writev, __wrap_process_vm_writev;

static int fd, refusal;
static bool nothing; /* the call copies nothing, and says so */
static size_t most;  /* that one call copies; 0: all */
static char *memory;
static struct bf_memslots *map;
static struct bf_memslots_snapshot snapshot;
static char buf[MAX];

static ssize_t vm_copy(vm_copy_fn *copy, pid_t pid, struct iovec local,
		       struct iovec remote)
{
	if (refusal) {
		errno = refusal;
		return -1;
	}
	if (nothing)
		return 0;
	if (most && local.iov_len > most)
		local.iov_len = remote.iov_len = most;
	return copy(pid, &local, 1, &remote, 1, 0);
}

ssize_t __wrap_process_vm_readv(pid_t pid, const struct iovec *local,
				unsigned long nr_local,
				const struct iovec *remote,
				unsigned long nr_remote, unsigned long flags)
{
	return vm_copy(__real_process_vm_readv, pid, *local, *remote);
}

ssize_t __wrap_process_vm_writev(pid_t pid, const struct iovec *local,
				 unsigned long nr_local,
				 const struct iovec *remote,
				 unsigned long nr_remote, unsigned long flags)
{
	return vm_copy(__real_process_vm_writev, pid, *local, *remote);
}

static void set_slot(uint32_t slot, size_t page, size_t pages, uint32_t flags)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = page * PAGE,
		.memory_size = pages * PAGE,
		.userspace_addr = (uintptr_t)memory + page * PAGE,
	};

	assert_int_equal(bf_memslots_set(map, &region), 0);
}

/* Two adjacent slots; the second one logs. */
static int setup(void **state)
{
	refusal = 0;
	nothing = false;
	most = 0;
	fd = memfd_create("guest", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)SIZE) ||
	    bf_memslots_create(NULL, &map))
		return -1;
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -1;
	memset(memory, 'g', SIZE);
	memset(buf, 'b', SIZE);
	set_slot(0, 0, 2, 0);
	set_slot(1, 2, PAGES - 2, KVM_MEM_LOG_DIRTY_PAGES);
	bf_memslots_take(map, &snapshot);
	return 0;
}

static int teardown(void **state)
{
	bf_memslots_drop(&snapshot);
	bf_memslots_destroy(map);
	munmap(memory, SIZE);
	return close(fd);
}

static void expect_read(uint64_t gpa, size_t len, int ret, size_t done)
{
	size_t copied = ~0UL;

	assert_int_equal(bf_memslots_try_read(&snapshot, 0, gpa, buf, len,
					      &copied),
			 ret);
	assert_int_equal(copied, done);
}

static void expect_write(uint64_t gpa, size_t len, int ret, size_t done)
{
	size_t copied = ~0UL;

	assert_int_equal(bf_memslots_try_write(&snapshot, 0, gpa, buf, len,
					       &copied),
			 ret);
	assert_int_equal(copied, done);
}

/* The pages of the second slot that were written. */
static uint64_t take_log(void)
{
	uint64_t bitmap = 0;
	const struct kvm_dirty_log log = {
		.slot = 1,
		.dirty_bitmap = &bitmap,
	};

	assert_int_equal(bf_memslots_get_dirty_log(map, &log), 0);
	return bitmap;
}

static void test_whole_copies(void **state)
{
	expect_read(1, SIZE - 1, 0, SIZE - 1);
	assert_memory_equal(buf, memory + 1, SIZE - 1);
	assert_int_equal(buf[SIZE - 1], 'b');
	memset(buf, 'b', SIZE);
	assert_int_equal(take_log(), 0);
	expect_write(1, 3 * PAGE, 0, 3 * PAGE);
	assert_int_equal(memory[0], 'g');
	assert_memory_equal(memory + 1, buf, 3 * PAGE);
	assert_int_equal(memory[3 * PAGE + 1], 'g');
	assert_int_equal(take_log(), 1 << 0 | 1 << 1);
	expect_read(0, 0, 0, 0);
}

static void test_no_memory(void **state)
{
	expect_read(SIZE - 5, 6, -ENOENT, 5);
	expect_write(SIZE - 5, 6, -ENOENT, 5);
	expect_read(SIZE, 1, -ENOENT, 0);
}

static void test_read_only(void **state)
{
	bf_memslots_drop(&snapshot);
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	set_slot(1, 2, PAGES - 2, KVM_MEM_READONLY);
	bf_memslots_take(map, &snapshot);
	expect_write(PAGE, 2 * PAGE, -ENOENT, PAGE);
	expect_read(PAGE, 2 * PAGE, 0, 2 * PAGE);
}

static void test_truncated_file(void **state)
{
	assert_int_equal(ftruncate(fd, (off_t)(4 * PAGE)), 0);
	expect_read(7, SIZE - 7, -EFAULT, 4 * PAGE - 7);
	assert_memory_equal(buf, memory + 7, 4 * PAGE - 7);
	assert_int_equal(buf[4 * PAGE - 7], 'b');
	expect_write(7, SIZE - 7, -EFAULT, 4 * PAGE - 7);
	assert_int_equal(take_log(), 1 << 0 | 1 << 1);
	expect_read(4 * PAGE, 1, -EFAULT, 0);
	expect_write(4 * PAGE, 1, -EFAULT, 0);
	assert_int_equal(take_log(), 0);
}

static void test_protected_page(void **state)
{
	assert_int_equal(mprotect(memory + 3 * PAGE, PAGE, PROT_READ), 0);
	expect_read(0, SIZE, 0, SIZE);
	expect_write(2 * PAGE, 2 * PAGE, -EFAULT, PAGE);
}

/* The buffer of the caller faults: a page of a file that is gone. */
static void test_buffer(void **state)
{
	size_t done;

	assert_int_equal(ftruncate(fd, (off_t)(4 * PAGE)), 0);
	assert_int_equal(bf_memslots_try_read(&snapshot, 0, 0,
					      memory + 3 * PAGE, 2 * PAGE,
					      &done),
			 -EFAULT);
	assert_int_equal(done, PAGE);
}

/* The kernel copies at most 2 GiB in a call. */
static void test_short_calls(void **state)
{
	most = 1000;
	expect_write(PAGE, 3 * PAGE, 0, 3 * PAGE);
	assert_memory_equal(memory + PAGE, buf, 3 * PAGE);
	assert_int_equal(take_log(), 1 << 0 | 1 << 1);
}

static void test_refused_calls(void **state)
{
	refusal = ENOSYS;
	expect_read(0, 1, -ENOSYS, 0);
	refusal = EPERM;
	expect_write(2 * PAGE, 1, -EPERM, 0);
	refusal = 0;
	nothing = true; /* a seccomp filter answers 0 */
	expect_read(0, 1, -EPERM, 0);
	expect_write(2 * PAGE, 1, -EPERM, 0);
	assert_int_equal(take_log(), 0);
}

/* The process has the state of its first thread. */
static bool first_thread_has_ended(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char state = 'Z';

	if (!file)
		return true;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z';
}

/* pthread_join() of the first thread is beyond ThreadSanitizer. */
static void *read_after_first_thread(void *unused)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	size_t done;

	while (!first_thread_has_ended())
		nanosleep(&ms, NULL);
	_exit(bf_memslots_try_read(&snapshot, 0, 0, buf, 1, &done) ||
	      done != 1);
}

/* A process that lives on when its first thread has called pthread_exit(). */
static void end_first_thread(void)
{
	pthread_t thread;

	if (bf_memslots_create(NULL, &map))
		_exit(1);
	set_slot(0, 0, 2, 0);
	bf_memslots_take(map, &snapshot);
	if (pthread_create(&thread, NULL, read_after_first_thread, NULL))
		_exit(1);
	pthread_exit(NULL);
}

static void test_first_thread_has_ended(void **state)
{
	pid_t child = fork();
	int status;

	if (!child)
		end_first_thread();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* In a child with the same page, which some kernels end by SIGBUS. */
static bool poison(void *page)
{
	int status;
	pid_t child = fork();

	if (!child) {
		signal(SIGBUS, SIG_DFL); /* cmocka has a handler */
		_exit(madvise(page, PAGE, MADV_HWPOISON));
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) || !WEXITSTATUS(status);
}

static void test_memory_error(void **state)
{
	if (!getenv("BELFRY_HWPOISON"))
		skip();
	assert_true(poison(memory + 3 * PAGE));
	expect_read(PAGE, 4 * PAGE, -EFAULT, 2 * PAGE);
	expect_write(PAGE, 4 * PAGE, -EFAULT, 2 * PAGE);
	expect_read(4 * PAGE, PAGE, 0, PAGE);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_whole_copies),   CASE(test_no_memory),
		CASE(test_read_only),	   CASE(test_truncated_file),
		CASE(test_protected_page), CASE(test_buffer),
		CASE(test_short_calls),	   CASE(test_refused_calls),
		CASE(test_memory_error),   CASE(test_first_thread_has_ended),
	};

	return cmocka_run_group_tests_name("memslots_fault", tests, NULL, NULL);
}
