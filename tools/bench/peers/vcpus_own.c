// SPDX-License-Identifier: MIT
/* The library's table. */
#include <stddef.h>

#include "vcpus_peer.h"

static void *own_create(void)
{
	struct bf_vcpus *vcpus = NULL;

	bf_vcpus_create(&vcpus, NULL);
	return vcpus;
}

static void own_destroy(void *table)
{
	bf_vcpus_destroy(table);
}

static int own_add(void *table, struct bf_vcpus_entry *entry, uint32_t id)
{
	return bf_vcpus_add(table, entry, id, NULL, 0);
}

static void own_by_index_loop(void *table, const uint32_t *keys,
			      unsigned int count)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(srcu);

		keep(bf_vcpus_by_index(table, keys[i]));
		srcu_read_unlock(srcu, idx);
	}
}

static void own_by_id_loop(void *table, const uint32_t *keys,
			   unsigned int count)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(srcu);

		keep(bf_vcpus_by_id(table, keys[i]));
		srcu_read_unlock(srcu, idx);
	}
}

void vcpus_own_empty_loop(void *table, const uint32_t *keys, unsigned int count)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(srcu);

		keep(&keys[i]);
		srcu_read_unlock(srcu, idx);
	}
}

static void own_section(void *table, void (*inside)(void))
{
	struct srcu_struct *srcu = bf_vcpus_srcu(table);
	int idx = srcu_read_lock(srcu);

	inside();
	srcu_read_unlock(srcu, idx);
}

const struct vcpus_peer vcpus_own = {
	.name = "belfry",
	.create = own_create,
	.destroy = own_destroy,
	.add = own_add,
	.by_index_loop = own_by_index_loop,
	.by_id_loop = own_by_id_loop,
	.section = own_section,
};
