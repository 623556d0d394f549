// SPDX-License-Identifier: MIT
/* belfry torture vcpus: sets it up, lets it run, and says how it went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/report.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/crew.h"
#include "tools/torture/common/main.h"
#include "torture_vcpus.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "torture vcpus"

DEFINE_STATIC_SRCU(shared_domain);
DEFINE_STATIC_SRCU_FAST(fast_domain);

/* Two tables of one domain, which removals of both wait for. */
static struct table tables[] = {
	{.name = "own domain"},
	{.name = "own domain, indices used again",
	 .flags = BF_VCPUS_REUSE_INDEX},
	{.name = "shared domain", .srcu = &shared_domain},
	{.name = "shared domain, the other", .srcu = &shared_domain},
	{.name = "fast domain", .srcu = &fast_domain, .fast = true},
};

#define NR_TABLES (sizeof(tables) / sizeof(tables[0]))

struct vcpus_torture vcpus_torture;

static const char *const tally_names[NR_VCPUS_TALLIES] = {
	[VCPUS_CREATED] = "vCPUs created",
	[VCPUS_CANCELLED] = "creations cancelled",
	[VCPUS_REFUSED] = "creations refused, id in use",
	[VCPUS_REMOVED] = "vCPUs removed, waited for",
	[VCPUS_REMOVED_ASYNC] = "vCPUs removed, not waited for",
	[VCPUS_FOUND] = "vCPUs found",
	[VCPUS_ITERATIONS] = "iterations",
	[VCPUS_VISITED] = "vCPUs visited",
	[VCPUS_KICKED] = "vCPUs kicked",
	[VCPUS_LOCKED] = "vCPUs locked",
	[VCPUS_LOCKED_ALL] = "all locked",
	[VCPUS_NOT_LOCKED_ALL] = "all not locked, one being created or locked",
};

struct table *vcpus_random_table(struct actor *actor)
{
	return &tables[actor_random(actor, NR_TABLES)];
}

uint64_t vcpus_shared_id(unsigned int n)
{
	return n * ID_STRIDE;
}

uint64_t vcpus_own_id(unsigned int writer, unsigned int n)
{
	return vcpus_shared_id(SHARED_IDS + writer * OWN_IDS + n);
}

uint64_t vcpus_random_id(struct actor *actor)
{
	unsigned int count =
		SHARED_IDS + (unsigned int)vcpus_torture.nr_writers * OWN_IDS;

	return vcpus_shared_id(actor_random(actor, count));
}

struct section table_enter(struct table *table)
{
	return section_enter(bf_vcpus_srcu(table->vcpus), table->fast);
}

static int init_tables(void)
{
	for (struct table *table = tables; table < tables + NR_TABLES;
	     table++) {
		const struct bf_vcpus_config config = {
			.srcu = table->srcu,
			.flags = table->flags,
		};
		int ret = bf_vcpus_create(&table->vcpus, &config);

		if (ret)
			return ret;
		table->accounts = xgrow(NULL, 0, vcpus_torture.nr_writers,
					sizeof(*table->accounts));
		for (unsigned long i = 0; i < vcpus_torture.nr_writers; i++)
			vcpu_account_init(&table->accounts[i], table);
	}
	return 0;
}

/* Each was released once, by its removal or by the end of the table. */
static void check_account(const struct account *account)
{
	if (account->published != account->released)
		torture_fail("%s: %lu vCPUs came online, %lu were released",
			     account->table->name, account->published,
			     account->released);
}

/* No removal is under way when the barrier returns. */
static void end_table(struct actor *actor, struct table *table)
{
	actor_does(actor, "ends a table", table->name);
	srcu_barrier(bf_vcpus_srcu(table->vcpus));
	if (bf_vcpus_created(table->vcpus) != bf_vcpus_online(table->vcpus))
		torture_fail("%s: %u vCPUs created, %u online", table->name,
			     bf_vcpus_created(table->vcpus),
			     bf_vcpus_online(table->vcpus));
	bf_vcpus_destroy(table->vcpus);
	for (unsigned long i = 0; i < vcpus_torture.nr_writers; i++) {
		check_account(&table->accounts[i]);
		vcpu_account_free(&table->accounts[i]);
	}
	free(table->accounts);
}

static void end_tables(void)
{
	struct actor actor;

	actor_init(&actor, VCPUS_MAIN, 0);
	for (size_t i = 0; i < NR_TABLES; i++)
		end_table(&actor, &tables[i]);
	actor_done(&actor);
}

static int run_crew(void)
{
	struct crew readers = {.count = 0}, writers = {.count = 0};
	int ret;

	if ((ret = crew_add(&readers, vcpus_reader_main,
			    vcpus_torture.nr_readers)) ||
	    (ret = crew_add(&writers, vcpus_writer_main,
			    vcpus_torture.nr_writers)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	crew_join(&readers);
	crew_join(&writers);
	return ret;
}

static void print_summary(bool json)
{
	struct report *report = report_new(json);

	torture_report(report, tally_names, NR_VCPUS_TALLIES);
	report_print(report, stdout);
	report_free(report);
}

static int run(bool json)
{
	int ret = init_tables();

	if (ret)
		return cli_fail(COMMAND, "%s", strerror(-ret));
	ret = run_crew();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
	end_tables();
	print_summary(json);
	return torture_verdict(COMMAND);
}

static const char *const actor_names[NR_VCPUS_ACTORS] = {
	[VCPUS_READER] = "reader",
	[VCPUS_WRITER] = "writer",
	[VCPUS_MAIN] = "main",
};

static const struct torture_number numbers[] = {
	{"readers", "R", "threads that look", 1, MAX_THREADS, 4,
	 &vcpus_torture.nr_readers},
	{"writers", "W", "threads that create and remove", 1, MAX_THREADS, 2,
	 &vcpus_torture.nr_writers},
};

static const struct torture_layer layer = {
	.command = COMMAND,
	.about =
		"Threads that look up, visit, kick and lock vCPUs while others create\n"
		"and remove them, in several tables, for some seconds.  Use after free,\n"
		"an early, lost or second release, two vCPUs in one place, a lock held\n"
		"twice and a thread that gets stuck end it with status 1.",
	.numbers = numbers,
	.nr_numbers = ARRAY_SIZE(numbers),
	.actors = actor_names,
	.run = run,
};

int torture_vcpus(int argc, char **argv)
{
	return torture_main(argc, argv, &layer);
}
