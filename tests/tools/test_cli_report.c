/* SPDX-License-Identifier: MIT */
/* Output of commands: tables, JSON, statistics, progress. */
#include <json-c/json.h>
#include <math.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"

static struct report *make_report(bool json)
{
	struct report *report = report_new(json);

	report_row(report, "memslot add", "us");
	report_number(report, "plain", "%.1f", 6312.0);
	report_number(report, "peers.kernel", "%.2f", 0.123456);
	report_number(report, "peers.other", "%.0f", NAN);
	report_goal(report, "<= 2 x quiet", true);
	report_row(report, "x", "ns/signal");
	report_count(report, "events", UINT64_MAX);
	report_number(report, "plain", "%.1f", -1.25);
	report_text(report, "note", "a \"quoted\" word");
	report_goal(report, "< 1", false);
	return report;
}

static char *print(struct report *report)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	report_print(report, out);
	fclose(out);
	report_free(report);
	return text;
}

static void test_table(void **state)
{
	char *text = print(make_report(false));

	(void)state;
	assert_string_equal(
		text, "                   plain  kernel  other  goal        "
		      "                events  note\n"
		      "memslot add [us]  6312.0    0.12      -  <= 2 x quiet\n"
		      "x [ns/signal]       -1.2                 < 1 MISSED  "
		      "  18446744073709551615  a \"quoted\" word\n");
	free(text);
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, key, &value));
	return value;
}

static void check_text(struct json_object *object, const char *key,
		       const char *expected)
{
	assert_string_equal(json_object_get_string(member(object, key)),
			    expected);
}

static void check_first_row(struct json_object *row)
{
	struct json_object *peers = member(row, "peers");

	check_text(row, "name", "memslot add");
	check_text(row, "unit", "us");
	check_text(row, "plain", "6312");
	check_text(peers, "kernel", "0.1235");
	assert_null(member(peers, "other"));
	check_text(row, "goal", "<= 2 x quiet");
	assert_true(json_object_get_boolean(member(row, "met")));
}

static void test_json(void **state)
{
	char *text = print(make_report(true));
	struct json_object *array = json_tokener_parse(text);
	struct json_object *row;

	(void)state;
	assert_int_equal(json_object_array_length(array), 2);
	check_first_row(json_object_array_get_idx(array, 0));
	row = json_object_array_get_idx(array, 1);
	check_text(row, "events", "18446744073709551615");
	check_text(row, "plain", "-1.25");
	check_text(row, "note", "a \"quoted\" word");
	assert_false(json_object_get_boolean(member(row, "met")));
	assert_false(json_object_object_get_ex(row, "peers", NULL));
	json_object_put(array);
	free(text);
}

static void test_value_without_peers(void **state)
{
	struct report *report = report_new(true);
	struct json_object *array, *peers;
	char *text;

	(void)state;
	report_row(report, "alone", "us");
	report_number(report, "value", "%.0f", 1);
	text = print(report);
	array = json_tokener_parse(text);
	peers = member(json_object_array_get_idx(array, 0), "peers");
	assert_int_equal(json_object_object_length(peers), 0);
	json_object_put(array);
	free(text);
}

static void test_empty(void **state)
{
	char *text = print(report_new(true));
	struct json_object *array = json_tokener_parse(text);

	(void)state;
	assert_int_equal(json_object_array_length(array), 0);
	json_object_put(array);
	free(text);
	text = print(report_new(false));
	assert_string_equal(text, "\n");
	free(text);
}

static void test_json_numbers(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1e6, "1000000"},
		{0.5, "0.5"},
		{100, "100"},
		{0.00004, "0"},
		{2.00006, "2.0001"},
		{-12.3400, "-12.34"},
		{123456789.125, "123456789.125"},
	};
	struct json_object *array;
	struct report *report;
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		report = report_new(true);
		report_row(report, "n", "u");
		report_number(report, "value", "%.1f", cases[i].value);
		text = print(report);
		array = json_tokener_parse(text);
		check_text(json_object_array_get_idx(array, 0), "value",
			   cases[i].text);
		json_object_put(array);
		free(text);
	}
}

static void test_samples(void **state)
{
	struct samples s = {0};
	int i;

	(void)state;
	assert_true(samples_min(&s) == 0 && samples_max(&s) == 0 &&
		    samples_median(&s) == 0 && samples_percentile(&s, 50) == 0);
	for (i = 100; i > 0; i--)
		samples_add(&s, i);
	assert_true(samples_min(&s) == 1);
	assert_true(samples_max(&s) == 100);
	assert_true(samples_median(&s) == 50.5);
	assert_true(samples_percentile(&s, 0) == 1);
	assert_true(samples_percentile(&s, 1) == 1);
	assert_true(samples_percentile(&s, 1.5) == 2);
	assert_true(samples_percentile(&s, 99) == 99);
	assert_true(samples_percentile(&s, 100) == 100);
	samples_add(&s, 1000);
	assert_true(samples_median(&s) == 51);
	samples_free(&s);
	assert_true(samples_max(&s) == 0);
}

static void test_clock(void **state)
{
	uint64_t before = clock_ns();

	(void)state;
	assert_true(before > 0);
	assert_true(clock_ns() >= before);
}

/* Show progress with fd as stderr. */
static void show_progress(int fd)
{
	int saved = dup(STDERR_FILENO);

	dup2(fd, STDERR_FILENO);
	progress_show("runs", 3, 7);
	progress_clear();
	dup2(saved, STDERR_FILENO);
	close(saved);
}

/* A read from a terminal may return less than was written. */
static void read_exactly(int fd, char *to, size_t size)
{
	ssize_t got;

	while (size) {
		got = read(fd, to, size);
		assert_true(got > 0);
		to += got;
		size -= (size_t)got;
	}
}

static void test_progress(void **state)
{
	static const char expected[] = "\r\033[Kruns 3/7\r\033[K";
	char text[64] = "";
	int file = memfd_create("stderr", 0);
	int primary, terminal;

	(void)state;
	show_progress(file);
	assert_int_equal(lseek(file, 0, SEEK_END), 0);
	close(file);

	if (openpty(&primary, &terminal, NULL, NULL, NULL))
		skip(); /* no /dev/pts */
	show_progress(terminal);
	read_exactly(primary, text, sizeof(expected) - 1);
	assert_string_equal(text, expected);
	close(primary);
	close(terminal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_value_without_peers),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_json_numbers),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests_name("cli_report", tests, NULL, NULL);
}
