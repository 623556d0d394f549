// SPDX-License-Identifier: MIT
/* Memory of the library's own behind slots. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "belfry/memslots.h"
#include "base/util.h"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A huge page of the usual size: what to align to, and the guards' size. */
#define ALIGNMENT (2ULL << 20)
#define MAX_SIZE  (1ULL << 46)
#define MAX_NODES 1024

/* Prefaulted at a time: often enough to show, seldom enough not to matter. */
#define STEPS	 100
#define MIN_STEP (16ULL << 20)

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

static int open_file(const struct bf_memslots_backing_desc *desc,
		     unsigned int flags, uint64_t size)
{
	const char *name = desc->name ? desc->name : "guest";
	int ret, fd = memfd_create(name, MFD_CLOEXEC | flags);

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size))
		return fd;
	ret = -errno;
	close(fd);
	return ret == -EFBIG ? -EINVAL : ret;
}

/* With both guards. */
static uint64_t area_size(uint64_t size)
{
	return round_up(size, ALIGNMENT) + 2 * ALIGNMENT;
}

/* Inaccessible and aligned; NULL: no memory. */
static char *reserve(uint64_t size)
{
	char *area = mmap(NULL, size + ALIGNMENT, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (area == MAP_FAILED)
		return NULL;
	before = -(uint64_t)(uintptr_t)area & (ALIGNMENT - 1);
	if (before)
		munmap(area, before);
	munmap(area + before + size, ALIGNMENT - before);
	return area + before;
}

/* The file between guards. */
static void *map_guarded(int fd, uint64_t size)
{
	char *area = reserve(area_size(size));
	int error;

	if (!area)
		return NULL;
	if (mmap(area + ALIGNMENT, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
		return area + ALIGNMENT;
	error = errno;
	munmap(area, area_size(size));
	errno = error;
	return NULL;
}

/* One kind of page; the mapping reserves huge ones, or fails. */
static int make(struct bf_memslots_backing *backing,
		const struct bf_memslots_backing_desc *desc, bool huge)
{
	uint64_t page = huge ? ALIGNMENT : (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = round_up(desc->size, page);
	int ret, fd;

	fd = open_file(desc, huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0, size);
	if (fd < 0)
		return fd;
	backing->hva = map_guarded(fd, size);
	if (!backing->hva) {
		ret = -errno;
		close(fd);
		return ret;
	}
	backing->size = size;
	backing->page_size = page;
	backing->fd = fd;
	return 0;
}

static int bind_to_node(const struct bf_memslots_backing *backing,
			uint32_t node)
{
	const unsigned int bits = 8 * sizeof(unsigned long);
	unsigned long mask[MAX_NODES / (8 * sizeof(unsigned long)) + 1] = {0};

	if (node >= MAX_NODES)
		return -EINVAL;
	mask[node / bits] = 1UL << node % bits;
	/* The kernel takes one bit less than it is told. */
	if (syscall(SYS_mbind, backing->hva, backing->size, MPOL_BIND, mask,
		    (unsigned long)MAX_NODES + 1, 0))
		return -errno;
	return 0;
}

int bf_memslots_backing_create(const struct bf_memslots_backing_desc *desc,
			       struct bf_memslots_backing *backing)
{
	struct bf_memslots_backing made;
	int ret;

	if (!desc->size || desc->size > MAX_SIZE ||
	    !bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	ret = make(&made, desc, desc->huge);
	if (ret && desc->huge)
		ret = make(&made, desc, false);
	if (ret)
		return ret;
	/* A wish: where the kernel knows of none, it says so, and no matter. */
	if (desc->huge && made.page_size != ALIGNMENT)
		madvise(made.hva, made.size, MADV_HUGEPAGE);
	ret = desc->bind ? bind_to_node(&made, desc->node) : 0;
	if (ret)
		bf_memslots_backing_destroy(&made);
	else
		*backing = made;
	return ret;
}

void bf_memslots_backing_destroy(struct bf_memslots_backing *backing)
{
	munmap((char *)backing->hva - ALIGNMENT, area_size(backing->size));
	close(backing->fd);
}

/* Before Linux 5.14: a write to each page that changes nothing. */
static void touch_pages(char *hva, uint64_t size, uint64_t page)
{
	uint64_t offset;

	for (offset = 0; offset < size; offset += page)
		__atomic_fetch_or(hva + offset, 0, __ATOMIC_RELAXED);
}

static int populate(char *hva, uint64_t size, uint64_t page)
{
	if (!madvise(hva, size, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return -errno;
	touch_pages(hva, size, page);
	return 0;
}

int bf_memslots_backing_prefault(struct bf_memslots_backing *backing,
				 int (*progress)(void *opaque, uint64_t done,
						 uint64_t total),
				 void *opaque)
{
	uint64_t total = backing->size, done, step;
	int ret;

	step = round_up(total / STEPS, ALIGNMENT);
	if (step < MIN_STEP)
		step = MIN_STEP;
	for (done = 0; done < total; done += step) {
		if (step > total - done)
			step = total - done;
		ret = populate((char *)backing->hva + done, step,
			       backing->page_size);
		if (ret)
			return ret;
		if (progress && progress(opaque, done + step, total))
			return -ECANCELED;
	}
	return 0;
}
