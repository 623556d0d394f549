// SPDX-License-Identifier: MIT
/* The memory of vCPUs: allocation, poisoning and checks. */
#include <sched.h>
#include <stdlib.h>

#include "tools/belfry/common/sleep.h"
#include "torture_vcpus.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

struct vcpu *vcpu_of(struct bf_vcpu_entry *entry)
{
	return container_of(entry, struct vcpu, entry);
}

unsigned int vcpu_generation(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->generation, __ATOMIC_RELAXED);
}

void vcpu_pool_init(struct pool *pool, struct table *table)
{
	pool->table = table;
	pool->all = xgrow(NULL, 0, NR_SPARES, sizeof(*pool->all));
	for (int i = 0; i < NR_SPARES; i++) {
		pool->all[i].pool = pool;
		pool->all[i].state = VCPU_POISON;
		pool->all[i].next = pool->free;
		pool->free = &pool->all[i];
	}
}

void vcpu_pool_free(struct pool *pool)
{
	free(pool->all);
}

struct vcpu *vcpu_get(struct pool *pool)
{
	struct vcpu *vcpu;

	if (!pool->free)
		pool->free = __atomic_exchange_n(&pool->returned, NULL,
						 __ATOMIC_ACQUIRE);
	vcpu = pool->free;
	if (!vcpu)
		return NULL;
	pool->free = vcpu->next;
	__atomic_store_n(&vcpu->generation, vcpu->generation + 1,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->state, VCPU_LIVE, __ATOMIC_RELEASE);
	return vcpu;
}

void vcpu_put(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->state, VCPU_POISON, __ATOMIC_RELAXED);
	vcpu->next = vcpu->pool->free;
	vcpu->pool->free = vcpu;
}

static void pool_return(struct vcpu *vcpu)
{
	struct pool *pool = vcpu->pool;
	struct vcpu *old = __atomic_load_n(&pool->returned, __ATOMIC_RELAXED);

	do {
		vcpu->next = old;
	} while (!__atomic_compare_exchange_n(&pool->returned, &old, vcpu, true,
					      __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* A reader that still uses the vCPU is counted here, or finds the poison. */
static void vcpu_release(struct bf_vcpu_entry *entry)
{
	struct vcpu *vcpu = vcpu_of(entry);
	struct pool *pool = vcpu->pool;

	if (__atomic_load_n(&vcpu->state, __ATOMIC_RELAXED) != VCPU_LIVE)
		torture_fail("%s: a vCPU was released twice",
			     pool->table->name);
	if (__atomic_load_n(&vcpu->readers, __ATOMIC_ACQUIRE))
		torture_fail("%s: too early: a vCPU was released while "
			     "a reader used it",
			     pool->table->name);
	__atomic_store_n(&vcpu->state, VCPU_POISON, __ATOMIC_RELEASE);
	__atomic_fetch_add(&pool->released, 1, __ATOMIC_RELAXED);
	pool_return(vcpu);
}

static void vcpu_kick(struct bf_vcpu_entry *entry)
{
	struct vcpu *vcpu = vcpu_of(entry);

	vcpu_check(vcpu, vcpu_generation(vcpu));
}

const struct bf_vcpu_entry_ops vcpu_ops = {.release = vcpu_release,
					   .kick = vcpu_kick};

void vcpu_check(struct vcpu *vcpu, unsigned int generation)
{
	const char *name = vcpu->pool->table->name;

	if (__atomic_load_n(&vcpu->state, __ATOMIC_RELAXED) != VCPU_LIVE)
		torture_fail("%s: use after free: a reader found poison", name);
	else if (vcpu_generation(vcpu) != generation)
		torture_fail("%s: use after free: a reader found another "
			     "vCPU in its place",
			     name);
}

static void yield_or_sleep(struct torture_thread *self, unsigned int dice)
{
	if (dice % 4)
		sched_yield();
	else
		sleep_us(thread_random(self, 1000));
}

/* Spins, returns at once, or (one call of 128) yields or sleeps. */
static void dwell(struct torture_thread *self)
{
	unsigned int dice = thread_random(self, 2048);

	if (dice < 16)
		yield_or_sleep(self, dice);
	else if (dice < 512)
		for (volatile unsigned int i = dice; i; i--)
			;
}

/*
 * A counted reader is certain to detect an early release.  Only some are
 * counted, because the atomic operation is also a fence.
 */
void vcpu_dwell(struct torture_thread *self, struct vcpu *vcpu)
{
	bool counted = thread_random(self, 4) == 0;
	unsigned int generation = vcpu_generation(vcpu);

	vcpu_check(vcpu, generation);
	if (counted)
		__atomic_fetch_add(&vcpu->readers, 1, __ATOMIC_RELAXED);
	dwell(self);
	if (counted)
		__atomic_fetch_sub(&vcpu->readers, 1, __ATOMIC_RELEASE);
	vcpu_check(vcpu, generation);
}
