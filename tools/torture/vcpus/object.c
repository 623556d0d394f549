// SPDX-License-Identifier: MIT
/* The memory of vCPUs: from being published to being poisoned. */
#include <sched.h>
#include <stdlib.h>

#include "tools/belfry/common/sleep.h"
#include "torture_vcpus.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

struct vcpu *vcpu_of(struct bf_vcpus_entry *entry)
{
	return container_of(entry, struct vcpu, entry);
}

unsigned int vcpu_generation(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->generation, __ATOMIC_RELAXED);
}

void vcpu_account_init(struct account *account, struct table *table)
{
	account->table = table;
	account->all = xgrow(NULL, 0, NR_SPARES, sizeof(*account->all));
	for (int i = 0; i < NR_SPARES; i++) {
		account->all[i].account = account;
		account->all[i].state = VCPU_POISON;
		account->all[i].next = account->free;
		account->free = &account->all[i];
	}
}

void vcpu_account_free(struct account *account)
{
	free(account->all);
}

struct vcpu *vcpu_get(struct account *account)
{
	struct vcpu *vcpu;

	if (!account->free)
		account->free = __atomic_exchange_n(&account->returned, NULL,
						    __ATOMIC_ACQUIRE);
	vcpu = account->free;
	if (!vcpu)
		return NULL;
	account->free = vcpu->next;
	__atomic_store_n(&vcpu->generation, vcpu->generation + 1,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->state, VCPU_LIVE, __ATOMIC_RELEASE);
	return vcpu;
}

void vcpu_put(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->state, VCPU_POISON, __ATOMIC_RELAXED);
	vcpu->next = vcpu->account->free;
	vcpu->account->free = vcpu;
}

static void give_back(struct vcpu *vcpu)
{
	struct account *account = vcpu->account;
	struct vcpu *old =
		__atomic_load_n(&account->returned, __ATOMIC_RELAXED);

	do {
		vcpu->next = old;
	} while (!__atomic_compare_exchange_n(&account->returned, &old, vcpu,
					      true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* Who is still inside finds poison, or is found here. */
static void release(struct bf_vcpus_entry *entry)
{
	struct vcpu *vcpu = vcpu_of(entry);
	struct account *account = vcpu->account;

	if (__atomic_load_n(&vcpu->state, __ATOMIC_RELAXED) != VCPU_LIVE)
		torture_fail("%s: a vCPU was released twice",
			     account->table->name);
	if (__atomic_load_n(&vcpu->readers, __ATOMIC_ACQUIRE))
		torture_fail("%s: too early: a vCPU was released while "
			     "somebody was inside",
			     account->table->name);
	__atomic_store_n(&vcpu->state, VCPU_POISON, __ATOMIC_RELEASE);
	__atomic_fetch_add(&account->released, 1, __ATOMIC_RELAXED);
	give_back(vcpu);
}

static void kick(struct bf_vcpus_entry *entry)
{
	struct vcpu *vcpu = vcpu_of(entry);

	vcpu_check(vcpu, vcpu_generation(vcpu));
}

const struct bf_vcpus_ops vcpu_ops = {.release = release, .kick = kick};

void vcpu_check(struct vcpu *vcpu, unsigned int generation)
{
	const char *name = vcpu->account->table->name;

	if (__atomic_load_n(&vcpu->state, __ATOMIC_RELAXED) != VCPU_LIVE)
		torture_fail("%s: use after free: poison was found", name);
	else if (vcpu_generation(vcpu) != generation)
		torture_fail("%s: use after free: another vCPU was found in "
			     "its place",
			     name);
}

static void take_a_break(struct actor *actor, unsigned int dice)
{
	if (dice % 4)
		sched_yield();
	else
		sleep_us(actor_random(actor, 1000));
}

/* Mostly for a moment, sometimes for long. */
static void dwell(struct actor *actor)
{
	unsigned int dice = actor_random(actor, 2048);

	if (dice < 16)
		take_a_break(actor, dice);
	else if (dice < 512)
		for (volatile unsigned int i = dice; i; i--)
			;
}

/* Being counted makes an early end certain to be noticed, but is a fence. */
void vcpu_dwell(struct actor *actor, struct vcpu *vcpu)
{
	bool counted = actor_random(actor, 4) == 0;
	unsigned int generation = vcpu_generation(vcpu);

	vcpu_check(vcpu, generation);
	if (counted)
		__atomic_fetch_add(&vcpu->readers, 1, __ATOMIC_RELAXED);
	dwell(actor);
	if (counted)
		__atomic_fetch_sub(&vcpu->readers, 1, __ATOMIC_RELEASE);
	vcpu_check(vcpu, generation);
}
