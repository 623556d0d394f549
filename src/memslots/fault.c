// SPDX-License-Identifier: MIT
/*
 * Copies that survive a fault of the memory.  The kernel makes them, by
 * process_vm_readv(2) and process_vm_writev(2) on this process, and returns an
 * errno where a load or a store here would raise a signal.  A handler of that
 * signal would belong to the whole process, and the VMM may have its own.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "memslots/memslots.h"

/*
 * Returns the bytes before the first that faults, or a negative errno.  A
 * seccomp filter that answers 0 allows the call as little as one with an errno.
 * By the number of this thread: the process has the number of its first thread,
 * which has no memory any more if it called pthread_exit().
 */
static ssize_t part_copy(void *hva, void *buf, size_t len, bool write)
{
	const struct iovec local = {buf, len}, remote = {hva, len};
	const pid_t tid = (pid_t)syscall(SYS_gettid);
	ssize_t ret;

	if (write)
		ret = process_vm_writev(tid, &local, 1, &remote, 1, 0);
	else
		ret = process_vm_readv(tid, &local, 1, &remote, 1, 0);
	if (!ret)
		return -EPERM;
	return ret < 0 ? -errno : ret;
}

/* Copies from one slot: at most len bytes; -ENOENT: there is none. */
static ssize_t part_try(const struct bf_memslots_snapshot *snapshot,
			uint32_t space, uint64_t gpa, char *buf, size_t len,
			bool write)
{
	uint64_t part;
	void *hva = bf_memslots_span(snapshot, space, gpa, write, &part);
	ssize_t ret;

	if (!hva)
		return -ENOENT;
	ret = part_copy(hva, buf, part < len ? part : len, write);
	if (ret > 0 && write)
		bf_memslots_mark_dirty(snapshot, space, gpa, (uint64_t)ret);
	return ret;
}

/* After a part that is short, the next one tells the reason. */
static int try_copy(const struct bf_memslots_snapshot *snapshot, uint32_t space,
		    uint64_t gpa, char *buf, size_t len, bool write,
		    size_t *done)
{
	ssize_t ret;

	for (*done = 0; *done < len; *done += (size_t)ret) {
		ret = part_try(snapshot, space, gpa + *done, buf + *done,
			       len - *done, write);
		if (ret < 0)
			return (int)ret;
	}
	return 0;
}

int bf_memslots_try_read(const struct bf_memslots_snapshot *snapshot,
			 uint32_t space, uint64_t gpa, void *buf, size_t len,
			 size_t *done)
{
	return try_copy(snapshot, space, gpa, buf, len, false, done);
}

int bf_memslots_try_write(const struct bf_memslots_snapshot *snapshot,
			  uint32_t space, uint64_t gpa, const void *buf,
			  size_t len, size_t *done)
{
	return try_copy(snapshot, space, gpa, (char *)(uintptr_t)buf, len, true,
			done);
}
