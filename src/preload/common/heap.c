/* SPDX-License-Identifier: MIT */
/*
 * The linker redirects the calls of the library's own code to these functions
 * (-Wl,--wrap).  The end of a VM frees memory, and close() in a signal handler
 * may be that end.  The handler may have interrupted malloc(), so free() only
 * puts the memory into a list.  The next allocation of the library, which no
 * function makes that is safe in a handler, gives the list to the C library.
 */
#include <stdatomic.h>
#include <stddef.h>

/* At the begin of the freed memory: malloc() returns 24 bytes at least. */
struct freed {
	struct freed *next;
};

static _Atomic(struct freed *) freed_list;

void __real_free(void *memory);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **memoryp, size_t align, size_t size);

void __wrap_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **memoryp, size_t align, size_t size);

/*
 * Release: orders the last accesses to the memory, and the link in it, before
 * its address in the list, for give_back().  Without it the C library could
 * hand the memory out while this thread still uses it.
 */
void __wrap_free(void *memory)
{
	struct freed *freed = memory;

	if (!freed)
		return;
	freed->next = atomic_load_explicit(&freed_list, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&freed_list, &freed->next, freed, memory_order_release,
		memory_order_relaxed))
		;
}

/* Acquire: pairs with the release in __wrap_free(). */
static void give_back(void)
{
	struct freed *freed, *next;

	if (!atomic_load_explicit(&freed_list, memory_order_relaxed))
		return;
	freed = atomic_exchange_explicit(&freed_list, NULL,
					 memory_order_acquire);
	for (; freed; freed = next) {
		next = freed->next;
		__real_free(freed);
	}
}

void *__wrap_malloc(size_t size)
{
	give_back();
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	give_back();
	return __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	give_back();
	return __real_aligned_alloc(align, size);
}

int __wrap_posix_memalign(void **memoryp, size_t align, size_t size)
{
	give_back();
	return __real_posix_memalign(memoryp, align, size);
}
