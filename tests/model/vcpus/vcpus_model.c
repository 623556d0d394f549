// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/vcpus/vcpus_vcpu.h"
#include "vcpus_model.h"

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
static uint64_t (*next_number)(void);
static char problem[128];

/* Stores the first difference. */
static void expect(const char *what, uint64_t got, uint64_t expected)
{
	if (got != expected && !problem[0])
		snprintf(problem, sizeof(problem), "%s: %lld instead of %lld",
			 what, (long long)got, (long long)expected);
}

#define EXPECT(got, expected) \
	expect(#got, (uint64_t)(got), (uint64_t)(expected))

static unsigned int below(unsigned int n)
{
	return (unsigned int)(next_number() % n);
}

/* Mostly below n, sometimes a number that no table has. */
static uint64_t any_number(unsigned int n)
{
	return below(16) ? below(n) :
			   next_number() * 0x9e3779b97f4a7c15 >> below(64);
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
	EXPECT((publish ? bf_vcpus_add : bf_vcpus_reserve)(
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
		EXPECT(bf_vcpu_entry_remove_async(&cpus[n].entry, NULL, NULL),
		       0);
		if (inside)
			return;
		srcu_barrier(bf_vcpus_srcu(vcpus));
	} else {
		EXPECT(bf_vcpu_entry_remove(&cpus[n].entry), 0);
	}
	model_release();
}

static void do_remove_absent(void)
{
	int n = pick(below(2) ? RESERVED : LEAVING);

	if (n != NONE)
		EXPECT(bf_vcpu_entry_remove_async(&cpus[n].entry, NULL, NULL),
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
	EXPECT(bf_vcpu_entry_trylock(&cpus[n].entry),
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

	EXPECT(bf_vcpus_trylock_all(vcpus), expected);
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

	EXPECT((uintptr_t)bf_vcpus_by_id(vcpus, id),
	       (uintptr_t)entry_of(with_id(id)));
	EXPECT((uintptr_t)bf_vcpus_by_index(vcpus, index),
	       (uintptr_t)entry_of(at));
}

static void check_iteration(void)
{
	uint64_t first = any_number(model.end + 1), index;
	uint64_t last = below(2) ? UINT64_MAX : any_number(model.end + 1);
	struct bf_vcpus_iter iter;

	bf_vcpus_iter_begin(&iter, vcpus, first, last);
	for (index = first; index < model.end && index <= last; index++)
		if (model.at[index] != NONE)
			EXPECT((uintptr_t)bf_vcpus_iter_next(&iter),
			       (uintptr_t)&cpus[model.at[index]].entry);
	EXPECT((uintptr_t)bf_vcpus_iter_next(&iter), 0);
}

static void check_one(int n)
{
	EXPECT(cpus[n].released, model.released[n]);
	if (model.state[n] == FREE)
		return;
	EXPECT(bf_vcpu_entry_id(&cpus[n].entry), model.id[n]);
	EXPECT(bf_vcpu_entry_index(&cpus[n].entry),
	       model.state[n] == RESERVED ? UINT32_MAX : model.index[n]);
}

static void check(void)
{
	int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));

	EXPECT(bf_vcpus_created(vcpus), count_created());
	EXPECT(bf_vcpus_online(vcpus), count_state(ONLINE));
	for (int i = 0; i < 4; i++)
		check_lookups();
	check_one((int)below(NR_VCPUS));
	if (below(16) == 0)
		check_iteration();
	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
}

void vcpus_model_step(unsigned int number)
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

void vcpus_model_begin(uint64_t (*next)(void), unsigned int flags)
{
	const struct bf_vcpus_config config = {
		.max_ids = MAX_IDS,
		.max_vcpus = MAX_VCPUS,
		.flags = flags,
	};
	int i;

	next_number = next;
	problem[0] = '\0';
	table_flags = flags;
	memset(&model, 0, sizeof(model));
	for (i = 0; i < MAX_INDEX; i++)
		model.at[i] = NONE;
	memset(cpus, 0, sizeof(cpus));
	EXPECT(bf_vcpus_create(&config, &vcpus), 0);
}

/* The destruction releases the vCPUs that are online. */
const char *vcpus_model_end(void)
{
	int i;

	if (inside)
		do_section();
	while (count_state(RESERVED))
		do_cancel();
	bf_vcpus_destroy(vcpus);
	for (i = 0; i < NR_VCPUS; i++)
		EXPECT(cpus[i].released,
		       model.released[i] + (model.state[i] == ONLINE));
	return problem[0] ? problem : NULL;
}
