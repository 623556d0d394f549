// SPDX-License-Identifier: MIT
/* belfry torture io_bus: setup, threads, final checks and summary. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/report.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/thread_group.h"
#include "tools/torture/io_bus/torture_io_bus.h"
#include "tools/torture/common/main.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "torture io_bus"

struct io_torture io_torture;

static const char *const tally_names[NR_TALLIES] = {
	[TALLY_WRITES] = "writes",
	[TALLY_READS] = "reads",
	[TALLY_STRINGS] = "strings",
	[TALLY_LONG] = "writes of four parts",
	[TALLY_UNTAKEN] = "accesses without a taker",
	[TALLY_HANDLED] = "calls of handlers",
	[TALLY_CALLED] = "calls of doorbell callbacks",
	[TALLY_NESTED] = "writes in handlers",
	[TALLY_SLEPT] = "sleeps in handlers and callbacks",
	[TALLY_IN_HANDLER] = "changes in handlers",
	[TALLY_ADDED] = "additions",
	[TALLY_REMOVED] = "removals waited for",
	[TALLY_ASYNC] = "asynchronous removals",
	[TALLY_MOVED] = "moves",
	[TALLY_COMMITTED] = "transactions",
	[TALLY_DEADLK] = "removals refused inside",
	[TALLY_MAPS] = "maps printed",
};

static const char *const thread_kind_names[NR_THREAD_KINDS] = {
	[THREAD_DISPATCHER] = "dispatcher",
	[THREAD_CHANGER] = "changer",
	[THREAD_MAIN] = "main",
	[THREAD_DRAINER] = "drainer of rings",
};

static int init_rings(void)
{
	struct bf_io_ring_desc desc[NR_RINGS] = {
		{.entries = 0, .wake = BF_IO_WAKE_NONEMPTY},
		{.entries = 16, .wake = BF_IO_WAKE_HALF},
	};
	int ret = 0;

	io_torture.ring_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned int i = 0; i < NR_RINGS && !ret; i++) {
		desc[i].eventfd = io_torture.ring_fd;
		ret = bf_io_ring_create(&desc[i], &io_torture.rings[i]);
	}
	return ret;
}

static int init_torture(void)
{
	struct torture_thread self;
	int ret = init_rings();

	if (!ret)
		ret = bf_io_bus_create("torture", &io_torture.bus);
	if (ret)
		return ret;
	io_torture.dispatchers = xgrow(NULL, 0, io_torture.nr_dispatchers,
				       sizeof(*io_torture.dispatchers));
	memset(io_torture.dispatchers, 0,
	       io_torture.nr_dispatchers * sizeof(*io_torture.dispatchers));
	thread_init(&self, THREAD_MAIN, 0);
	slots_init(&self);
	thread_done(&self);
	return 0;
}

static int run_threads(void)
{
	struct thread_group dispatchers = {.count = 0}, others = {.count = 0};
	int ret;

	if ((ret = thread_group_add(&dispatchers, dispatcher_main,
				    io_torture.nr_dispatchers)) ||
	    (ret = thread_group_add(&others, changer_main,
				    io_torture.nr_changers)) ||
	    (ret = thread_group_add(&others, drainer_main, 1)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	thread_group_join(&dispatchers);
	thread_group_join(&others);
	return ret;
}

/* An object may still be on the bus at the end. */
static void end_object(struct object *object)
{
	if (object)
		object_removed(object);
}

static void end_slot(struct slot *slot)
{
	for (unsigned int i = 0; i < 2; i++) {
		end_object(slot->range[i]);
		end_object(slot->doorbell[i]);
	}
	end_object(slot->zone);
}

/* Each write without a call came out of a ring or signalled an eventfd. */
static void check_silent_writes(void)
{
	uint64_t silent = 0;

	for (unsigned long i = 0; i < io_torture.nr_dispatchers; i++)
		silent += io_torture.dispatchers[i].silent;
	if (silent != io_torture.drained + io_torture.signalled)
		torture_fail("%" PRIu64 " writes went to rings and eventfds, "
			     "%" PRIu64 " came out",
			     silent, io_torture.drained + io_torture.signalled);
	if (io_torture.asked != io_torture.completed)
		torture_fail("%" PRIu64 " of %" PRIu64 " asynchronous removals "
			     "were completed",
			     io_torture.completed, io_torture.asked);
}

static void end_rings(void)
{
	int ret;

	for (unsigned int i = 0; i < NR_RINGS; i++) {
		ret = bf_io_ring_destroy(io_torture.rings[i]);
		if (ret)
			torture_fail("a ring without zones: %s",
				     strerror(-ret));
	}
	close(io_torture.ring_fd);
}

static void end_torture(void)
{
	struct torture_thread self;

	thread_init(&self, THREAD_MAIN, 0);
	thread_does(&self, "ends the bus", NULL);
	rings_drain();
	bf_io_bus_destroy(io_torture.bus);
	for (unsigned int i = 0; i < NR_SLOTS; i++)
		end_slot(&io_torture.slots[i]);
	check_silent_writes();
	end_rings();
	objects_free();
	free(io_torture.dispatchers);
	thread_done(&self);
}

static void print_summary(bool json)
{
	struct report *report = report_new(json);

	torture_report(report, tally_names, NR_TALLIES);
	report_row(report, "writes drained from rings", "count");
	report_count(report, "value", io_torture.drained);
	report_row(report, "signals of eventfds", "count");
	report_count(report, "value", io_torture.signalled);
	report_print(report, stdout);
	report_free(report);
}

/* After a failure free nothing: a thread may still use the bus. */
static int run_torture(bool json)
{
	int ret = init_torture();

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	ret = run_threads();
	if (!torture.failing)
		end_torture();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
	print_summary(json);
	return torture_verdict(COMMAND);
}

static const struct torture_number numbers[] = {
	{"dispatchers", "D", "threads that make accesses", 1, MAX_THREADS, 4,
	 &io_torture.nr_dispatchers},
	{"changers", "C", "threads that change the bus", 1, MAX_THREADS, 2,
	 &io_torture.nr_changers},
};

static const struct torture_layer layer = {
	.command = COMMAND,
	.about =
		"Runs threads that make accesses to a bus, and threads that register,\n"
		"move and remove its entries.  Handlers sleep, and change the bus too.\n"
		"The torture fails if a handler is entered after its removal, a write\n"
		"is lost or delivered twice, a change is seen half done, or a thread\n"
		"gets stuck.",
	.numbers = numbers,
	.nr_numbers = ARRAY_SIZE(numbers),
	.thread_kinds = thread_kind_names,
	.run = run_torture,
};

int torture_io_bus(int argc, char **argv)
{
	return torture_main(argc, argv, &layer);
}
