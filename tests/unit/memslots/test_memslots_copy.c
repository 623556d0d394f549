// SPDX-License-Identifier: MIT
/* Guest memory as scatter lists, and copies to and from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "memslots_fixture.h"

static void test_scatter_list(void **state)
{
	struct bf_memslots_snapshot snapshot;
	struct iovec iov[3];
	uint64_t covered;

	assert_int_equal(set(0, 0, 2, 0), 0);
	assert_int_equal(set(1, 2 * PAGE, 1, 2),
			 0); /* contiguous in the host */
	assert_int_equal(set(2, 3 * PAGE, 1, 8), 0);
	assert_int_equal(set(3, 4 * PAGE, 1, 6), 0);
	bf_memslots_take(map, &snapshot);
	assert_int_equal(bf_memslots_iov(&snapshot, 0, 8, 5 * PAGE, true, iov,
					 3, &covered),
			 3);
	assert_int_equal(covered, 5 * PAGE - 8);
	assert_ptr_equal(iov[0].iov_base, memory + 8);
	assert_int_equal(iov[0].iov_len, 3 * PAGE - 8);
	assert_ptr_equal(iov[1].iov_base, memory + 8 * PAGE);
	assert_ptr_equal(iov[2].iov_base, memory + 6 * PAGE);
	assert_int_equal(bf_memslots_iov(&snapshot, 0, 8, 5 * PAGE, true, iov,
					 2, &covered),
			 2);
	assert_int_equal(covered, 4 * PAGE - 8);
	assert_int_equal(
		bf_memslots_iov(&snapshot, 0, 8, 1, true, iov, 0, NULL), 0);
	bf_memslots_drop(&snapshot);
}

static void test_copy_stops_at_the_edge(void **state)
{
	static char out[3 * MAX_PAGE], in[3 * MAX_PAGE];
	const size_t size = 3 * PAGE;
	size_t i;

	for (i = 0; i < size; i++)
		out[i] = (char)(i * 31 / 7);
	assert_int_equal(set(0, 0, 1, 4), 0);
	assert_int_equal(set(1, PAGE, 1, 0), 0);
	assert_int_equal(bf_memslots_write(map, 0, 5, out, size), 2 * PAGE - 5);
	assert_int_equal(bf_memslots_read(map, 0, 5, in, size), 2 * PAGE - 5);
	assert_memory_equal(in, out, 2 * PAGE - 5);
	assert_int_equal(memory[4 * PAGE + 5], out[0]);
	assert_int_equal(memory[0], out[PAGE - 5]);
	assert_int_equal(bf_memslots_read(map, 0, UINT64_MAX, in, 2), 0);
	assert_int_equal(bf_memslots_read(map, 1, 0, in, 2), 0);
}

static void test_read_only(void **state)
{
	struct kvm_userspace_memory_region change = region(1, PAGE, 1, 1);
	static char buf[2 * MAX_PAGE] = "guest";
	const size_t size = 2 * PAGE;

	change.flags = KVM_MEM_READONLY;
	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(bf_memslots_set(map, &change), 0);
	assert_int_equal(bf_memslots_write(map, 0, 0, buf, size), PAGE);
	assert_int_equal(bf_memslots_write(map, 0, PAGE, buf, 1), 0);
	assert_int_equal(bf_memslots_read(map, 0, 0, buf, size), size);
	assert_null(find(PAGE, 1, true));
	assert_non_null(find(PAGE, 1, false));
}

/* A guest may tell a device to copy within guest memory, with an overlap. */
static void test_copy_within_guest_memory(void **state)
{
	assert_int_equal(set(0, 0, 2, 0), 0);
	strcpy(memory, "overlapping");
	assert_int_equal(bf_memslots_write(map, 0, 4, memory, 12), 12);
	assert_string_equal(memory + 4, "overlapping");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_scatter_list),
		MAP_TEST(test_copy_stops_at_the_edge),
		MAP_TEST(test_read_only),
		MAP_TEST(test_copy_within_guest_memory),
	};

	return cmocka_run_group_tests_name("memslots_copy", tests, NULL, NULL);
}
