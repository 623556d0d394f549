/* SPDX-License-Identifier: MIT */
/* The files of --trace and --report. */
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/confine.h"
#include "tools/belfry/common/json.h"
#include "tools/belfry/run/internal.h"
#include "tools/belfry/trace/template.h"
#include "tools/belfry/trace/trace.h"

int run_record_open(struct run_record *record)
{
	int status =
		output_begin(&record->trace, "run", record->options->trace);

	return status ? status :
			output_begin(&record->report, "run",
				     record->options->report);
}

/*
 * An outer belfry run may have set BELFRY_RECORDING.  Its recording must not
 * receive the events of this command.
 */
int run_record_share(struct run_record *record)
{
	unsetenv("BELFRY_RECORDING");
	if (!record->trace.file && !record->report.file)
		return CLI_OK;
	return run_share_recording(&record->shared, record->options->events);
}

/* The recording, and the trace that a confined child makes of it. */
struct reading {
	const struct run_record *record;
	struct trace trace;
};

static int read_recording(void *arg, FILE *out)
{
	struct reading *reading = arg;
	const struct run_recording *shared = &reading->record->shared;

	trace_gather(&reading->trace, shared->recording, shared->chunks);
	trace_write(&reading->trace, out);
	return CLI_OK;
}

static void take_trace(void *arg, char *text, size_t size)
{
	const struct run_record *record = ((struct reading *)arg)->record;

	if (record->trace.file)
		json_copy(text, size, false, record->trace.file);
	if (record->report.file)
		json_copy(text, size, true, record->report.file);
}

static int write_trace(const struct run_record *record,
		       const struct stats *stats, int status)
{
	struct utsname system;
	struct reading reading = {
		.record = record,
		.trace =
			{
				.stats = stats,
				.system = &system,
				.command = record->options->command,
				.policy = record->options->settings.policy,
				.status = status,
				.begin = stats->started_ns,
				.end = bf_now_ns(),
			},
	};
	const struct confined_task task = {
		.command = "run",
		.subject = "the recording",
		.input = -1,
		.most = trace_most(record->shared.chunks),
		.run = read_recording,
		.take = take_trace,
		.arg = &reading,
	};

	uname(&system);
	if (record->report.file)
		cli_write(page_before_data, strlen(page_before_data),
			  record->report.file);
	status = confine(&task);
	if (record->report.file)
		cli_write(page_after_data, strlen(page_after_data),
			  record->report.file);
	return status;
}

void run_record_write(struct run_record *record, const struct stats *stats,
		      int status)
{
	if (!record->shared.recording || write_trace(record, stats, status))
		return;
	output_end(&record->trace, "run");
	output_end(&record->report, "run");
}

void run_record_close(struct run_record *record)
{
	run_unshare_recording(&record->shared);
	output_cancel(&record->trace);
	output_cancel(&record->report);
}
