/* SPDX-License-Identifier: MIT */
/* The command line of `belfry doorbell`.  argv[1] is the tool. */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

static const char *belfry;
static char output[16384];

/* Run the command, store its output, and return its exit status. */
static int run(const char *arguments)
{
	char command[4096];
	size_t size;
	FILE *pipe;

	snprintf(command, sizeof(command), "'%s' doorbell %s", belfry,
		 arguments);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	size = fread(output, 1, sizeof(output) - 1, pipe);
	output[size] = 0;
	return WEXITSTATUS(pclose(pipe));
}

/* The command must fail with status 2 and print one line with the word. */
static void check_refused(const char *arguments, const char *word)
{
	char command[256];

	snprintf(command, sizeof(command), "%s 2>&1", arguments);
	assert_int_equal(run(command), 2);
	assert_non_null(strstr(output, word));
	assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

static void test_bad_options_are_refused(void **state)
{
	(void)state;
	check_refused("--engine xen", "xen");
	check_refused("--engine", "--engine");
	check_refused("--count 0", "'0'");
	check_refused("--count -3", "'-3'");
	check_refused("--count many", "'many'");
	check_refused("--count 99999999999999999999", "99999999999999999999");
	check_refused("--bogus", "--bogus");
	check_refused("-x", "-x");
	check_refused("now", "now");
}

static void test_help_lists_options(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), 0);
	assert_non_null(strstr(output, "--engine"));
	assert_non_null(strstr(output, "--count"));
	assert_non_null(strstr(output, "--json"));
}

static void check_row(struct json_object *row)
{
	static const char *const keys[] = {"name", "value", "min", "max",
					   "signals_per_second"};
	struct json_object *value;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_true(json_object_object_get_ex(row, keys[i], &value));
	assert_true(json_object_object_get_ex(row, "unit", &value));
	assert_string_equal(json_object_get_string(value), "us/signal");
	assert_true(json_object_object_get_ex(row, "events", &value));
	assert_int_equal(json_object_get_int(value), 5 * 50);
}

static void test_json_rows_with_trap_engine(void **state)
{
	struct json_object *rows, *peers;
	size_t i;

	(void)state;
	assert_int_equal(run("--engine trap --count 50 --json 2>/dev/null"), 0);
	rows = json_tokener_parse(output);
	assert_int_equal(json_object_array_length(rows), 4);
	for (i = 0; i < 4; i++)
		check_row(json_object_array_get_idx(rows, i));
	assert_true(json_object_object_get_ex(
		json_object_array_get_idx(rows, 3), "peers", &peers));
	assert_true(
		json_object_object_get_ex(peers, "user_space_device", NULL));
	json_object_put(rows);
}

static void test_table_omits_kernel_rows(void **state)
{
	(void)state;
	assert_int_equal(run("--engine=trap --count=50 2>&1"), 0);
	assert_non_null(strstr(output, "no kernel doorbells"));
	assert_non_null(strstr(output, "belfry doorbell, pio [us/signal]"));
	assert_null(strstr(output, "kernel ioeventfd"));
}

static void test_default_engine(void **state)
{
	(void)state;
	assert_int_equal(run("--count 50 2>/dev/null"), 0);
	assert_non_null(strstr(output, "user-space device, mmio [us/signal]"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_options_are_refused),
		cmocka_unit_test(test_help_lists_options),
		cmocka_unit_test(test_json_rows_with_trap_engine),
		cmocka_unit_test(test_table_omits_kernel_rows),
		cmocka_unit_test(test_default_engine),
	};

	if (argc != 2) {
		fputs("usage: test_cli_doorbell BELFRY\n", stderr);
		return 2;
	}
	belfry = argv[1];
	return cmocka_run_group_tests_name("cli_doorbell", tests, NULL, NULL);
}
