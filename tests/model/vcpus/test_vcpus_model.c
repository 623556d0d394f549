// SPDX-License-Identifier: MIT
/*
 * The vCPU table against a model: both get the same random calls, which depend
 * on the seed alone, and must return the same results.  The argument is the
 * number of calls of a run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testing/random.h"
#include "tests/unit/vcpus/vcpus_vcpu.h"

#define NR_VCPUS  700
#define MAX_IDS	  400
#define MAX_VCPUS 120
#define MAX_INDEX 20000
#define NONE	  (-1)

enum state {
	FREE,
	RESERVED,
	ONLINE,
	LEAVING,
};

/* The model: arrays that are searched from end to end. */
static struct {
	enum state state[NR_VCPUS];
	unsigned int flags[NR_VCPUS];
	uint64_t id[NR_VCPUS];
	uint32_t index[NR_VCPUS];
	bool locked[NR_VCPUS];
	int released[NR_VCPUS];
	int at[MAX_INDEX]; /* the vCPU that is online at an index, or NONE */
	uint32_t end;
	uint32_t holes[MAX_INDEX]; /* stack of free indices */
	uint32_t nr_holes;
	int leaving[NR_VCPUS]; /* removed, not released, in order of removal */
	int nr_leaving;
} model;

static struct vcpu cpus[NR_VCPUS];
static struct bf_vcpus *vcpus;
static unsigned int table_flags;
static bool inside; /* a section delays all releases */
static int section;
static uint64_t random_state;
static unsigned int steps = 15000;

static unsigned int below(unsigned int n)
{
	return (unsigned int)(random_next(&random_state) % n);
}

/* Mostly below n, sometimes a number that no table has. */
static uint64_t any_number(unsigned int n)
{
	return below(16) ? below(n) : random_next(&random_state) >> below(64);
}

static int count_state(enum state state)
{
	int i, count = 0;

	for (i = 0; i < NR_VCPUS; i++)
		count += model.state[i] == state;
	return count;
}

static int count_created(void)
{
	return NR_VCPUS - count_state(FREE);
}

static int with_id(uint64_t id)
{
	int i;

	for (i = 0; i < NR_VCPUS; i++)
		if (model.state[i] != FREE && model.id[i] == id)
			return i;
	return NONE;
}

static int expected_of_reserve(uint64_t id, unsigned int flags)
{
	if (flags & ~BF_VCPUS_REUSE_INDEX)
		return -EINVAL;
	if (id >= MAX_IDS || count_created() >= MAX_VCPUS)
		return -EINVAL;
	return with_id(id) == NONE ? 0 : -EEXIST;
}

static void model_publish(int n)
{
	uint32_t index = model.end;

	if (((model.flags[n] | table_flags) & BF_VCPUS_REUSE_INDEX) &&
	    model.nr_holes)
		index = model.holes[--model.nr_holes];
	else
		model.end++;
	model.state[n] = ONLINE;
	model.index[n] = index;
	model.at[index] = n;
}

static void model_hide(int n)
{
	model.state[n] = LEAVING;
	model.at[model.index[n]] = NONE;
	model.leaving[model.nr_leaving++] = n;
}

/* A grace period has passed. */
static void model_release(void)
{
	int i;

	for (i = 0; i < model.nr_leaving; i++) {
		int n = model.leaving[i];

		model.state[n] = FREE;
		model.locked[n] = false;
		model.released[n]++;
		model.holes[model.nr_holes++] = model.index[n];
	}
	model.nr_leaving = 0;
}

/* A random vCPU in that state, or NONE. */
static int pick(enum state state)
{
	int i, start = (int)below(NR_VCPUS);

	for (i = 0; i < NR_VCPUS; i++) {
		int n = (start + i) % NR_VCPUS;

		if (model.state[n] == state)
			return n;
	}
	return NONE;
}

static void do_reserve(bool publish)
{
	int n = pick(FREE), expected;
	uint64_t id = any_number(MAX_IDS);
	unsigned int flags = below(64) ? below(2) : below(8);

	expected = expected_of_reserve(id, flags);
	assert_int_equal((publish ? bf_vcpus_add : bf_vcpus_reserve)(
				 vcpus, &cpus[n].entry, id, &vcpu_ops, flags),
			 expected);
	if (expected)
		return;
	model.state[n] = RESERVED;
	model.id[n] = id;
	model.flags[n] = flags;
	if (publish)
		model_publish(n);
}

static void do_publish(void)
{
	int n = pick(RESERVED);

	if (n == NONE)
		return;
	bf_vcpu_entry_publish(&cpus[n].entry);
	model_publish(n);
}

static void do_cancel(void)
{
	int n = pick(RESERVED);

	if (n == NONE)
		return;
	bf_vcpu_entry_cancel(&cpus[n].entry);
	model.state[n] = FREE;
}

static void do_remove(void)
{
	int n = pick(ONLINE);

	if (n == NONE)
		return;
	model_hide(n);
	if (inside || below(8) == 0) {
		assert_int_equal(bf_vcpu_entry_remove_async(&cpus[n].entry,
							    NULL, NULL),
				 0);
		if (inside)
			return;
		srcu_barrier(bf_vcpus_srcu(vcpus));
	} else {
		assert_int_equal(bf_vcpu_entry_remove(&cpus[n].entry), 0);
	}
	model_release();
}

static void do_remove_absent(void)
{
	int n = pick(below(2) ? RESERVED : LEAVING);

	if (n != NONE)
		assert_int_equal(bf_vcpu_entry_remove_async(&cpus[n].entry,
							    NULL, NULL),
				 -ENOENT);
}

