/* SPDX-License-Identifier: MIT */
/* Traces from recordings that a hostile program has written. */
#include <errno.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "testing/random.h"
#include "tools/belfry/trace/trace.h"

#define CHUNKS 2
#define MS     UINT64_C(1000000)

static struct recording *shared;
static struct stats stats;
static struct utsname kernel = {.release = "6.18.0"};

static int setup(void **state)
{
	shared = calloc(1, recording_size(CHUNKS));
	stats_init(&stats);
	return shared ? 0 : -1;
}

static int teardown(void **state)
{
	free(shared);
	return 0;
}

/* Returns the trace, which must be valid. */
static struct json_object *read_trace(void)
{
	char name[] = "vmm", *command[] = {name, NULL};
	struct trace trace = {
		.stats = &stats,
		.system = &kernel,
		.command = command,
		.policy = "lazy",
		.begin = 1,
		.end = 1000 * MS,
	};
	struct json_object *parsed;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	trace_gather(&trace, shared, CHUNKS);
	trace_write(&trace, out);
	trace_free(&trace);
	fclose(out);
	assert_true(size <= trace_most(CHUNKS));
	parsed = json_tokener_parse(text);
	assert_non_null(parsed);
	free(text);
	return parsed;
}

static struct json_object *member(struct json_object *from, const char *key)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(from, key, &value));
	return value;
}

static size_t length_of(struct json_object *trace, const char *key)
{
	return json_object_array_length(member(trace, key));
}

static struct recorded_event *add_stall(void)
{
	struct recorded_event *event =
		&shared->priority[shared->next_priority++];

	event->kind = RECORDED_CALL;
	event->key = KVM_SET_USER_MEMORY_REGION;
	event->start_ns = MS;
	event->end_ns = 7 * MS;
	return event;
}

/* The set of causes is an index of a table of 16 sums. */
static void test_causes_beyond_the_table(void **state)
{
	struct json_object *trace, *stalls;

	add_stall()->gps = UINT32_MAX;
	add_stall()->gps = 1u << NR_GPS;
	trace = read_trace();
	stalls = member(member(trace, "belfry"), "remaining_stalls");
	assert_int_equal(json_object_array_length(stalls), 2);
	json_object_put(trace);
}

static void test_counts_beyond_the_memory(void **state)
{
	struct json_object *trace;

	shared->next_chunk = UINT64_MAX;
	shared->threads_seen = UINT64_MAX;
	shared->vms_seen = UINT64_MAX;
	memset(shared->threads, 'x', sizeof(shared->threads));
	add_stall();
	shared->next_priority = UINT64_MAX;
	trace = read_trace();
	/* One process, its threads, and the stall. */
	assert_int_equal(length_of(trace, "traceEvents"),
			 1 + RECORDING_THREADS + 1);
	json_object_put(trace);
}

/* Events whose argument has an errno. */
static size_t count_errnos(struct json_object *trace)
{
	struct json_object *events = member(trace, "traceEvents"), *event;
	size_t count = 0;

	for (size_t i = 0; i < json_object_array_length(events); i++) {
		event = json_object_array_get_idx(events, i);
		count += json_object_object_get_ex(member(event, "args"),
						   "errno", NULL);
	}
	return count;
}

/* The negation of the least integer is undefined. */
static void test_odd_errors(void **state)
{
	struct json_object *trace;

	add_stall()->error = -ENOENT;
	add_stall()->error = INT32_MIN;
	add_stall()->error = -4096;
	add_stall()->error = 1;
	trace = read_trace();
	assert_int_equal(length_of(trace, "traceEvents"), 4);
	assert_int_equal(count_errnos(trace), 1);
	json_object_put(trace);
}

static void test_odd_events(void **state)
{
	struct json_object *trace;

	add_stall()->kind = RECORDED_REFUSED + 1;
	add_stall()->end_ns = 1;
	add_stall()->thread = UINT32_MAX - 1;
	add_stall()->kind = RECORDED_SIGNALLED;
	trace = read_trace();
	assert_int_equal(length_of(trace, "traceEvents"), 3);
	json_object_put(trace);
}

static void test_random_bytes(void **state)
{
	const size_t size = recording_size(CHUNKS);
	uint64_t seed = 1;

	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < size / sizeof(seed); i++)
			((uint64_t *)shared)[i] = random_next(&seed);
		json_object_put(read_trace());
	}
}

#define WITH_RECORDING(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RECORDING(test_causes_beyond_the_table),
		WITH_RECORDING(test_counts_beyond_the_memory),
		WITH_RECORDING(test_odd_errors),
		WITH_RECORDING(test_odd_events),
		WITH_RECORDING(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
