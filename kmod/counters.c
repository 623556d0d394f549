// SPDX-License-Identifier: GPL-2.0
/* Counters, in /sys/module/belfry/counters. */
#include "belfry.h"

#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sysfs.h>

static DEFINE_PER_CPU(unsigned long[BELFRY_COUNTERS], counts);

static struct kobject *folder;

void belfry_count(enum belfry_counter counter)
{
	this_cpu_inc(counts[counter]);
}

static unsigned long counter_sum(enum belfry_counter counter)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(counts[counter], cpu));
	return sum;
}

#define COUNTER(name, counter)                                                \
	static ssize_t name##_show(struct kobject *kobj,                      \
				   struct kobj_attribute *attr, char *buffer) \
	{                                                                     \
		return sysfs_emit(buffer, "%lu\n", counter_sum(counter));     \
	}                                                                     \
	static struct kobj_attribute name##_attr = __ATTR_RO(name)

COUNTER(registrations, BELFRY_REGISTRATIONS);
COUNTER(marked, BELFRY_MARKED);
COUNTER(promoted, BELFRY_PROMOTED);
COUNTER(timers_cut, BELFRY_TIMERS_CUT);
COUNTER(callbacks_started, BELFRY_CALLBACKS);
COUNTER(violations, BELFRY_VIOLATIONS);

static ssize_t missed_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buffer)
{
	return sysfs_emit(buffer, "%lu\n", belfry_probe_missed());
}

static struct kobj_attribute missed_attr = __ATTR_RO(missed);

static struct attribute *counter_attrs[] = {
	&registrations_attr.attr,
	&marked_attr.attr,
	&promoted_attr.attr,
	&timers_cut_attr.attr,
	&callbacks_started_attr.attr,
	&violations_attr.attr,
	&missed_attr.attr,
	NULL,
};

static const struct attribute_group counter_group = {
	.attrs = counter_attrs,
};

int belfry_counters_init(void)
{
	int error;

	folder = kobject_create_and_add("counters", &THIS_MODULE->mkobj.kobj);
	if (!folder)
		return -ENOMEM;
	error = sysfs_create_group(folder, &counter_group);
	if (error)
		kobject_put(folder);
	return error;
}

void belfry_counters_exit(void)
{
	sysfs_remove_group(folder, &counter_group);
	kobject_put(folder);
}
