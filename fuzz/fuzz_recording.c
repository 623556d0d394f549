// SPDX-License-Identifier: MIT
/*
 * A recording that a hostile program writes, also while the tool reads it.  An
 * input is a list of writes: two bytes select a place, eight are its value.  A
 * thread repeats them, shifted, during the conversion to a trace, which must be
 * valid JSON of a limited size.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "tools/belfry/trace/trace.h"

#define CHUNKS 2
#define WRITE  10 /* bytes of an input */

struct input {
	const uint8_t *data;
	size_t writes;
	struct recording *recording;
	struct stats stats;
	_Atomic bool stop;
};

/* Starts of the parts of a recording: most writes should reach a used row. */
static const size_t parts[] = {
	0,
	offsetof(struct recording, threads),
	offsetof(struct recording, vms),
	offsetof(struct recording, doorbells),
	offsetof(struct recording, histograms),
	offsetof(struct recording, priority),
	offsetof(struct recording, events),
	0,
};

static void write_once(struct input *input, size_t n, unsigned int shift)
{
	const uint8_t *data = input->data + n * WRITE;
	size_t words = recording_size(CHUNKS) / sizeof(uint64_t);
	size_t word = parts[data[0] & 7] / sizeof(uint64_t) + data[1] + shift;
	uint64_t value;

	memcpy(&value, data + 2, sizeof(value));
	__atomic_store_n((uint64_t *)input->recording + word % words, value,
			 __ATOMIC_RELAXED);
}

static void *write_meanwhile(void *arg)
{
	struct input *input = arg;

	for (unsigned int shift = 0; !input->stop; shift++) {
		for (size_t n = 0; n < input->writes; n++)
			write_once(input, n, shift % 8);
	}
	return NULL;
}

static void convert(struct input *input)
{
	const struct utsname kernel = {.release = "6.18"};
	char name[] = "vmm", *command[] = {name, NULL};
	struct trace trace = {
		.stats = &input->stats,
		.system = &kernel,
		.command = command,
		.policy = "lazy",
		.begin = 1,
		.end = UINT64_MAX / 2,
	};
	struct json_object *parsed;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	trace_gather(&trace, input->recording, CHUNKS);
	trace_write(&trace, out);
	trace_free(&trace);
	fclose(out);
	parsed = json_tokener_parse(text);
	if (!parsed || size > trace_most(CHUNKS))
		abort();
	json_object_put(parsed);
	free(text);
}

static void set_counters(struct stats *stats, const uint8_t *data, size_t size)
{
	memcpy(&stats->calls[0], data,
	       size < sizeof(stats->calls[0]) ? size : sizeof(stats->calls[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {.data = data, .writes = size / WRITE};
	pthread_t thread;

	input.recording = mmap(NULL, recording_size(CHUNKS),
			       PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (input.recording == MAP_FAILED)
		abort();
	set_counters(&input.stats, data, size);
	for (size_t n = 0; n < input.writes; n++)
		write_once(&input, n, 0);
	if (pthread_create(&thread, NULL, write_meanwhile, &input))
		abort();
	convert(&input);
	input.stop = true;
	pthread_join(thread, NULL);
	munmap(input.recording, recording_size(CHUNKS));
	return 0;
}