static void do_section(void)
{
	inside = !inside;
	if (inside) {
		section = srcu_down_read(bf_vcpus_srcu(vcpus));
		return;
	}
	srcu_up_read(bf_vcpus_srcu(vcpus), section);
	srcu_barrier(bf_vcpus_srcu(vcpus));
	model_release();
}

/* Locks a random vCPU, or unlocks it if it is locked. */
static void do_lock(void)
{
	int n = pick(ONLINE);

	if (n == NONE)
		return;
	assert_int_equal(bf_vcpu_entry_trylock(&cpus[n].entry),
			 model.locked[n] ? -EBUSY : 0);
	if (model.locked[n])
		bf_vcpu_entry_unlock(&cpus[n].entry);
	model.locked[n] = !model.locked[n];
}

static int expected_of_lock_all(void)
{
	int i;

	if (count_state(RESERVED))
		return -EBUSY;
	for (i = 0; i < NR_VCPUS; i++)
		if (model.state[i] == ONLINE && model.locked[i])
			return -EINTR;
	return 0;
}

static void do_lock_all(void)
{
	int expected = expected_of_lock_all();

	assert_int_equal(bf_vcpus_trylock_all(vcpus), expected);
	if (!expected)
		bf_vcpus_unlock_all(vcpus);
	for (int i = 0; i < NR_VCPUS; i++)
		if (model.locked[i])
			bf_vcpu_entry_unlock(&cpus[i].entry);
	memset(model.locked, 0, sizeof(model.locked));
}

static struct bf_vcpu_entry *entry_of(int n)
{
	return n == NONE || model.state[n] != ONLINE ? NULL : &cpus[n].entry;
}

static void check_lookups(void)
{
	uint64_t id = any_number(MAX_IDS + 10);
	uint64_t index = any_number(model.end + 10);
	int at = index < MAX_INDEX ? model.at[index] : NONE;

	assert_ptr_equal(bf_vcpus_by_id(vcpus, id), entry_of(with_id(id)));
	assert_ptr_equal(bf_vcpus_by_index(vcpus, index), entry_of(at));
}

static void check_iteration(void)
{
	uint64_t first = any_number(model.end + 1), index;
	uint64_t last = below(2) ? UINT64_MAX : any_number(model.end + 1);
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, vcpus, first, last);
	for (index = first; index < model.end && index <= last; index++)
		if (model.at[index] != NONE)
			assert_ptr_equal(bf_vcpus_iter_next(&iter),
					 &cpus[model.at[index]].entry);
	assert_null(bf_vcpus_iter_next(&iter));
}

static void check_one(int n)
{
	assert_int_equal(cpus[n].released, model.released[n]);
	if (model.state[n] == FREE)
		return;
	assert_int_equal(bf_vcpu_entry_id(&cpus[n].entry), model.id[n]);
	assert_int_equal(bf_vcpu_entry_index(&cpus[n].entry),
			 model.state[n] == RESERVED ? UINT32_MAX :
						      model.index[n]);
}

static void check(void)
{
	int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));

	assert_int_equal(bf_vcpus_created(vcpus), count_created());
	assert_int_equal(bf_vcpus_online(vcpus), count_state(ONLINE));
	for (int i = 0; i < 4; i++)
		check_lookups();
	check_one((int)below(NR_VCPUS));
	if (below(16) == 0)
		check_iteration();
	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
}

/* A random call; 1,000 steps that fill the table, then 1,000 that empty it. */
static void step(unsigned int number)
{
	bool filling = number / 1000 % 2 == 0;
	unsigned int dice = below(100);

	if (dice < (filling ? 40 : 10))
		do_reserve(below(2));
	else if (dice < 50)
		do_publish();
	else if (dice < (filling ? 60 : 80))
		do_remove();
	else if (dice < 82)
		do_remove_absent();
	else if (dice < 86)
		do_cancel();
	else if (dice < 92)
		do_section();
	else if (dice < 96)
		do_lock();
	else
		do_lock_all();
	check();
}

static void begin_run(uint64_t seed, unsigned int flags)
{
	const struct bf_vcpus_config config = {
		.max_ids = MAX_IDS,
		.max_vcpus = MAX_VCPUS,
		.flags = flags,
	};
	int i;

	print_message("seed %llu, flags %u\n", (unsigned long long)seed, flags);
	random_state = seed;
	table_flags = flags;
	memset(&model, 0, sizeof(model));
	for (i = 0; i < MAX_INDEX; i++)
		model.at[i] = NONE;
	memset(cpus, 0, sizeof(cpus));
	assert_int_equal(bf_vcpus_create(&config, &vcpus), 0);
}

/* The destruction releases the vCPUs that are online. */
static void end_run(void)
{
	int i;

	if (inside)
		do_section();
	while (count_state(RESERVED))
		do_cancel();
	bf_vcpus_destroy(vcpus);
	for (i = 0; i < NR_VCPUS; i++)
		assert_int_equal(cpus[i].released,
				 model.released[i] +
					 (model.state[i] == ONLINE));
}

static void run(uint64_t seed, unsigned int flags)
{
	begin_run(seed, flags);
	for (unsigned int i = 0; i < steps; i++)
		step(i);
	end_run();
}

static void test_unique_indices(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run(seed, 0);
}

static void test_reused_indices(void **state)
{
	for (uint64_t seed = 11; seed <= 14; seed++)
		run(seed, BF_VCPUS_REUSE_INDEX);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unique_indices),
		cmocka_unit_test(test_reused_indices),
	};

	if (argc > 1)
		steps = (unsigned int)strtoul(argv[1], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
