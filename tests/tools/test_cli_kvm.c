/* SPDX-License-Identifier: MIT */
/* Messages about a KVM device that cannot be used. */
#include <errno.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tools/belfry/common/kvm_problem.h"

/* The line must name the device and contain the words. */
static void check_line(const char *line, const char *words)
{
	assert_non_null(line);
	assert_non_null(strstr(line, "/dev/kvm"));
	assert_non_null(strstr(line, words));
	assert_null(strchr(line, '\n'));
}

static void test_open_errors(void **state)
{
	(void)state;
	check_line(kvm_open_problem(ENOENT), "no /dev/kvm: load the kvm");
	check_line(kvm_open_problem(EACCES), "usermod -aG kvm");
	check_line(kvm_open_problem(EPERM), "usermod -aG kvm");
	check_line(kvm_open_problem(ENODEV), "load the kvm");
	check_line(kvm_open_problem(ENXIO), "load the kvm");
	check_line(kvm_open_problem(EMFILE), strerror(EMFILE));
}

static void test_api_versions(void **state)
{
	(void)state;
	assert_null(kvm_api_problem(KVM_API_VERSION));
	check_line(kvm_api_problem(-1), "is not KVM");
	check_line(kvm_api_problem(11), "version 11, not 12");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_errors),
		cmocka_unit_test(test_api_versions),
	};

	return cmocka_run_group_tests_name("cli_kvm", tests, NULL, NULL);
}
