// SPDX-License-Identifier: GPL-2.0
/*
 * The domains on which KVM registers devices: a set of pointers, compared
 * and never followed, in buckets of four.
 *
 * A registration adds its domain, and the barrier at the end of the VM
 * removes it. A full bucket loses an entry, which the next registration of
 * that VM adds again. An entry that outlives its domain does no harm: the
 * remedy is correct for each domain, the set only limits it to KVM's.
 */
#include "belfry.h"

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/hash.h>
#include <linux/jiffies.h>

#define BUCKET_BITS 9
#define BUCKET_SIZE 4

static const struct srcu_struct *buckets[1 << BUCKET_BITS][BUCKET_SIZE];

static const struct srcu_struct **bucket_of(const struct srcu_struct *ssp)
{
	return buckets[hash_ptr(ssp, BUCKET_BITS)];
}

bool belfry_domain_has(const struct srcu_struct *ssp)
{
	const struct srcu_struct **bucket = bucket_of(ssp);
	int i;

	for (i = 0; i < BUCKET_SIZE; i++)
		if (READ_ONCE(bucket[i]) == ssp)
			return true;
	return false;
}

void belfry_domain_add(const struct srcu_struct *ssp)
{
	const struct srcu_struct **bucket = bucket_of(ssp);
	int i;

	if (belfry_domain_has(ssp))
		return;
	for (i = 0; i < BUCKET_SIZE; i++)
		if (!READ_ONCE(bucket[i]) && !cmpxchg(&bucket[i], NULL, ssp))
			return;
	WRITE_ONCE(bucket[jiffies % BUCKET_SIZE], ssp);
}

void belfry_domain_remove(const struct srcu_struct *ssp)
{
	const struct srcu_struct **bucket = bucket_of(ssp);
	int i;

	for (i = 0; i < BUCKET_SIZE; i++)
		if (READ_ONCE(bucket[i]) == ssp)
			cmpxchg(&bucket[i], ssp, NULL);
}
