/* SPDX-License-Identifier: MIT */
/* What belfry run records for --trace and --report. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "run.h"
#include "trace/trace.h"

static struct recording *map_recording(int fd, uint32_t chunks)
{
	size_t size = recording_size(chunks);
	struct recording *recording;

	if (ftruncate(fd, (off_t)size))
		return NULL;
	recording = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (recording == MAP_FAILED)
		return NULL;
	recording->magic = RECORDING_MAGIC;
	recording->version = RECORDING_VERSION;
	recording->chunks = chunks;
	return recording;
}

/* The file stays open: its number is how the library finds it. */
static int share(struct run_record *record, unsigned long events)
{
	unsigned long chunks = (events + RECORDING_CHUNK - 1) / RECORDING_CHUNK;
	int fd = memfd_create("belfry-recording", MFD_CLOEXEC);
	char path[64];

	if (fd >= 0)
		record->recording = map_recording(fd, (uint32_t)chunks);
	if (!record->recording)
		return cli_fail("run", "no shared memory: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	if (setenv("BELFRY_RECORDING", path, 1))
		return cli_fail("run", "out of memory");
	return CLI_OK;
}

static int open_file(FILE **file, const char *name)
{
	if (!name)
		return CLI_OK;
	*file = fopen(name, "we");
	if (*file)
		return CLI_OK;
	return cli_fail("run", "cannot write %s: %s", name, strerror(errno));
}

/* One above belfry run may record, but it is not to get what this one does. */
int run_record_begin(struct run_record *record,
		     const struct run_options *options)
{
	int status;

	*record = (struct run_record){0};
	unsetenv("BELFRY_RECORDING");
	status = open_file(&record->trace, options->trace);
	if (!status)
		status = open_file(&record->report, options->report);
	if (!status && (options->trace || options->report))
		status = share(record, options->events);
	return status;
}

static int end_file(FILE *file, const char *name)
{
	return file ? cli_close_output("run", file, name) : CLI_OK;
}

int run_record_end(struct run_record *record, struct stats *stats,
		   const struct run_options *options, int status)
{
	struct trace trace = {
		.recording = record->recording,
		.stats = stats,
		.command = options->command,
		.policy = options->settings.policy,
		.status = status,
		.end = stats_now(),
	};
	int trace_status, report_status;

	if (stats && record->recording) {
		trace.begin = stats->started_ns;
		trace_gather(&trace);
		if (record->trace)
			trace_write(&trace, false, record->trace);
		if (record->report)
			trace_write_page(&trace, record->report);
		trace_free(&trace);
	}
	trace_status = end_file(record->trace, options->trace);
	report_status = end_file(record->report, options->report);
	return trace_status ? trace_status : report_status;
}
