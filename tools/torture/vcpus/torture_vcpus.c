// SPDX-License-Identifier: MIT
/* belfry torture vcpus: setup, run and verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/report.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/thread_group.h"
#include "tools/torture/common/main.h"
#include "torture_vcpus.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "torture vcpus"

DEFINE_STATIC_SRCU(shared_domain);
DEFINE_STATIC_SRCU_FAST(fast_domain);

/* Two tables share a domain: removals of each wait for readers of both. */
static struct table tables[] = {
	{.name = "own domain"},
	{.name = "own domain, indices reused", .flags = BF_VCPUS_REUSE_INDEX},
	{.name = "shared domain", .srcu = &shared_domain},
	{.name = "shared domain, second table", .srcu = &shared_domain},
	{.name = "fast domain", .srcu = &fast_domain, .fast = true},
};

#define NR_TABLES (sizeof(tables) / sizeof(tables[0]))

struct vcpus_torture vcpus_torture;

static const char *const tally_names[NR_VCPUS_TALLIES] = {
	[VCPUS_CREATED] = "vCPUs created",
	[VCPUS_CANCELLED] = "creations cancelled",
	[VCPUS_REFUSED] = "creations refused, id in use",
	[VCPUS_REMOVED] = "vCPUs removed, synchronously",
	[VCPUS_REMOVED_ASYNC] = "vCPUs removed, asynchronously",
	[VCPUS_FOUND] = "vCPUs found",
	[VCPUS_ITERATIONS] = "iterations",
	[VCPUS_VISITED] = "vCPUs visited",
	[VCPUS_KICKED] = "vCPUs kicked",
	[VCPUS_LOCKED] = "vCPUs locked",
	[VCPUS_LOCKED_ALL] = "all vCPUs locked",
	[VCPUS_NOT_LOCKED_ALL] = "attempts to lock all refused",
};

struct table *vcpus_random_table(struct torture_thread *self)
{
	return &tables[thread_random(self, NR_TABLES)];
}

uint64_t vcpus_shared_id(unsigned int n)
{
	return n * ID_STRIDE;
}

uint64_t vcpus_private_id(unsigned int writer, unsigned int n)
{
	return vcpus_shared_id(SHARED_IDS + writer * PRIVATE_IDS + n);
}

uint64_t vcpus_random_id(struct torture_thread *self)
{
	unsigned int count =
		SHARED_IDS +
		(unsigned int)vcpus_torture.nr_writers * PRIVATE_IDS;

	return vcpus_shared_id(thread_random(self, count));
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
		int ret = bf_vcpus_create(&config, &table->vcpus);

		if (ret)
			return ret;
		table->pools = xgrow(NULL, 0, vcpus_torture.nr_writers,
				     sizeof(*table->pools));
		for (unsigned long i = 0; i < vcpus_torture.nr_writers; i++)
			vcpu_pool_init(&table->pools[i], table);
	}
	return 0;
}

/* Its removal, or the end of the table, released each vCPU once. */
static void check_pool(const struct pool *pool)
{
	if (pool->published != pool->released)
		torture_fail("%s: %lu vCPUs came online, %lu were released",
			     pool->table->name, pool->published,
			     pool->released);
}

/* After the barrier no removal is in progress. */
static void end_table(struct torture_thread *self, struct table *table)
{
	thread_does(self, "ends a table", table->name);
	srcu_barrier(bf_vcpus_srcu(table->vcpus));
	if (bf_vcpus_created(table->vcpus) != bf_vcpus_online(table->vcpus))
		torture_fail("%s: %u vCPUs created, %u online", table->name,
			     bf_vcpus_created(table->vcpus),
			     bf_vcpus_online(table->vcpus));
	bf_vcpus_destroy(table->vcpus);
	for (unsigned long i = 0; i < vcpus_torture.nr_writers; i++) {
		check_pool(&table->pools[i]);
		vcpu_pool_free(&table->pools[i]);
	}
	free(table->pools);
}

static void end_tables(void)
{
	struct torture_thread self;

	thread_init(&self, VCPUS_MAIN, 0);
	for (size_t i = 0; i < NR_TABLES; i++)
		end_table(&self, &tables[i]);
	thread_done(&self);
}

static int run_threads(void)
{
	struct thread_group readers = {.count = 0}, writers = {.count = 0};
	int ret;

	if ((ret = thread_group_add(&readers, vcpus_reader_main,
				    vcpus_torture.nr_readers)) ||
	    (ret = thread_group_add(&writers, vcpus_writer_main,
				    vcpus_torture.nr_writers)))
		torture_stop();
	torture_wait(COMMAND);
	torture_stop();
	thread_group_join(&readers);
	thread_group_join(&writers);
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
	ret = run_threads();
	if (ret)
		return cli_fail(COMMAND, "a thread: %s", strerror(ret));
	end_tables();
	print_summary(json);
	return torture_verdict(COMMAND);
}

static const char *const thread_kind_names[NR_VCPUS_THREADS] = {
	[VCPUS_READER] = "reader",
	[VCPUS_WRITER] = "writer",
	[VCPUS_MAIN] = "main",
};

static const struct torture_number numbers[] = {
	{"readers", "R", "threads that look up", 1, MAX_THREADS, 4,
	 &vcpus_torture.nr_readers},
	{"writers", "W", "threads that create and remove", 1, MAX_THREADS, 2,
	 &vcpus_torture.nr_writers},
};

static const struct torture_layer layer = {
	.command = COMMAND,
	.about =
		"Readers look up, visit, kick and lock vCPUs.  Writers create and\n"
		"remove vCPUs, in several tables.  Use after free, an early, lost or\n"
		"second release, two vCPUs with one id or index, a lock held twice, or\n"
		"a stuck thread ends the torture with status 1.",
	.numbers = numbers,
	.nr_numbers = ARRAY_SIZE(numbers),
	.thread_kinds = thread_kind_names,
	.run = run,
};

int torture_vcpus(int argc, char **argv)
{
	return torture_main(argc, argv, &layer);
}
