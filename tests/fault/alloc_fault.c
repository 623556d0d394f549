// SPDX-License-Identifier: MIT
/* Wrappers of malloc() and its like, for the linker's --wrap. */
#include "alloc_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static int fail_at, fail_from, tried;
static long live;

void alloc_fail_at(int n)
{
	__atomic_store_n(&tried, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&fail_at, n, __ATOMIC_RELAXED);
}

void alloc_fail_from(int n)
{
	__atomic_store_n(&tried, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&fail_from, n, __ATOMIC_RELAXED);
}

void alloc_fail_all(bool fail)
{
	alloc_fail_from(fail ? 1 : 0);
}

int alloc_tried(void)
{
	return __atomic_load_n(&tried, __ATOMIC_RELAXED);
}

long alloc_live(void)
{
	return __atomic_load_n(&live, __ATOMIC_RELAXED);
}

static bool next_fails(void)
{
	int number = __atomic_add_fetch(&tried, 1, __ATOMIC_RELAXED);
	int from = __atomic_load_n(&fail_from, __ATOMIC_RELAXED);

	return (from && number >= from) ||
	       number == __atomic_load_n(&fail_at, __ATOMIC_RELAXED);
}

static void count_live(long n)
{
	__atomic_fetch_add(&live, n, __ATOMIC_RELAXED);
}

static void *count_block(void *block)
{
	if (block)
		count_live(1);
	return block;
}

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
void __real_free(void *block);
void *__real_mmap64(void *addr, size_t size, int prot, int flags, int fd,
		    off_t offset);
int __real_munmap(void *addr, size_t size);
int __real_memfd_create(const char *name, unsigned int flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
void __wrap_free(void *block);
void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd,
		    off_t offset);
int __wrap_munmap(void *addr, size_t size);
int __wrap_memfd_create(const char *name, unsigned int flags);

void *__wrap_malloc(size_t size)
{
	return next_fails() ? no_memory() : count_block(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return next_fails() ? no_memory() : count_block(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t size)
{
	void *moved = next_fails() ? no_memory() : __real_realloc(block, size);

	if (moved && !block)
		count_live(1);
	return moved;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return next_fails() ?
		       no_memory() :
		       count_block(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
	int ret = next_fails() ? ENOMEM :
				 __real_posix_memalign(block, alignment, size);

	if (!ret)
		count_live(1);
	return ret;
}

void __wrap_free(void *block)
{
	if (block)
		count_live(-1);
	__real_free(block);
}

/* Meson turns on 64-bit offsets, under which mmap() is mmap64(). */
void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd,
		    off_t offset)
{
	void *mapped = MAP_FAILED;

	if (next_fails())
		no_memory();
	else
		mapped = __real_mmap64(addr, size, prot, flags, fd, offset);
	if (mapped != MAP_FAILED)
		count_live(1);
	return mapped;
}

int __wrap_munmap(void *addr, size_t size)
{
	count_live(-1);
	return __real_munmap(addr, size);
}

int __wrap_memfd_create(const char *name, unsigned int flags)
{
	if (!next_fails())
		return __real_memfd_create(name, flags);
	no_memory();
	return -1;
}
