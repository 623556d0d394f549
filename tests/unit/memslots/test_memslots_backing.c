// SPDX-License-Identifier: MIT
/* Memory that the library allocates: pages, guards, NUMA node, prefault. */
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

/* Whether a write to address kills a process. */
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
	/* A sanitizer reports the fault and exits. */
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static size_t resident(const struct bf_memslots_backing *backing)
{
	size_t i, pages = backing->size / PAGE, count = 0;
	unsigned char *vec = malloc(pages);

	assert_int_equal(mincore(backing->hva, backing->size, vec), 0);
	for (i = 0; i < pages; i++)
		count += vec[i] & 1;
	free(vec);
	return count;
}

static void test_pages_and_guards(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 5 * MIB + 1};
	struct bf_memslots_backing backing;
	struct stat stat;
	char *hva;

	assert_int_equal(bf_memslots_backing_create(&desc, &backing), 0);
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

/* Destruction unmaps the area between the guards, and nothing beyond them. */
static void test_destroy_unmaps_the_area(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 3 * MIB};
	struct bf_memslots_backing backing;
	uint64_t area = 4 * MIB + 2 * (2 * MIB);
	unsigned char vec;
	char *begin;

	assert_int_equal(bf_memslots_backing_create(&desc, &backing), 0);
	begin = (char *)backing.hva - 2 * MIB;
	bf_memslots_backing_destroy(&backing);
	assert_int_equal(mincore(begin, PAGE, &vec), -1);
	assert_int_equal(mincore(begin + area - PAGE, PAGE, &vec), -1);
}

static void test_bad_descriptions(void **state)
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
		int ret = bf_memslots_backing_create(&bad[i], &backing);

		assert_true(ret == -EINVAL || ret == -ENOSYS);
	}
}

/* Works with and without huge pages on the machine. */
static void test_huge_pages(void **state)
{
	const struct bf_memslots_backing_desc desc = {
		.size = 4 * MIB,
		.huge = true,
	};
	struct bf_memslots_backing backing;

	assert_int_equal(bf_memslots_backing_create(&desc, &backing), 0);
	assert_true(backing.page_size == PAGE || backing.page_size == 2 * MIB);
	assert_int_equal(backing.size, 4 * MIB);
	memset(backing.hva, 1, backing.size);
	bf_memslots_backing_destroy(&backing);
}

/* No machine has 1 TiB of huge pages; small pages need no memory yet. */
static void test_too_few_huge_pages(void **state)
{
	const struct bf_memslots_backing_desc desc = {
		.size = 1ULL << 40,
		.huge = true,
	};
	struct bf_memslots_backing backing;
	int ret = bf_memslots_backing_create(&desc, &backing);

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
	int ret = bf_memslots_backing_create(&desc, &backing);

	if (ret == -ENOSYS || ret == -EPERM)
		skip();
	assert_int_equal(ret, 0);
	memset(backing.hva, 1, backing.size);
	bf_memslots_backing_destroy(&backing);
}

struct progress {
	uint64_t calls, done, total;
	uint64_t end_after; /* cancel at this call; 0: never */
};

static int note_progress(void *opaque, uint64_t done, uint64_t total)
{
	struct progress *progress = opaque;

	assert_true(done > progress->done && done <= total);
	progress->done = done;
	progress->total = total;
	return ++progress->calls == progress->end_after;
}

static void test_prefault(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 40 * MIB};
	struct bf_memslots_backing backing;
	struct progress progress = {0};
	char *hva;

	assert_int_equal(bf_memslots_backing_create(&desc, &backing), 0);
	hva = backing.hva;
	hva[20 * MIB] = 7;
	assert_true(resident(&backing) < backing.size / PAGE);
	assert_int_equal(bf_memslots_backing_prefault(&backing, note_progress,
						      &progress),
			 0);
	assert_int_equal(resident(&backing), backing.size / PAGE);
	assert_int_equal(progress.done, backing.size);
	assert_int_equal(progress.total, backing.size);
	assert_true(progress.calls > 1);
	assert_int_equal(hva[20 * MIB], 7);
	assert_int_equal(bf_memslots_backing_prefault(&backing, NULL, NULL), 0);
	bf_memslots_backing_destroy(&backing);
}

static void test_prefault_cancelled(void **state)
{
	const struct bf_memslots_backing_desc desc = {.size = 40 * MIB};
	struct bf_memslots_backing backing;
	struct progress progress = {.end_after = 1};

	assert_int_equal(bf_memslots_backing_create(&desc, &backing), 0);
	assert_int_equal(bf_memslots_backing_prefault(&backing, note_progress,
						      &progress),
			 -ECANCELED);
	assert_int_equal(progress.calls, 1);
	bf_memslots_backing_destroy(&backing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_and_guards),
		cmocka_unit_test(test_destroy_unmaps_the_area),
		cmocka_unit_test(test_bad_descriptions),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_too_few_huge_pages),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_prefault),
		cmocka_unit_test(test_prefault_cancelled),
	};

	return cmocka_run_group_tests_name("memslots_backing", tests, NULL,
					   NULL);
}
