// SPDX-License-Identifier: MIT
/*
 * A table as proposed for the kernel in 2017, with this library's SRCU.  Each
 * creation copies the array, publishes the copy, waits for a grace period, and
 * frees the old array.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vcpus_array.h"
#include "vcpus_peer.h"

struct copied {
	struct srcu_struct srcu;
	pthread_mutex_t lock;
	struct vcpus_array *array;
};

static void *copied_create(void)
{
	struct copied *copied = aligned_alloc(64, sizeof(*copied));

	if (!copied)
		return NULL;
	copied->array = vcpus_array_new(0);
	if (!copied->array || init_srcu_struct(&copied->srcu)) {
		free(copied->array);
		free(copied);
		return NULL;
	}
	pthread_mutex_init(&copied->lock, NULL);
	return copied;
}

static void copied_destroy(void *table)
{
	struct copied *copied = table;

	cleanup_srcu_struct(&copied->srcu);
	pthread_mutex_destroy(&copied->lock);
	free(copied->array);
	free(copied);
}

static struct vcpus_array *copy_with(const struct vcpus_array *old,
				     struct bf_vcpu_entry *entry, uint32_t id)
{
	struct vcpus_array *new = vcpus_array_new(old->count + 1);

	if (!new)
		return NULL;
	memcpy(new->cpus, old->cpus, old->count * sizeof(old->cpus[0]));
	new->count = old->count;
	vcpus_array_append(new, entry, id);
	return new;
}

static int add_locked(struct copied *copied, struct bf_vcpu_entry *entry,
		      uint32_t id)
{
	struct vcpus_array *old = copied->array, *new;

	if (vcpus_array_by_id(old, id))
		return -EEXIST;
	new = copy_with(old, entry, id);
	if (!new)
		return -ENOMEM;
	srcu_assign_pointer(copied->array, new);
	synchronize_srcu_expedited(&copied->srcu);
	free(old);
	return 0;
}

static int copied_add(void *table, struct bf_vcpu_entry *entry, uint32_t id)
{
	struct copied *copied = table;
	int ret;

	pthread_mutex_lock(&copied->lock);
	ret = add_locked(copied, entry, id);
	pthread_mutex_unlock(&copied->lock);
	return ret;
}

static void copied_by_index_loop(void *table, const uint32_t *keys,
				 unsigned int count)
{
	struct copied *copied = table;

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(&copied->srcu);

		keep(vcpus_array_by_index(srcu_dereference(copied->array,
							   &copied->srcu),
					  keys[i]));
		srcu_read_unlock(&copied->srcu, idx);
	}
}

static void copied_by_id_loop(void *table, const uint32_t *keys,
			      unsigned int count)
{
	struct copied *copied = table;

	for (unsigned int i = 0; i < count; i++) {
		int idx = srcu_read_lock(&copied->srcu);

		keep(vcpus_array_by_id(srcu_dereference(copied->array,
							&copied->srcu),
				       keys[i]));
		srcu_read_unlock(&copied->srcu, idx);
	}
}

static void copied_section(void *table, void (*inside)(void))
{
	struct copied *copied = table;
	int idx = srcu_read_lock(&copied->srcu);

	inside();
	srcu_read_unlock(&copied->srcu, idx);
}

const struct vcpus_peer vcpus_copy = {
	.name = "copy, grace period",
	.create = copied_create,
	.destroy = copied_destroy,
	.add = copied_add,
	.by_index_loop = copied_by_index_loop,
	.by_id_loop = copied_by_id_loop,
	.section = copied_section,
};
