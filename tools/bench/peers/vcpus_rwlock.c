// SPDX-License-Identifier: MIT
/* An array of fixed size under a reader-writer lock. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "vcpus_array.h"
#include "vcpus_peer.h"

struct table {
	pthread_rwlock_t lock;
	struct vcpus_array *array;
};

static void *table_create(void)
{
	struct table *table = malloc(sizeof(*table));

	if (!table)
		return NULL;
	table->array = vcpus_array_new(VCPUS_MAX);
	if (!table->array) {
		free(table);
		return NULL;
	}
	pthread_rwlock_init(&table->lock, NULL);
	return table;
}

static void table_destroy(void *arg)
{
	struct table *table = arg;

	pthread_rwlock_destroy(&table->lock);
	free(table->array);
	free(table);
}

static int add_locked(struct vcpus_array *array, struct bf_vcpu_entry *entry,
		      uint32_t id)
{
	if (array->count >= VCPUS_MAX)
		return -EINVAL;
	if (vcpus_array_by_id(array, id))
		return -EEXIST;
	vcpus_array_append(array, entry, id);
	return 0;
}

static int table_add(void *arg, struct bf_vcpu_entry *entry, uint32_t id)
{
	struct table *table = arg;
	int ret;

	pthread_rwlock_wrlock(&table->lock);
	ret = add_locked(table->array, entry, id);
	pthread_rwlock_unlock(&table->lock);
	return ret;
}

static void table_by_index_loop(void *arg, const uint32_t *keys,
				unsigned int count)
{
	struct table *table = arg;

	for (unsigned int i = 0; i < count; i++) {
		pthread_rwlock_rdlock(&table->lock);
		keep(vcpus_array_by_index(table->array, keys[i]));
		pthread_rwlock_unlock(&table->lock);
	}
}

static void table_by_id_loop(void *arg, const uint32_t *keys,
			     unsigned int count)
{
	struct table *table = arg;

	for (unsigned int i = 0; i < count; i++) {
		pthread_rwlock_rdlock(&table->lock);
		keep(vcpus_array_by_id(table->array, keys[i]));
		pthread_rwlock_unlock(&table->lock);
	}
}

static void table_section(void *arg, void (*inside)(void))
{
	struct table *table = arg;

	pthread_rwlock_rdlock(&table->lock);
	inside();
	pthread_rwlock_unlock(&table->lock);
}

const struct vcpus_peer vcpus_rwlock = {
	.name = "array, rwlock",
	.create = table_create,
	.destroy = table_destroy,
	.add = table_add,
	.by_index_loop = table_by_index_loop,
	.by_id_loop = table_by_id_loop,
	.section = table_section,
};
