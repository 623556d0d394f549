// SPDX-License-Identifier: MIT
/* The library's vCPU table. */
#include <stddef.h>

#include "vcpus_peer.h"

static void *belfry_create(void)
{
	struct bf_vcpus *vcpus = NULL;

	bf_vcpus_create(NULL, &vcpus);
	return vcpus;
}

static void belfry_destroy(void *table)
{
	bf_vcpus_destroy(table);
}

static int belfry_add(void *table, struct bf_vcpu_entry *entry, uint32_t id)
{
	return bf_vcpus_add(table, entry, id, NULL, 0);
}

static void belfry_by_index_loop(void *table, const uint32_t *keys,
				 unsigned int count)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(srcu);

		keep(bf_vcpus_by_index(table, keys[i]));
		srcu_read_unlock(srcu, idx);
	}
}

static void belfry_by_id_loop(void *table, const uint32_t *keys,
			      unsigned int count)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(srcu);

		keep(bf_vcpus_by_id(table, keys[i]));
		srcu_read_unlock(srcu, idx);
	}
}

void vcpus_belfry_empty_loop(void *table, const uint32_t *keys,
			     unsigned int count)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(srcu);

		keep(&keys[i]);
		srcu_read_unlock(srcu, idx);
	}
}

static void belfry_section(void *table, void (*inside)(void))
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);
	int idx = srcu_read_lock(srcu);

	inside();
	srcu_read_unlock(srcu, idx);
}

const struct vcpus_peer vcpus_belfry = {
	.name = "belfry",
	.create = belfry_create,
	.destroy = belfry_destroy,
	.add = belfry_add,
	.by_index_loop = belfry_by_index_loop,
	.by_id_loop = belfry_by_id_loop,
	.section = belfry_section,
};
