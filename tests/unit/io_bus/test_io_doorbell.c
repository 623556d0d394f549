// SPDX-License-Identifier: MIT
/* Doorbells: writes that signal them, bad descriptions, the eventfd's life. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus_fixture.h"
#include "io_bus/eventfd.h"

static void test_wildcard_hits_its_length_only(void **state)
{
	assert_int_equal(add_doorbell(doorbell_at(0x6000, 4), NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 99, 4), 0);
	assert_int_equal(taken(efd), 1);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 2), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 8), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 3), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6001, 0, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_PIO, 0x6000, 0, 4), -EOPNOTSUPP);
	assert_int_equal(taken(efd), 0);
}

static void test_length_zero_hits_any_length(void **state)
{
	uint32_t len;

	assert_int_equal(add_doorbell(doorbell_at(0x6000, 0), NULL), 0);
	for (len = 1; len <= 8; len++)
		assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, len), 0);
	assert_int_equal(taken(efd), 8);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6001, 1, 1), -EOPNOTSUPP);
}

static void test_datamatch(void **state)
{
	assert_int_equal(add_doorbell(match_at(0x6000, 4, 1), NULL), 0);
	assert_int_equal(add_doorbell(match_at(0x6000, 4, 0xffffffff), NULL),
			 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0xffffffff, 4), 0);
	assert_int_equal(taken(efd), 2);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 2, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, 8), -EOPNOTSUPP);
}

/* As in the kernel, bits of the datamatch above the length never match. */
static void test_datamatch_wider_than_length(void **state)
{
	assert_int_equal(add_doorbell(match_at(0x6000, 2, 0xdead1234), NULL),
			 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0x1234, 2), -EOPNOTSUPP);
}

static void test_reads_signal_nothing(void **state)
{
	uint32_t value = 5;

	assert_int_equal(add_doorbell(doorbell_at(0x6000, 0), NULL), 0);
	assert_int_equal(read_len(BF_IO_MMIO, 0x6000, &value, 4), -EOPNOTSUPP);
	assert_int_equal(value, 5);
	assert_int_equal(taken(efd), 0);
}

/* The kernel's rules, see ioeventfd_check_collision(). */
static void test_collisions(void **state)
{
	struct bf_io_doorbell_desc pio = doorbell_at(0x6000, 4);

	assert_int_equal(add_doorbell(match_at(0x6000, 4, 1), NULL), 0);
	assert_int_equal(add_doorbell(match_at(0x6000, 4, 1), NULL), -EEXIST);
	assert_int_equal(add_doorbell(match_at(0x6000, 4, 2), NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x6000, 4), NULL), -EEXIST);
	assert_int_equal(add_doorbell(doorbell_at(0x6000, 0), NULL), -EEXIST);
	assert_int_equal(add_doorbell(doorbell_at(0x6000, 2), NULL), 0);
	assert_int_equal(add_doorbell(match_at(0x6000, 2, 7), NULL), -EEXIST);
	assert_int_equal(add_doorbell(match_at(0x6000, 8, 1), NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x6001, 4), NULL), 0);
	pio.space = BF_IO_PIO;
	assert_int_equal(add_doorbell(pio, NULL), 0);
	pio.space = BF_IO_CCW;
	assert_int_equal(add_doorbell(pio, NULL), 0);

	assert_int_equal(add_doorbell(doorbell_at(0x7000, 0), NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x7000, 0), NULL), -EEXIST);
	assert_int_equal(add_doorbell(match_at(0x7000, 8, 0), NULL), -EEXIST);
	assert_int_equal(add_doorbell(doorbell_at(0x7000, 1), NULL), -EEXIST);
}

