// SPDX-License-Identifier: MIT
/* belfry torture io_bus: sets it up, lets it run, and says how it went. */
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
#include "tools/torture/common/crew.h"
#include "torture_io_bus.h"
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
	[TALLY_NOBODY] = "accesses that nobody took",
	[TALLY_HANDLED] = "calls of handlers",
	[TALLY_CALLED] = "calls of consumers",
	[TALLY_NESTED] = "writes in handlers",
	[TALLY_SLEPT] = "sleeps in handlers and consumers",
	[TALLY_IN_HANDLER] = "changes in handlers",
	[TALLY_ADDED] = "additions",
	[TALLY_REMOVED] = "removals waited for",
	[TALLY_ASYNC] = "asynchronous removals",
	[TALLY_MOVED] = "moves",
	[TALLY_COMMITTED] = "transactions",
	[TALLY_DEADLK] = "removals refused inside",
	[TALLY_MAPS] = "maps printed",
};

static const char *const actor_names[NR_ACTOR_KINDS] = {
	[ACTOR_DISPATCHER] = "dispatcher",
	[ACTOR_CHANGER] = "changer",
	[ACTOR_MAIN] = "main",
	[ACTOR_DRAINER] = "drainer of rings",
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
		ret = bf_io_ring_create(&io_torture.rings[i], &desc[i]);
	}
	return ret;
}

static int init(void)
{
	struct actor actor;
	int ret = init_rings();

	if (!ret)
		ret = bf_io_bus_create(&io_torture.bus, "torture");
	if (ret)
		return ret;
	io_torture.dispatchers = xgrow(NULL, 0, io_torture.nr_dispatchers,
				       sizeof(*io_torture.dispatchers));
	memset(io_torture.dispatchers, 0,
	       io_torture.nr_dispatchers * sizeof(*io_torture.dispatchers));
	actor_init(&actor, ACTOR_MAIN, 0);
	slots_init(&actor);
	actor_done(&actor);
	return 0;
}

static int run_crew(void)
{
	struct crew dispatchers = {.count = 0}, others = {.count = 0};
	int ret;

	if ((ret = crew_add(&dispatchers, dispatcher_main,
			    io_torture.nr_dispatchers)) ||
	    (ret = crew_add(&others, changer_main, io_torture.nr_changers)) ||
	    (ret = crew_add(&others, drainer_main, 1)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	crew_join(&dispatchers);
	crew_join(&others);
	return ret;
}

/* What is still there at the end. */
static void end_object(struct object *object)
{
	if (object)
		object_over(object);
}

static void end_slot(struct slot *slot)
{
	for (unsigned int i = 0; i < 2; i++) {
		end_object(slot->range[i]);
		end_object(slot->bell[i]);
	}
	end_object(slot->zone);
}

/* Every write that called nobody came out of a ring or rang an eventfd. */
static void check_accounts(void)
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

static void end(void)
{
	struct actor actor;

	actor_init(&actor, ACTOR_MAIN, 0);
	actor_does(&actor, "ends the bus", NULL);
	rings_drain();
	bf_io_bus_destroy(io_torture.bus);
	for (unsigned int i = 0; i < NR_SLOTS; i++)
		end_slot(&io_torture.slots[i]);
	check_accounts();
	end_rings();
	objects_free();
	free(io_torture.dispatchers);
	actor_done(&actor);
}

static void print_summary(bool json)
{
	struct report *report = report_new(json);

	torture_report(report, tally_names, NR_TALLIES);
	report_row(report, "writes out of rings", "count");
	report_count(report, "value", io_torture.drained);
	report_row(report, "signals of eventfds", "count");
	report_count(report, "value", io_torture.signalled);
	report_print(report, stdout);
	report_free(report);
}

/* After a failure nothing is taken apart: it may be in use for ever. */
static int run(bool json)
{
	int ret = init();

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	ret = run_crew();
	if (!torture.failing)
		end();
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
		"Threads that make accesses to a bus, and threads that register, move\n"
		"and remove what answers them, for some seconds; handlers sleep, and\n"
		"change the bus too.  A handler that is entered after its removal, a\n"
		"write that is lost or delivered twice, a change that is seen half, or\n"
		"a thread that gets stuck, end it with status 1.",
	.numbers = numbers,
	.nr_numbers = ARRAY_SIZE(numbers),
	.actors = actor_names,
	.run = run,
};

int torture_io_bus(int argc, char **argv)
{
	return torture_main(argc, argv, &layer);
}
