// SPDX-License-Identifier: MIT
/* bf_io_bus_destroy() closes the bus's duplicates of eventfds, and no more. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/io_bus.h"

#define DOORBELLS 40
#define MAX_FD	  512

static bool no_close_range;

long __real_syscall(long nr, long a, long b, long c, long d, long e);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e);

long __wrap_syscall(long nr, long a, long b, long c, long d, long e)
{
	if (nr != SYS_close_range || !no_close_range)
		return __real_syscall(nr, a, b, c, d, e);
	errno = ENOSYS;
	return -1;
}

static void list_open(bool open[MAX_FD])
{
	for (int fd = 0; fd < MAX_FD; fd++)
		open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static struct bf_io_doorbell *add_doorbell(struct bf_io_bus *bus, int nth,
					   int fd)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = 0x1000 + 8 * (uint64_t)nth,
		.len = 4,
		.space = BF_IO_MMIO,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_EVENTFD,
		.eventfd = fd,
	};
	struct bf_io_doorbell *doorbell;

	assert_int_equal(bf_io_add_doorbell(bus, &desc, &doorbell, NULL), 0);
	return doorbell;
}

/*
 * Before every nth doorbell the test opens a descriptor (@every is 0: never),
 * so that the numbers of the duplicates have gaps.
 */
static void check_destroy(int every, bool remove_some)
{
	bool before[MAX_FD], after[MAX_FD];
	struct bf_io_doorbell *doorbells[DOORBELLS];
	int efds[DOORBELLS], others[DOORBELLS], nr_others = 0;
	struct bf_io_bus *bus;

	for (int i = 0; i < DOORBELLS; i++)
		efds[i] = eventfd(0, EFD_CLOEXEC);
	list_open(before);
	assert_int_equal(bf_io_bus_create("test", &bus), 0);
	for (int i = 0; i < DOORBELLS; i++) {
		if (every && i % every == 0)
			others[nr_others++] = dup(STDIN_FILENO);
		doorbells[i] = add_doorbell(bus, i, efds[i]);
	}
	for (int i = 0; remove_some && i < DOORBELLS; i += 3)
		assert_int_equal(bf_io_remove_doorbell(bus, doorbells[i]), 0);
	bf_io_bus_destroy(bus);
	while (nr_others)
		assert_int_equal(close(others[--nr_others]), 0);
	list_open(after);
	assert_memory_equal(before, after, sizeof(before));
	for (int i = 0; i < DOORBELLS; i++)
		assert_int_equal(close(efds[i]), 0);
}

static void test_destroy_closes_duplicates(void **state)
{
	for (int every = 0; every <= 3; every++) {
		check_destroy(every, false);
		check_destroy(every, true);
	}
}

static void test_destroy_without_close_range(void **state)
{
	no_close_range = true;
	test_destroy_closes_duplicates(state);
	no_close_range = false;
}

/* All doorbells share one duplicate, which the last of them closes. */
static void test_destroy_closes_shared_duplicate(void **state)
{
	bool before[MAX_FD], after[MAX_FD];
	struct bf_io_bus *bus;
	int efd = eventfd(0, EFD_CLOEXEC);

	list_open(before);
	assert_int_equal(bf_io_bus_create("test", &bus), 0);
	for (int i = 0; i < DOORBELLS; i++)
		add_doorbell(bus, i, efd);
	bf_io_bus_destroy(bus);
	list_open(after);
	assert_memory_equal(before, after, sizeof(before));
	close(efd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroy_closes_duplicates),
		cmocka_unit_test(test_destroy_without_close_range),
		cmocka_unit_test(test_destroy_closes_shared_duplicate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