static void test_bad_doorbells(void **state)
{
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(add_doorbell(doorbell_at(0x6000, 3), NULL), -EINVAL);
	assert_int_equal(add_doorbell(doorbell_at(0x6000, 16), NULL), -EINVAL);
	assert_int_equal(add_doorbell(match_at(0x6000, 0, 1), NULL), -EINVAL);
	assert_int_equal(add_doorbell(doorbell_at(UINT64_MAX - 3, 4), NULL),
			 -EINVAL);
	assert_int_equal(add_doorbell(doorbell_at(UINT64_MAX - 8, 8), NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(UINT64_MAX, 0), NULL), 0);
	desc.space = BF_IO_SPACES;
	assert_int_equal(add_doorbell(desc, NULL), -EINVAL);
	desc.space = BF_IO_MMIO;
	desc.eventfd = -1;
	assert_int_equal(add_doorbell(desc, NULL), -EBADF);
	desc.eventfd = 100000;
	assert_int_equal(add_doorbell(desc, NULL), -EBADF);
	desc.eventfd = file;
	assert_int_equal(add_doorbell(desc, NULL), -EINVAL);
	close(file);
	assert_int_equal(write_len(BF_IO_MMIO, UINT64_MAX, 0, 1), 0);
	assert_int_equal(taken(efd), 1);
}

static void test_doorbell_conflict_names_both(void **state)
{
	struct bf_io_doorbell_desc desc = match_at(0x6000, 4, 7);
	struct bf_io_conflict conflict;
	char text[256];

	assert_int_equal(add_doorbell(doorbell_at(0x6000, 4), NULL), 0);
	assert_int_equal(bf_io_add_doorbell(bus, &desc, NULL, &conflict),
			 -EEXIST);
	bf_io_conflict_format(&conflict, text, sizeof(text));
	assert_string_equal(text,
			    "doorbell mmio 0x6000 length 4, datamatch 0x7 "
			    "collides with doorbell mmio 0x6000 length 4, any "
			    "data");
}

static void test_find_compares_eventfds(void **state)
{
	struct bf_io_doorbell_desc desc = match_at(0x6000, 4, 1);
	int other = eventfd(0, EFD_CLOEXEC), twin = dup(efd);
	struct bf_io_doorbell *handle, *found = NULL;

	assert_int_equal(add_doorbell(desc, &handle), 0);
	desc.eventfd = other;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.eventfd = twin;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), 0);
	assert_ptr_equal(found, handle);
	desc.datamatch = 2;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.wildcard = true;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc = match_at(0x6000, 3, 1);
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.eventfd = -1;
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -EBADF);
	close(other);
	close(twin);
}

static void test_doorbell_outlives_callers_fd(void **state)
{
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), twin = dup(other);
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);

	desc.eventfd = other;
	assert_int_equal(add_doorbell(desc, NULL), 0);
	close(other);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
	assert_int_equal(taken(twin), 1);
	close(twin);
}

/* A descriptor number that was reused names the new eventfd only. */
static void test_reused_fd_is_another_eventfd(void **state)
{
	int old = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), old_twin = dup(old);
	int new = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);
	struct bf_io_doorbell *found;

	desc.eventfd = old;
	assert_int_equal(add_doorbell(desc, NULL), 0);
	assert_int_equal(dup3(new, old, O_CLOEXEC), old);
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), -ENOENT);
	desc.addr = 0x7000;
	assert_int_equal(add_doorbell(desc, NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
	assert_int_equal(taken(new), 0);
	assert_int_equal(taken(old_twin), 1);
	assert_int_equal(write_len(BF_IO_MMIO, 0x7000, 0, 4), 0);
	assert_int_equal(taken(new), 1);
	assert_int_equal(taken(old_twin), 0);
	/* Now the number names no eventfd at all. */
	assert_int_equal(dup3(file, old, O_CLOEXEC), old);
	desc.addr = 0x8000;
	assert_int_equal(add_doorbell(desc, NULL), -EINVAL);
	close(old);
	assert_int_equal(add_doorbell(desc, NULL), -EBADF);
	close(file);
	close(new);
	close(old_twin);
}

static void test_removed_doorbell_is_silent(void **state)
{
	struct bf_io_doorbell *a, *b;

	assert_int_equal(add_doorbell(match_at(0x6000, 4, 1), &a), 0);
	assert_int_equal(add_doorbell(match_at(0x6000, 4, 2), &b), 0);
	bf_io_remove_doorbell(bus, a);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 2, 4), 0);
	bf_io_remove_doorbell(bus, b);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 2, 4), -EOPNOTSUPP);
	assert_int_equal(add_doorbell(doorbell_at(0x6000, 0), &a), 0);
	bf_io_remove_doorbell(bus, a);
	assert_int_equal(taken(efd), 1);
}

