/* SPDX-License-Identifier: MIT */
/* The files of --trace and --report. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/confine.h"
#include "tools/belfry/common/json.h"
#include "tools/belfry/run/internal.h"
#include "tools/belfry/trace/template.h"
#include "tools/belfry/trace/trace.h"

static int open_file(FILE **file, const char *name)
{
	if (!name)
		return CLI_OK;
	*file = fopen(name, "we");
	if (*file)
		return CLI_OK;
	return cli_fail("run", "cannot write %s: %s", name, strerror(errno));
}

/*
 * An outer belfry run may have set BELFRY_RECORDING.  Its recording must not
 * receive the events of this command.
 */
int run_record_begin(struct run_record *record,
		     const struct run_options *options)
{
	int status;

	*record = (struct run_record){.options = options};
	unsetenv("BELFRY_RECORDING");
	status = open_file(&record->trace, options->trace);
	if (!status)
		status = open_file(&record->report, options->report);
	if (!status && (options->trace || options->report))
		status = run_share_recording(&record->shared, options->events);
	return status;
}

static int end_file(FILE *file, const char *name)
{
	return file ? cli_close_output("run", file, name) : CLI_OK;
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

	if (record->trace)
		json_copy(text, size, false, record->trace);
	if (record->report)
		json_copy(text, size, true, record->report);
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
				.end = stats_now(),
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
	if (record->report)
		fputs(page_before_data, record->report);
	status = confine(&task);
	if (record->report)
		fputs(page_after_data, record->report);
	return status;
}

int run_record_end(struct run_record *record, const struct stats *stats,
		   int status)
{
	int failed = CLI_OK, trace_failed, report_failed;

	if (stats && record->shared.recording)
		failed = write_trace(record, stats, status);
	run_unshare_recording(&record->shared);
	trace_failed = end_file(record->trace, record->options->trace);
	report_failed = end_file(record->report, record->options->report);
	return failed | trace_failed | report_failed;
}
