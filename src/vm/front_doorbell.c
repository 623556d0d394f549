// SPDX-License-Identifier: MIT
/* KVM_IOEVENTFD, answered as the kernel would. */
#include <errno.h>

#include "io_bus/doorbell.h"
#include "io_bus/eventfd.h"
#include "vm/front_internal.h"
#include "vm/watch.h"

/* Has no name in the headers: accepted by the kernel, without effect. */
#define IOEVENTFD_FLAG_FAST_MMIO (1U << 4)

#define IOEVENTFD_KNOWN_FLAGS                                                 \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |              \
	 KVM_IOEVENTFD_FLAG_DEASSIGN | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY | \
	 IOEVENTFD_FLAG_FAST_MMIO)

static struct bf_io_doorbell_desc desc_of(const struct kvm_ioeventfd *arg)
{
	return (struct bf_io_doorbell_desc){
		.addr = arg->addr,
		.datamatch = arg->datamatch,
		.len = arg->len,
		.space = bf_front_space(arg->flags),
		.wildcard = !(arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.eventfd = arg->fd,
	};
}

/* By a zone that the kernel has, or is about to. */
static bool covered(const struct bf_front *front,
		    const struct kvm_ioeventfd *arg)
{
	const struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if ((z->state == FRONT_BUSY || z->state == FRONT_INSTALLED) &&
	    bf_front_zone_covers(&z->zone, arg))
		return true;
	return false;
}

/*
 * What becomes of a doorbell that the bus has just taken; lock held.  One that
 * a zone covers rings only in the kernel, so there its refusal counts.
 */
static int settle(struct bf_front *front, struct front_doorbell *d)
{
	int ret;

	if (front->vm_fd < 0)
		return 0;
	if (!covered(front, &d->arg)) {
		if (front->policy == BF_POLICY_FIRST_RUN)
			__atomic_store_n(&front->to_install, true,
					 __ATOMIC_RELAXED);
		return 0;
	}
	ret = bf_front_install(front, d);
	if (ret)
		bf_front_forget(front, d);
	return ret;
}

/*
 * What the kernel gets at once is no concern of ours: no number here keeps its
 * eventfd open, so that its last close is one, to whoever polls it.
 */
static bool is_direct(const struct bf_front *front)
{
	return front->policy == BF_POLICY_EAGER && front->vm_fd >= 0;
}

/* Lock held, dropped meanwhile. */
static int assign_direct(struct bf_front *front,
			 const struct kvm_ioeventfd *arg)
{
	int ret;

	pthread_mutex_unlock(&front->lock);
	ret = bf_front_kernel(front, KVM_IOEVENTFD, arg);
	pthread_mutex_lock(&front->lock);
	front->stats.assigned += !ret;
	front->stats.installed += !ret;
	front->stats.refused += ret == -ENOSPC || ret == -ENOMEM;
	if (!ret) {
		bf_front_told(front);
		bf_watch_doorbell(front, arg, ret);
	}
	return ret;
}

/*
 * The kernel looks at the descriptor of a deassign before it looks for the
 * doorbell, and none has length 3: an answer at a fifth of the price of asking
 * /proc.  But it takes slots_lock for that, and walks its doorbells: not while
 * somebody may hold the lock for long, nor when there are many.
 */
static bool kernel_is_quick(const struct bf_front *front)
{
	const uint64_t many = 64;

	return front->vm_fd >= 0 && front->stats.installed < many &&
	       !__atomic_load_n(&front->calls, __ATOMIC_RELAXED);
}

static int check_eventfd(void *opaque, int fd)
{
	const struct kvm_ioeventfd arg = {
		.len = 3,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DEASSIGN,
	};
	struct bf_front *front = opaque;
	int ret;

	if (!kernel_is_quick(front))
		return bf_eventfd_check(fd);
	ret = bf_front_kernel(front, KVM_IOEVENTFD, &arg);
	return ret == -ENOENT ? 0 : ret;
}

static int add_doorbell(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	struct bf_io_doorbell_desc desc = desc_of(arg);
	struct front_doorbell *d = bf_slab_get(&front->doorbells);
	int ret;

	if (!d)
		return -ENOMEM;
	*d = (struct front_doorbell){.arg = *arg};
	desc.opaque = d;
	desc.counted = true;
	ret = bf_doorbell_add(front->bus, &desc, front, check_eventfd,
			      &d->handle);
	if (ret) {
		bf_slab_put(d);
		return ret;
	}
	TAILQ_INSERT_TAIL(&front->pending, d, entry);
	bf_front_count_pending(front, 1);
	ret = settle(front, d);
	if (!ret)
		front->stats.assigned++;
	return ret;
}

/*
 * Out of memory or descriptors here is no reason to fail a VMM that would
 * live without us: the kernel gets the call as it is.
 */
static int assign(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	bool direct;
	int ret;

	if (arg->flags & ~IOEVENTFD_KNOWN_FLAGS)
		return front->vm_fd < 0 ?
			       -EINVAL :
			       bf_front_kernel(front, KVM_IOEVENTFD, arg);
	pthread_mutex_lock(&front->lock);
	direct = is_direct(front);
	ret = direct ? assign_direct(front, arg) : add_doorbell(front, arg);
	pthread_mutex_unlock(&front->lock);
	if ((ret == -ENOMEM || ret == -EMFILE) && front->vm_fd >= 0 && !direct)
		ret = bf_front_kernel(front, KVM_IOEVENTFD, arg);
	return ret;
}

/* Not ours: one that went past us, or none at all, and the kernel knows. */
static int deassign_unknown(struct bf_front *front,
			    const struct kvm_ioeventfd *arg)
{
	int ret;

	if (front->vm_fd >= 0)
		return bf_front_kernel(front, KVM_IOEVENTFD, arg);
	ret = bf_eventfd_check(arg->fd);
	return ret ? ret : -ENOENT;
}

typedef struct bf_io_doorbell *(*find_fn)(struct bf_io_bus *bus,
					  const struct bf_io_doorbell_desc *,
					  const void *owner);

/* Ours, not busy, or NULL.  Lock held, dropped while it is busy. */
static struct front_doorbell *find_doorbell(struct bf_front *front,
					    const struct kvm_ioeventfd *arg,
					    find_fn find)
{
	struct bf_io_doorbell_desc desc = desc_of(arg);
	struct bf_io_doorbell *handle;
	struct front_doorbell *d;

	while ((handle = find(front->bus, &desc, front))) {
		d = bf_io_doorbell_opaque(handle);
		if (d->state != FRONT_BUSY)
			return d;
		pthread_cond_wait(&front->not_busy, &front->lock);
	}
	return NULL;
}

int bf_front_removed(struct bf_front *front, const struct kvm_ioeventfd *arg,
		     int ret)
{
	enum front_state state = ret ? FRONT_REFUSED : FRONT_INSTALLED;
	struct front_doorbell *d;

	if (ret && ret != -ENOENT)
		return ret;
	pthread_mutex_lock(&front->lock);
	d = find_doorbell(front, arg, bf_doorbell_at);
	if (d && d->state == state)
		bf_front_forget(front, d);
	else
		d = NULL;
	front->stats.deassigned += d || !ret;
	pthread_mutex_unlock(&front->lock);
	return d ? 0 : ret;
}

/* True: the kernel has it, if anybody has.  Lock held, dropped meanwhile. */
static bool kernel_removes(struct bf_front *front,
			   const struct kvm_ioeventfd *arg)
{
	struct front_doorbell *d;

	if (!is_direct(front))
		return false;
	d = find_doorbell(front, arg, bf_doorbell_at);
	return !d || d->state == FRONT_INSTALLED;
}

static int deassign_direct(struct bf_front *front,
			   const struct kvm_ioeventfd *arg)
{
	int ret = bf_front_kernel(front, KVM_IOEVENTFD, arg);

	return bf_front_removed(front, arg, ret);
}

static int deassign_here(struct bf_front *front,
			 const struct kvm_ioeventfd *arg)
{
	struct front_doorbell *d;

	pthread_mutex_lock(&front->lock);
	d = find_doorbell(front, arg, bf_doorbell_find);
	if (d) {
		front->stats.deassigned++;
		bf_front_remove(front, d);
	}
	pthread_mutex_unlock(&front->lock);
	return d ? 0 : deassign_unknown(front, arg);
}

static int deassign(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	bool direct;
	int ret;

	pthread_mutex_lock(&front->lock);
	direct = kernel_removes(front, arg);
	pthread_mutex_unlock(&front->lock);
	ret = direct ? deassign_direct(front, arg) : deassign_here(front, arg);
	bf_front_disturb(front);
	return ret;
}

int bf_front_ioeventfd(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	if (arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return deassign(front, arg);
	return assign(front, arg);
}