/* As the kernel's signals: up to 2^64 - 1, which poll(2) calls an error. */
static void fill_eventfd(int flags)
{
	const uint64_t full = UINT64_MAX - 1;
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);
	struct bf_io_doorbell *handle;
	struct pollfd pfd = {.fd = eventfd(0, EFD_CLOEXEC | flags)};

	desc.eventfd = pfd.fd;
	assert_int_equal(add_doorbell(desc, &handle), 0);
	assert_int_equal(write(pfd.fd, &full, 8), 8);
	for (int i = 0; i < 3; i++) {
		errno = 77;
		assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
		assert_int_equal(errno, 77);
		assert_int_equal(poll(&pfd, 1, 0), 1);
		assert_int_equal(pfd.revents, POLLERR);
	}
	assert_true(taken(pfd.fd) == UINT64_MAX);
	assert_int_equal(write_len(BF_IO_MMIO, 0x6000, 0, 4), 0);
	assert_int_equal(taken(pfd.fd), 1);
	bf_io_remove_doorbell(bus, handle);
	close(pfd.fd);
}

/* The guest's write must not sleep on a full counter. */
static void test_full_eventfd(void **state)
{
	fill_eventfd(0);
	fill_eventfd(EFD_NONBLOCK);
	/* The context of asynchronous I/O is used again. */
	fill_eventfd(EFD_NONBLOCK);
}

static bool maps_contain(const char *word)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strstr(line, word);
	if (maps)
		fclose(maps);
	return found;
}

