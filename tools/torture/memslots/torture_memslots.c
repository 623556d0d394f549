// SPDX-License-Identifier: MIT
/* belfry torture memslots: sets it up, lets it run, and says how it went. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/report.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/crew.h"
#include "tools/torture/common/main.h"
#include "torture_memslots.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "torture memslots"

struct memslots_torture memslots_torture;
struct bf_memslots *torture_map;
struct torture_slot torture_slots[NR_SLOTS];

static const char *const tally_names[NR_MEM_TALLIES] = {
	[MEM_LOOKUPS] = "lookups",
	[MEM_COPIES] = "copies",
	[MEM_LISTS] = "scatter lists",
	[MEM_WRITES] = "writes",
	[MEM_HANDED_OVER] = "snapshots ended by another thread",
	[MEM_ADDED] = "slots added",
	[MEM_REMOVED] = "slots removed",
	[MEM_REMOVED_ASYNC] = "slots removed, with a callback",
	[MEM_MOVED] = "slots moved",
	[MEM_TRANSACTIONS] = "transactions",
};

/* The memory of a slot that is gone; nothing more can be told from here. */
static void caught(int signal)
{
	static const char text[] = "belfry " COMMAND
				   ": memory was used after its removal\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(CLI_FAILURE);
	_exit(CLI_FAILURE);
}

static void init_slots(void)
{
	uint32_t i;
	void *words;

	for (i = 0; i < NR_SLOTS; i++) {
		words = mmap(NULL, SLOT_BYTES, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (words == MAP_FAILED)
			xcheck(NULL);
		torture_slots[i].number = i;
		torture_slots[i].words = words;
	}
}

static void free_slots(void)
{
	uint32_t i;

	for (i = 0; i < NR_SLOTS; i++)
		munmap(torture_slots[i].words, SLOT_BYTES);
}

/* Callbacks bury what they are told of. */
static void end(void)
{
	struct actor actor;

	actor_init(&actor, MEM_MAIN, 0);
	actor_does(&actor, "ends the map", NULL);
	bf_memslots_destroy(torture_map);
	free_slots();
	actor_done(&actor);
}

static int run_crews(void)
{
	struct crew copiers = {.count = 0}, changers = {.count = 0};
	int ret;

	if ((ret = crew_add(&copiers, copier_main,
			    memslots_torture.nr_readers)) ||
	    (ret = crew_add(&changers, slot_changer_main,
			    memslots_torture.nr_writers)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	crew_join(&copiers);
	/* Changers wait for the snapshots that still lie in a mailbox. */
	copier_drain();
	crew_join(&changers);
	return ret;
}

static void print_summary(bool json)
{
	struct report *report = report_new(json);

	torture_report(report, tally_names, NR_MEM_TALLIES);
	report_print(report, stdout);
	report_free(report);
}

static int run(bool json)
{
	int ret = bf_memslots_create(&torture_map, NULL);

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	init_slots();
	signal(SIGSEGV, caught);
	ret = run_crews();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
	end();
	print_summary(json);
	return torture_verdict(COMMAND);
}

static const char *const actor_names[NR_MEM_ACTORS] = {
	[MEM_COPIER] = "device",
	[MEM_CHANGER] = "changer",
	[MEM_MAIN] = "main",
};

static const struct torture_number numbers[] = {
	{"readers", "R", "devices", 1, MAX_THREADS, 4,
	 &memslots_torture.nr_readers},
	{"writers", "W", "threads that change the slots", 1, MAX_THREADS, 2,
	 &memslots_torture.nr_writers},
};

static const struct torture_layer layer = {
	.command = COMMAND,
	.about =
		"Devices look up, copy and write guest memory while its slots are\n"
		"added, moved and removed, alone and in transactions; what is\n"
		"removed is made inaccessible.  Whoever uses it then, or finds or\n"
		"writes memory of another slot, or gets stuck, ends it with status 1.",
	.numbers = numbers,
	.nr_numbers = ARRAY_SIZE(numbers),
	.actors = actor_names,
	.run = run,
};

int torture_memslots(int argc, char **argv)
{
	return torture_main(argc, argv, &layer);
}
