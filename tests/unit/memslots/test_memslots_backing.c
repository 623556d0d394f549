// SPDX-License-Identifier: MIT
/* Memory of the library's own: pages, guards, node, prefault. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/memslots.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))
#define MIB  (1ULL << 20)

/* Does a write there end a process? */
static bool is_guarded(char *address)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)address = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	/* A sanitizer reports and exits. */
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static size_t resident(const struct bf_memslots_backing *backing)
{
	size_t i, pages = backing->size / PAGE, count = 0;
	unsigned char *there = malloc(pages);

	assert_int_equal(mincore(backing->hva, backing->size, there), 0);
	for (i = 0; i < pages; i++)
		count += there[i] & 1;
	free(there);
	return count;
}

static void test_pages_and_guards(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 5 * MIB + 1};
	struct bf_memslots_backing backing;
	struct stat stat;
	char *hva;

	assert_int_equal(bf_memslots_backing_create(&backing, &desc), 0);
	assert_int_equal(backing.size, 5 * MIB + PAGE);
	assert_int_equal(backing.page_size, PAGE);
	assert_int_equal((uintptr_t)backing.hva % (2 * MIB), 0);
	assert_int_equal(fstat(backing.fd, &stat), 0);
	assert_int_equal(stat.st_size, backing.size);
	hva = backing.hva;
	hva[0] = hva[backing.size - 1] = 1;
	assert_false(is_guarded(hva));
	assert_true(is_guarded(hva - 1));
	assert_true(is_guarded(hva - 2 * MIB));
	assert_true(is_guarded(hva + backing.size));
	bf_memslots_backing_destroy(&backing);
}

/* What is behind the guards belongs to others. */
static void test_destroy_takes_no_more(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 3 * MIB};
	struct bf_memslots_backing backing;
	uint64_t area = 4 * MIB + 2 * (2 * MIB);
	unsigned char there;
	char *begin;

	assert_int_equal(bf_memslots_backing_create(&backing, &desc), 0);
	begin = (char *)backing.hva - 2 * MIB;
	bf_memslots_backing_destroy(&backing);
	assert_int_equal(mincore(begin, PAGE, &there), -1);
	assert_int_equal(mincore(begin + area - PAGE, PAGE, &there), -1);
}

static void test_refused(void **state)
{
	const struct bf_memslots_backing_desc bad[] = {
		{.size = 0},
		{.size = UINT64_MAX},
		{.size = MIB, .bind = true, .node = 1023},
		{.size = MIB, .bind = true, .node = 5000},
	};
	struct bf_memslots_backing backing;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int ret = bf_memslots_backing_create(&backing, &bad[i]);

		assert_true(ret == -EINVAL || ret == -ENOSYS);
	}
}

/* Whether there are any or not. */
static void test_huge_pages(void **state)
{
	const struct bf_memslots_backing_desc desc = {
		.size = 4 * MIB,
		.huge = true,
	};
	struct bf_memslots_backing backing;

	assert_int_equal(bf_memslots_backing_create(&backing, &desc), 0);
	assert_true(backing.page_size == PAGE || backing.page_size == 2 * MIB);
	assert_int_equal(backing.size, 4 * MIB);
	memset(backing.hva, 1, backing.size);
	bf_memslots_backing_destroy(&backing);
}

/* More than any machine has: the smaller ones are only promised. */
static void test_too_few_huge_pages(void **state)
{
	const struct bf_memslots_backing_desc desc = {
		.size = 1ULL << 40,
		.huge = true,
	};
	struct bf_memslots_backing backing;
	int ret = bf_memslots_backing_create(&backing, &desc);

	if (ret == -ENOMEM)
		skip();
	assert_int_equal(ret, 0);
	assert_int_equal(backing.page_size, PAGE);
	bf_memslots_backing_destroy(&backing);
}

static void test_node(void **state)
{
	const struct bf_memslots_backing_desc desc = {
		.size = MIB,
		.bind = true,
		.node = 0,
	};
	struct bf_memslots_backing backing;
	int ret = bf_memslots_backing_create(&backing, &desc);

	if (ret == -ENOSYS || ret == -EPERM)
		skip();
	assert_int_equal(ret, 0);
	memset(backing.hva, 1, backing.size);
	bf_memslots_backing_destroy(&backing);
}

struct seen {
	uint64_t calls, done, total;
	uint64_t end_after; /* calls; 0: do not */
};

static int see(void *opaque, uint64_t done, uint64_t total)
{
	struct seen *seen = opaque;

	assert_true(done > seen->done && done <= total);
	seen->done = done;
	seen->total = total;
	return ++seen->calls == seen->end_after;
}

static void test_prefault(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 40 * MIB};
	struct bf_memslots_backing backing;
	struct seen seen = {0};
	char *hva;

	assert_int_equal(bf_memslots_backing_create(&backing, &desc), 0);
	hva = backing.hva;
	hva[20 * MIB] = 7;
	assert_true(resident(&backing) < backing.size / PAGE);
	assert_int_equal(bf_memslots_backing_prefault(&backing, see, &seen), 0);
	assert_int_equal(resident(&backing), backing.size / PAGE);
	assert_int_equal(seen.done, backing.size);
	assert_int_equal(seen.total, backing.size);
	assert_true(seen.calls > 1);
	assert_int_equal(hva[20 * MIB], 7);
	assert_int_equal(bf_memslots_backing_prefault(&backing, NULL, NULL), 0);
	bf_memslots_backing_destroy(&backing);
}

static void test_prefault_ends_when_told(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 40 * MIB};
	struct bf_memslots_backing backing;
	struct seen seen = {.end_after = 1};

	assert_int_equal(bf_memslots_backing_create(&backing, &desc), 0);
	assert_int_equal(bf_memslots_backing_prefault(&backing, see, &seen),
			 -ECANCELED);
	assert_int_equal(seen.calls, 1);
	bf_memslots_backing_destroy(&backing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_and_guards),
		cmocka_unit_test(test_destroy_takes_no_more),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_too_few_huge_pages),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_prefault),
		cmocka_unit_test(test_prefault_ends_when_told),
	};

	return cmocka_run_group_tests_name("memslots_backing", tests, NULL,
					   NULL);
}