/* A child with that memory could make each signal fail. */
static void test_child_has_no_completions(void **state)
{
	const char *ring = "[aio]";
	int status;
	pid_t pid;

	fill_eventfd(EFD_NONBLOCK);
	assert_true(maps_contain(ring));
	pid = fork();
	if (!pid)
		_exit(maps_contain(ring));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/*
 * Another process with the eventfd: fills the counter and clears O_NONBLOCK, so
 * that a write(2) sleeps.  The last time it does not read the counter again.
 */
static void block_writers(int fd, int told)
{
	const uint64_t full = UINT64_MAX - 1;
	uint64_t count;

	alarm(60);
	for (int i = 0; i < 1000; i++) {
		do {
			fcntl(fd, F_SETFL, O_NONBLOCK);
			if (read(fd, &count, 8) < 0)
				count = 0;
		} while (write(fd, &full, 8) != 8);
		fcntl(fd, F_SETFL, 0);
	}
	close(told);
	pause();
	_exit(0);
}

static pid_t start_hostile(int fd, int told[2])
{
	pid_t pid;

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		block_writers(fd, told[1]);
	assert_true(pid > 0);
	close(told[1]);
	return pid;
}

#define WRITES 2000

/* Before, while and after the other process changes the eventfd. */
static void *write_both(void *arg)
{
	struct pollfd told = {.fd = *(int *)arg};
	unsigned long count = 0;

	for (int after = 0; after < WRITES; count++) {
		write_len(BF_IO_MMIO, 0x6000, 0, 4);
		write_len(BF_IO_MMIO, 0x7000, 0, 4);
		after += after || poll(&told, 1, 0) == 1;
	}
	return (void *)count;
}

/*
 * Neither the guest's writes nor the removal of another doorbell may wait for
 * the other process, and the other doorbell counts each write.
 */
static void write_beside_hostile(void *(*fn)(void *told))
{
	struct bf_io_doorbell_desc desc = doorbell_at(0x6000, 4);
	struct bf_io_doorbell_desc exact = doorbell_at(0x7000, 4);
	struct bf_io_doorbell *hostile, *other, *third;
	pthread_t thread;
	void *count;
	int told[2];
	pid_t pid;

	alarm(60);
	desc.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	desc.counted = exact.counted = true;
	assert_int_equal(add_doorbell(desc, &hostile), 0);
	assert_int_equal(add_doorbell(exact, &other), 0);
	pid = start_hostile(desc.eventfd, told);
	assert_int_equal(pthread_create(&thread, NULL, fn, told), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(add_doorbell(doorbell_at(0x8000, 4), &third),
				 0);
		bf_io_remove_doorbell(bus, third);
	}
	pthread_join(thread, &count);
	bf_io_remove_doorbell(bus, hostile);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	bf_io_remove_doorbell(bus, other);
	assert_int_equal(taken(efd), (unsigned long)count);
	close(told[0]);
	close(desc.eventfd);
	alarm(0);
}

static void test_hostile_holder_of_an_eventfd(void **state)
{
	write_beside_hostile(write_both);
}

/* A vCPU's thread in a sandbox, which may only write and use futexes. */
static void *write_without_rights(void *arg)
{
	bf_eventfd_no_poll = true;
	bf_eventfd_no_saturate = true;
	return write_both(arg);
}

static void test_hostile_holder_and_a_sandbox(void **state)
{
	bf_eventfd_start_relay();
	write_beside_hostile(write_without_rights);
}

static void *signal_shared(void *arg)
{
	for (int i = 0; i < WRITES; i++)
		write_len(BF_IO_MMIO, 0x7000, 0, 4);
	return NULL;
}

#define THREADS 80

/* More threads than completions that the kernel keeps for the process. */
static void test_shared_eventfd_counts_each_write(void **state)
{
	struct bf_io_doorbell *handle;
	pthread_t threads[THREADS];

	bf_io_share_eventfds();
	assert_int_equal(add_doorbell(doorbell_at(0x7000, 4), &handle), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						signal_shared, NULL),
				 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	bf_io_remove_doorbell(bus, handle);
	assert_int_equal(taken(efd), THREADS * WRITES);
}

/* Threads that signal it at the same time leave nothing to a worker. */
static void test_shared_eventfd_is_signalled_before_removal(void **state)
{
	struct bf_io_doorbell *handle;
	pthread_t threads[2];

	bf_io_share_eventfds();
	for (int round = 0; round < 300; round++) {
		assert_int_equal(add_doorbell(doorbell_at(0x7000, 4), &handle),
				 0);
		for (int i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, signal_shared, NULL);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		bf_io_remove_doorbell(bus, handle);
		assert_int_equal(taken(efd), 2 * WRITES);
	}
}

#define MANY 4000

static void test_many_doorbells_at_one_address(void **state)
{
	struct bf_io_doorbell **handles = calloc(MANY, sizeof(*handles));
	struct bf_io_doorbell_desc desc = match_at(0x6000, 4, 0);
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		desc.datamatch = i;
		/* The descriptor limit allows few at a time. */
		assert_int_equal(add_doorbell(desc, &handles[i]), 0);
		if (i >= 500)
			bf_io_remove_doorbell(bus, handles[i - 500]);
	}
	for (i = 0; i < MANY; i++)
		assert_int_equal(write_len(BF_IO_MMIO, 0x6000, i, 4),
				 i < MANY - 500 ? -EOPNOTSUPP : 0);
	assert_int_equal(taken(efd), 500);
	free(handles);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_wildcard_hits_its_length_only),
		BUS_TEST(test_length_zero_hits_any_length),
		BUS_TEST(test_datamatch),
		BUS_TEST(test_datamatch_wider_than_length),
		BUS_TEST(test_reads_signal_nothing),
		BUS_TEST(test_collisions),
		BUS_TEST(test_bad_doorbells),
		BUS_TEST(test_doorbell_conflict_names_both),
		BUS_TEST(test_find_compares_eventfds),
		BUS_TEST(test_doorbell_outlives_callers_fd),
		BUS_TEST(test_reused_fd_is_another_eventfd),
		BUS_TEST(test_removed_doorbell_is_silent),
		BUS_TEST(test_full_eventfd),
		BUS_TEST(test_shared_eventfd_counts_each_write),
		BUS_TEST(test_shared_eventfd_is_signalled_before_removal),
		BUS_TEST(test_child_has_no_completions),
		BUS_TEST(test_hostile_holder_of_an_eventfd),
		BUS_TEST(test_hostile_holder_and_a_sandbox),
		BUS_TEST(test_many_doorbells_at_one_address),
	};

	return cmocka_run_group_tests_name("io_doorbell", tests, NULL, NULL);
}
