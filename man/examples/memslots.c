// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/ioctl.h>

#include <belfry/memslots.h>

/*
 * A guest with 1 GiB, and a device that reads a request:
 */
static int add_memory(struct bf_memslots *map)
{
	const struct bf_memslots_backing_desc desc = {
		.size = 1 << 30,
		.huge = true,
	};
	struct kvm_userspace_memory_region slot = {.slot = 0};
	struct bf_memslots_backing backing;
	int err = bf_memslots_backing_create(&desc, &backing);

	if (err)
		return err;
	slot.memory_size = backing.size;
	slot.userspace_addr = (uintptr_t)backing.hva;
	err = bf_memslots_set(map, &slot);
	if (err)
		bf_memslots_backing_destroy(&backing);
	return err;
}

static int read_request(struct bf_memslots *map, uint64_t gpa, void *request,
			size_t size)
{
	if (bf_memslots_read(map, 0, gpa, request, size) != size)
		return -EFAULT;
	return 0;
}

/*
 * The pages of a slot to send in a live migration: those that the guest wrote,
 * and those that devices wrote.
 */
static int dirty_pages(struct bf_memslots *map, int vm_fd, uint32_t slot,
		       uint64_t *bitmap, uint64_t *devices, size_t words)
{
	struct kvm_dirty_log log = {.slot = slot, .dirty_bitmap = bitmap};
	size_t i;
	int err;

	if (ioctl(vm_fd, KVM_GET_DIRTY_LOG, &log))
		return -errno;
	log.dirty_bitmap = devices;
	err = bf_memslots_get_dirty_log(map, &log);
	for (i = 0; !err && i < words; i++)
		bitmap[i] |= devices[i];
	return err;
}

/*
 * A queue that a device reads all the time:
 */
struct queue {
	struct bf_memslots_pinned *pin;
	void *ring;
	bool stop;
};

static bool queue_revoke(void *opaque)
{
	struct queue *queue = opaque;

	__atomic_store_n(&queue->stop, true, __ATOMIC_RELAXED);
	return false; /* the queue's thread calls bf_memslots_unpin() */
}

static int queue_start(struct queue *queue, struct bf_memslots *map,
		       uint64_t gpa, uint64_t size)
{
	const struct bf_memslots_pin_desc desc = {
		.gpa = gpa,
		.len = size,
		.write = true,
		.revoke = queue_revoke,
		.opaque = queue,
	};

	return bf_memslots_pin(map, &desc, &queue->pin, &queue->ring);
}
