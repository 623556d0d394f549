// SPDX-License-Identifier: MIT
/* Slabs: objects do not overlap, and no memory is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/util.h"

#define MAX_OBJECTS 1000

static struct bf_slab slab;
static uint64_t seed = 1;

static size_t below(size_t n)
{
	return random_below(&seed, (unsigned int)n);
}

/* An object, and the byte value that fills it. */
struct filled {
	unsigned char *object;
	unsigned char byte;
};

static void get_filled(struct filled *filled, size_t size)
{
	filled->object = bf_slab_get(&slab);
	assert_non_null(filled->object);
	assert_int_equal((uintptr_t)filled->object % sizeof(void *), 0);
	filled->byte = (unsigned char)below(256);
	memset(filled->object, filled->byte, size);
}

static void check_filled(const struct filled *filled, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(filled->object[i], filled->byte);
}

static void put_filled(struct filled *filled, size_t size)
{
	check_filled(filled, size);
	bf_slab_put(filled->object);
	filled->object = NULL;
}

static const size_t sizes[] = {1, 8, 9, 104, 168, 536, BF_SLAB_MAX_SIZE};

static void get_and_put(size_t size)
{
	static struct filled all[MAX_OBJECTS];
	const long live = alloc_live();

	bf_slab_init(&slab, size);
	for (int i = 0; i < 20000; i++) {
		struct filled *one = &all[below(MAX_OBJECTS)];

		if (one->object)
			put_filled(one, size);
		else
			get_filled(one, size);
	}
	for (size_t i = 0; i < MAX_OBJECTS; i++)
		if (all[i].object)
			put_filled(&all[i], size);
	/* The slab keeps one block at most. */
	assert_in_range(alloc_live() - live, 0, 1);
	bf_slab_destroy(&slab);
	assert_int_equal(alloc_live(), live);
}

static void test_objects_do_not_overlap(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		get_and_put(sizes[i]);
}

static void test_destroy_frees_all(void **state)
{
	const long live = alloc_live();

	bf_slab_init(&slab, 100);
	for (int i = 0; i < 100; i++)
		assert_non_null(bf_slab_get(&slab));
	bf_slab_destroy(&slab);
	assert_int_equal(alloc_live(), live);
}

static void test_empty_slab_has_no_memory(void **state)
{
	const long live = alloc_live();

	bf_slab_init(&slab, 100);
	assert_int_equal(alloc_live(), live);
	bf_slab_destroy(&slab);
}

/* Most objects come out of a block that exists already. */
static void test_objects_share_blocks(void **state)
{
	void *object[64];
	int i;

	bf_slab_init(&slab, 64);
	alloc_fail_all(false);
	for (i = 0; i < 64; i++)
		object[i] = bf_slab_get(&slab);
#ifdef BF_TESTS_SANITIZED
	assert_int_equal(alloc_tried(), 64);
#else
	assert_in_range(alloc_tried(), 2, 3);
#endif
	while (i--)
		bf_slab_put(object[i]);
	bf_slab_destroy(&slab);
}

static void test_no_memory(void **state)
{
	const long live = alloc_live();
	void *object;

	bf_slab_init(&slab, BF_SLAB_MAX_SIZE);
	alloc_fail_all(true);
	assert_null(bf_slab_get(&slab));
	alloc_fail_all(false);
	object = bf_slab_get(&slab);
	assert_non_null(object);
	bf_slab_put(object);
	bf_slab_destroy(&slab);
	assert_int_equal(alloc_live(), live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects_do_not_overlap),
		cmocka_unit_test(test_destroy_frees_all),
		cmocka_unit_test(test_empty_slab_has_no_memory),
		cmocka_unit_test(test_objects_share_blocks),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
