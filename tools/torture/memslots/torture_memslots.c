// SPDX-License-Identifier: MIT
/* belfry torture memslots: setup, run and verdict. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/report.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/thread_group.h"
#include "tools/torture/common/main.h"
#include "torture_memslots.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "torture memslots"

uint64_t torture_page;
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
	[MEM_LOGGED] = "logged writes",
	[MEM_LOGS] = "dirty logs",
	[MEM_MIGRATIONS] = "copies of logged memory",
};

/* A thread accessed the memory of a removed slot. */
static void on_sigsegv(int signal)
{
	static const char text[] = "belfry " COMMAND
				   ": memory was used after its removal\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(CLI_FAILURE);
	_exit(CLI_FAILURE);
}

/* A test stands in for larger pages, to which mmap() does not align. */
uint64_t *map_pages(uint64_t bytes, int prot)
{
	uintptr_t at = (uintptr_t)mmap(NULL, bytes + torture_page, prot,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if ((void *)at == MAP_FAILED)
		xcheck(NULL);
	return (uint64_t *)((at + torture_page - 1) & ~(torture_page - 1));
}

static void init_slots(void)
{
	uint32_t i;

	for (i = 0; i < NR_SLOTS; i++) {
		torture_slots[i].number = i;
		torture_slots[i].words = map_pages(SLOT_BYTES, PROT_NONE);
	}
	logged_init();
}

/* Waits for the callbacks of removals, which retire their slots. */
static void end_map(void)
{
	struct torture_thread self;

	thread_init(&self, MEM_MAIN, 0);
	thread_does(&self, "ends the map", NULL);
	bf_memslots_destroy(torture_map);
	thread_done(&self);
}

static int run_threads(void)
{
	struct thread_group devices = {.count = 0}, updaters = {.count = 0};
	int ret;

	if ((ret = thread_group_add(&devices, device_main,
				    memslots_torture.nr_readers)) ||
	    (ret = thread_group_add(&updaters, updater_main,
				    memslots_torture.nr_writers)) ||
	    (ret = thread_group_add(&updaters, migration_main, 1)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	thread_group_join(&devices);
	/* Updaters wait for the snapshots in the mailboxes. */
	drain_mailboxes();
	thread_group_join(&updaters);
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
	int ret = bf_memslots_create(NULL, &torture_map);

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	torture_page = (uint64_t)sysconf(_SC_PAGESIZE);
	init_slots();
	signal(SIGSEGV, on_sigsegv);
	ret = run_threads();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
	end_map();
	print_summary(json);
	return torture_verdict(COMMAND);
}

static const char *const thread_kind_names[NR_MEM_THREADS] = {
	[MEM_DEVICE] = "device",
	[MEM_UPDATER] = "updater",
	[MEM_MIGRATION] = "migration",
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
		"Devices look up, copy and write guest memory.  Updaters add, move\n"
		"and remove its slots, one by one and in transactions, and make the\n"
		"memory of removed slots inaccessible.  One slot logs what devices write,\n"
		"and a thread copies the pages that the log has.  An access to memory of\n"
		"a removed slot or of the wrong slot, a page that is missing in the log,\n"
		"or a stuck thread ends the torture with status 1.",
	.numbers = numbers,
	.nr_numbers = ARRAY_SIZE(numbers),
	.thread_kinds = thread_kind_names,
	.run = run,
};

int torture_memslots(int argc, char **argv)
{
	return torture_main(argc, argv, &layer);
}
