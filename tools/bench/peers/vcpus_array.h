/* SPDX-License-Identifier: MIT */
/*
 * vCPUs in an array.  As in the kernel a lookup by id tries the id as an index,
 * and then scans the array.
 */
#ifndef BF_BENCH_VCPUS_ARRAY_H
#define BF_BENCH_VCPUS_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct vcpus_array {
	uint32_t count;
	struct {
		struct bf_vcpu_entry *entry;
		uint32_t id;
	} cpus[];
};

static inline struct vcpus_array *vcpus_array_new(uint32_t space)
{
	struct vcpus_array *array;

	array = malloc(sizeof(*array) + space * sizeof(array->cpus[0]));
	if (array)
		array->count = 0;
	return array;
}

/* The array must have room for one more vCPU. */
static inline void vcpus_array_append(struct vcpus_array *array,
				      struct bf_vcpu_entry *entry, uint32_t id)
{
	array->cpus[array->count].entry = entry;
	array->cpus[array->count].id = id;
	array->count++;
}

static inline struct bf_vcpu_entry *
vcpus_array_by_index(const struct vcpus_array *array, uint32_t index)
{
	return index < array->count ? array->cpus[index].entry : NULL;
}

static inline struct bf_vcpu_entry *
vcpus_array_by_id(const struct vcpus_array *array, uint32_t id)
{
	if (id < array->count && array->cpus[id].id == id)
		return array->cpus[id].entry;
	for (uint32_t i = 0; i < array->count; i++) {
		if (array->cpus[i].id == id)
			return array->cpus[i].entry;
	}
	return NULL;
}

#endif
