// SPDX-License-Identifier: MIT
/* The policy's threshold, and the file that caches the measured costs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "front/calibrate.h"

static char folder[64];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/belfry-test-XXXXXX");
	return !mkdtemp(folder) || setenv("XDG_RUNTIME_DIR", folder, 1);
}

static int remove_folder(void **state)
{
	char path[PATH_MAX];

	bf_costs_path(path, sizeof(path));
	unlink(path);
	return rmdir(folder);
}

static void test_threshold(void **state)
{
	const struct bf_front_costs since_618 = {.install_ns = 6000000,
						 .signal_ns = 6700};
	const struct bf_front_costs before = {.install_ns = 40000,
					      .signal_ns = 6700};
	const struct bf_front_costs nothing = {.install_ns = 0,
					       .signal_ns = 6700};
	const struct bf_front_costs broken = {.install_ns = 1, .signal_ns = 0};
	const struct bf_front_costs busy = {.install_ns = UINT64_MAX,
					    .signal_ns = 1};

	assert_int_equal(bf_costs_install_after(&since_618), 895);
	assert_int_equal(bf_costs_install_after(&before), 5);
	assert_int_equal(bf_costs_install_after(&nothing), 4);
	assert_int_equal(bf_costs_install_after(&broken), 10000);
	assert_int_equal(bf_costs_install_after(&busy), 10000);
}

static void test_saved_and_loaded(void **state)
{
	const struct bf_front_costs costs = {.install_ns = 123456,
					     .signal_ns = 789};
	char path[PATH_MAX], expected[PATH_MAX];
	struct bf_front_costs loaded;
	struct stat st;

	assert_false(bf_costs_load(&loaded));
	assert_true(bf_costs_save(&costs));
	assert_true(bf_costs_load(&loaded));
	assert_int_equal(loaded.install_ns, costs.install_ns);
	assert_int_equal(loaded.signal_ns, costs.signal_ns);
	bf_costs_path(path, sizeof(path));
	snprintf(expected, sizeof(expected), "%s/belfry-costs-%u-", folder,
		 (unsigned int)geteuid());
	assert_memory_equal(path, expected, strlen(expected));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_writable_by_others(void **state)
{
	const struct bf_front_costs costs = {.install_ns = 123456,
					     .signal_ns = 789};
	struct bf_front_costs loaded;
	char path[PATH_MAX];

	bf_costs_path(path, sizeof(path));
	assert_true(bf_costs_save(&costs));
	assert_int_equal(chmod(path, 0662), 0);
	assert_false(bf_costs_load(&loaded));
	assert_int_equal(chmod(path, 0620), 0);
	assert_false(bf_costs_load(&loaded));
	assert_true(bf_costs_save(&costs));
	assert_true(bf_costs_load(&loaded));
}

static void test_other_owner(void **state)
{
	const struct bf_front_costs costs = {.install_ns = 123456,
					     .signal_ns = 789};
	struct bf_front_costs loaded;
	char path[PATH_MAX];

	bf_costs_path(path, sizeof(path));
	assert_true(bf_costs_save(&costs));
	if (chown(path, 12345, (gid_t)-1))
		skip();
	assert_false(bf_costs_load(&loaded));
}

static void test_link(void **state)
{
	const struct bf_front_costs costs = {.install_ns = 123456,
					     .signal_ns = 789};
	char path[PATH_MAX], target[PATH_MAX + 8];
	struct bf_front_costs loaded;

	bf_costs_path(path, sizeof(path));
	snprintf(target, sizeof(target), "%s.target", path);
	assert_true(bf_costs_save(&costs));
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_false(bf_costs_load(&loaded));
	/* The save replaces the link and does not follow it. */
	assert_true(bf_costs_save(&costs));
	assert_true(bf_costs_load(&loaded));
	assert_int_equal(unlink(target), 0);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_bad_contents(void **state)
{
	static const char *const texts[] = {
		"",
		"belfry-costs 1\n",
		"belfry-costs 1 5\n",
		"belfry-costs 2 5 6\n",
		"nonsense",
	};
	struct bf_front_costs loaded;
	char path[PATH_MAX];
	size_t i;

	bf_costs_path(path, sizeof(path));
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_text(path, texts[i]);
		assert_false(bf_costs_load(&loaded));
	}
}

/* A FIFO in place of the file must not block the load. */
static void test_fifo(void **state)
{
	struct bf_front_costs loaded;
	char path[PATH_MAX];

	bf_costs_path(path, sizeof(path));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(bf_costs_load(&loaded));
}

static void test_measured(void **state)
{
	struct bf_front_costs costs;

	if (!bf_costs_measure(&costs))
		skip();
	assert_true(costs.install_ns > 0);
	assert_true(costs.signal_ns > 0);
	print_message("install %lu ns, signal %lu ns: install after %u\n",
		      (unsigned long)costs.install_ns,
		      (unsigned long)costs.signal_ns,
		      bf_costs_install_after(&costs));
}

static void test_threshold_is_cached(void **state)
{
	struct bf_front_costs costs, again, file;
	int ret = bf_front_measure(&costs);

	assert_in_range(costs.install_after, 1, 10000);
	assert_int_equal(bf_front_measure(&again), ret);
	assert_memory_equal(&again, &costs, sizeof(costs));
	assert_int_equal(ret, costs.install_ns ? 0 : -ENODEV);
	if (!ret && bf_costs_load(&file))
		assert_int_equal(bf_costs_install_after(&file),
				 costs.install_after);
}

#define CACHE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold),
		CACHE_TEST(test_saved_and_loaded),
		CACHE_TEST(test_writable_by_others),
		CACHE_TEST(test_other_owner),
		CACHE_TEST(test_link),
		CACHE_TEST(test_bad_contents),
		CACHE_TEST(test_fifo),
		cmocka_unit_test(test_measured),
		CACHE_TEST(test_threshold_is_cached),
	};

	return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
