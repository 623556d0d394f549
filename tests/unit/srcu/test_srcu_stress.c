// SPDX-License-Identifier: MIT
/* Readers beside updaters and callbacks: no reader sees a freed object. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

#include "belfry/srcu.h"
#include "tests/flags.h"
#include "srcu_fixture.h"
#include "base/util.h"

#define ALIVE 0x600d600d
#define DEAD  0xdeaddead

struct object {
	struct srcu_head head;
	unsigned int magic;
};

static struct srcu_struct stress_domain;
static struct object *stress_object;
static int stress_stop, stress_bad;

static struct object *object_new(void)
{
	struct object *object = malloc(sizeof(*object));

	object->magic = ALIVE;
	return object;
}

static void object_free(struct srcu_head *head)
{
	struct object *object = container_of(head, struct object, head);

	__atomic_store_n(&object->magic, DEAD, __ATOMIC_RELAXED);
	free(object);
}

static void *stress_reader(void *arg)
{
	struct object *object;
	int i, idx;

	while (!get(&stress_stop)) {
		idx = srcu_read_lock(&stress_domain);
		object = srcu_dereference(stress_object, &stress_domain);
		for (i = 0; i < 10; i++)
			if (__atomic_load_n(&object->magic, __ATOMIC_RELAXED) !=
			    ALIVE)
				set(&stress_bad, 1);
		if (object->magic % 64 == 0)
			sched_yield();
		srcu_read_unlock(&stress_domain, idx);
	}
	return arg;
}

static void replace_object(bool wait)
{
	struct object *new = object_new();
	struct object *old =
		__atomic_exchange_n(&stress_object, new, __ATOMIC_ACQ_REL);

	if (wait) {
		synchronize_srcu_expedited(&stress_domain);
		object_free(&old->head);
	} else {
		call_srcu(&stress_domain, &old->head, object_free);
	}
}

static void *stress_writer(void *arg)
{
	int i;

	for (i = 0; i < 20000; i++)
		replace_object((uintptr_t)arg & 1);
	return NULL;
}

static void test_stress(void **state)
{
	pthread_t readers[3], writers[2];
	uintptr_t i;

	setup_domain(&stress_domain);
	stress_object = object_new();
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		pthread_create(&readers[i], NULL, stress_reader, NULL);
	for (i = 0; i < ARRAY_SIZE(writers); i++)
		pthread_create(&writers[i], NULL, stress_writer, (void *)i);
	for (i = 0; i < ARRAY_SIZE(writers); i++)
		pthread_join(writers[i], NULL);
	set(&stress_stop, 1);
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		pthread_join(readers[i], NULL);
	end_domain(&stress_domain);
	free(stress_object);
	assert_int_equal(get(&stress_bad), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stress),
	};

	return cmocka_run_group_tests_name("srcu_stress", tests, NULL, NULL);
}
