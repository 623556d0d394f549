// SPDX-License-Identifier: MIT
/* KVM_IOEVENTFD, answered as the kernel answers it. */
#include <errno.h>

#include "front/internal.h"
#include "io_bus/doorbell.h"
#include "io_bus/eventfd.h"

/* No header names this flag; the kernel accepts it, and it has no effect. */
#define IOEVENTFD_FLAG_FAST_MMIO (1U << 4)

#define IOEVENTFD_FLAGS                                                       \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |              \
	 KVM_IOEVENTFD_FLAG_DEASSIGN | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY | \
	 IOEVENTFD_FLAG_FAST_MMIO)

/* With more doorbells than this, the kernel's search for one takes long. */
#define FEW_INSTALLED 64

static struct bf_io_doorbell_desc desc_of(const struct kvm_ioeventfd *arg)
{
	return (struct bf_io_doorbell_desc){
		.addr = arg->addr,
		.datamatch = arg->datamatch,
		.len = arg->len,
		.space = front_space(arg->flags),
		.wildcard = !(arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.consumer = BF_IO_CONSUMER_EVENTFD,
		.eventfd = arg->fd,
	};
}

/*
 * Lock held, lock dropped.  The front keeps nothing of such a doorbell, not
 * even a duplicate of the eventfd: so the last close() of the VMM is the last
 * close, and raises EPOLLHUP.
 */
static int assign_in_kernel(struct bf_front *front,
			    const struct kvm_ioeventfd *arg)
{
	int ret;

	pthread_mutex_unlock(&front->lock);
	ret = bf_front_kernel(front, KVM_IOEVENTFD, arg);
	pthread_mutex_lock(&front->lock);
	if (ret == -ENOSPC || ret == -ENOMEM)
		front_count(front, BF_FRONT_REFUSED);
	if (!ret) {
		front_count(front, BF_FRONT_ASSIGNED);
		front_count(front, BF_FRONT_INSTALLED);
		bf_front_note_install(front);
		if (bf_front_watch)
			bf_front_watch->doorbell(front, arg, ret);
	}
	return ret;
}

/*
 * The kernel validates the eventfd of a removal before it searches the
 * doorbell, and no doorbell has length 3: a removal of length 3 is a fifth of
 * the price of reading /proc.  But the kernel takes slots_lock for it and walks
 * its doorbells.  So the front does not ask while a call may hold the lock for
 * long, nor when the kernel has many doorbells.
 */
static bool kernel_is_quick(const struct bf_front *front)
{
	return front->vm_fd >= 0 &&
	       front->counters[BF_FRONT_INSTALLED] < FEW_INSTALLED &&
	       !__atomic_load_n(&front->calls, __ATOMIC_RELAXED);
}

/* 0; -EBADF: not open; -EINVAL: not an eventfd. */
static int check_eventfd(struct bf_front *front, int fd)
{
	const struct kvm_ioeventfd arg = {
		.len = 3,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DEASSIGN,
	};
	int ret;

	if (!kernel_is_quick(front))
		return bf_eventfd_check(fd);
	ret = bf_front_ask_kernel(front, KVM_IOEVENTFD, &arg);
	return ret == -ENOENT ? 0 : ret;
}

/* The bus's duplicate of the eventfd, or the errno that the kernel has for fd. */
static int get_eventfd(struct bf_front *front, int fd,
		       struct bf_shared_eventfd **eventfdp)
{
	struct bf_eventfd_pool *pool = &front->bus->eventfds;
	int ret = bf_eventfd_get(pool, fd, eventfdp);

	if (ret || bf_eventfd_is_valid(*eventfdp))
		return ret;
	ret = check_eventfd(front, (*eventfdp)->eventfd.fd);
	if (ret)
		bf_eventfd_put(pool, *eventfdp);
	else
		bf_eventfd_set_valid(*eventfdp);
	return ret;
}

/* The kernel makes these checks before it looks at the eventfd. */
static int check_arg(const struct kvm_ioeventfd *arg)
{
	if (arg->len > 8 || arg->len & (arg->len - 1))
		return -EINVAL;
	/* The kernel refuses a range that ends at 2^64, too. */
	if (arg->addr + arg->len < arg->addr)
		return -EINVAL;
	if (!arg->len && arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		return -EINVAL;
	return 0;
}

/*
 * Lock held.  The checks come in the kernel's order: argument, eventfd,
 * collision.
 */
static int add_to_bus(struct bf_front *front, const struct kvm_ioeventfd *arg,
		      struct front_doorbell **dp)
{
	struct bf_io_doorbell_desc desc = desc_of(arg);
	struct bf_shared_eventfd *eventfd;
	struct bf_io_doorbell *handle;
	int ret = check_arg(arg);

	if (!ret)
		ret = get_eventfd(front, arg->fd, &eventfd);
	if (ret)
		return ret;
	desc.counted = true;
	ret = bf_doorbell_add(front->bus, &desc, eventfd, front, sizeof(**dp),
			      &handle);
	if (ret)
		return ret;
	*dp = bf_io_doorbell_opaque(handle);
	(*dp)->handle = handle;
	(*dp)->arg = *arg;
	return 0;
}

/* Lock held, dropped if the policy installs the doorbell at once. */
static int assign_on_bus(struct bf_front *front,
			 const struct kvm_ioeventfd *arg)
{
	struct front_doorbell *d;
	int ret = add_to_bus(front, arg, &d);

	if (ret)
		return ret;
	TAILQ_INSERT_TAIL(&front->pending, d, entry);
	front_count_pending(front, 1);
	ret = bf_front_apply_policy(front, d);
	if (!ret)
		front_count(front, BF_FRONT_ASSIGNED);
	return ret;
}

/*
 * If the front is out of memory or descriptors, the kernel gets the call: a VMM
 * that runs without the front must run with it.
 */
static int assign(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	bool eager;
	int ret;

	if (arg->flags & ~IOEVENTFD_FLAGS)
		return front->vm_fd < 0 ?
			       -EINVAL :
			       bf_front_kernel(front, KVM_IOEVENTFD, arg);
	pthread_mutex_lock(&front->lock);
	/* A doorbell that the kernel refused collides on the bus alone. */
	eager = front_is_eager(front) && !front->nr_refused;
	ret = eager ? assign_in_kernel(front, arg) : assign_on_bus(front, arg);
	if ((ret == -ENOMEM || ret == -EMFILE) && front->vm_fd >= 0 && !eager)
		ret = assign_in_kernel(front, arg);
	pthread_mutex_unlock(&front->lock);
	return ret;
}

/*
 * The doorbell of the argument, or with BF_IO_CONSUMER_NONE that with any
 * eventfd.  Lock held, dropped while the doorbell is busy.  NULL: the front has
 * none.
 */
static struct front_doorbell *find_doorbell(struct bf_front *front,
					    const struct kvm_ioeventfd *arg,
					    enum bf_io_consumer consumer)
{
	struct bf_io_doorbell_desc desc = desc_of(arg);
	struct bf_io_doorbell *handle;
	struct front_doorbell *d;

	desc.consumer = consumer;
	while ((handle = bf_doorbell_find(front->bus, &desc, front))) {
		d = bf_io_doorbell_opaque(handle);
		if (d->state != FRONT_BUSY)
			return d;
		pthread_cond_wait(&front->state_changed, &front->lock);
	}
	return NULL;
}

int bf_front_note_removal(struct bf_front *front,
			  const struct kvm_ioeventfd *arg, int ret)
{
	enum front_state state = ret ? FRONT_REFUSED : FRONT_INSTALLED;
	struct front_doorbell *d;

	if (ret && ret != -ENOENT)
		return ret;
	pthread_mutex_lock(&front->lock);
	d = find_doorbell(front, arg, BF_IO_CONSUMER_NONE);
	if (d && d->state == state)
		bf_front_drop(front, d);
	else
		d = NULL;
	if (d || !ret)
		front_count(front, BF_FRONT_DEASSIGNED);
	pthread_mutex_unlock(&front->lock);
	return d ? 0 : ret;
}

/*
 * True: if the doorbell exists, the kernel has it.  Lock held, dropped while
 * the doorbell is busy.
 */
static bool only_kernel_has(struct bf_front *front,
			    const struct kvm_ioeventfd *arg)
{
	struct front_doorbell *d;

	if (!front_is_eager(front))
		return false;
	d = find_doorbell(front, arg, BF_IO_CONSUMER_NONE);
	return !d || d->state == FRONT_INSTALLED;
}

/* The caller has looked for a refused doorbell with this eventfd. */
static int deassign_in_kernel(struct bf_front *front,
			      const struct kvm_ioeventfd *arg)
{
	int ret = bf_front_kernel(front, KVM_IOEVENTFD, arg);

	return ret ? ret : bf_front_note_removal(front, arg, ret);
}

/* The doorbell does not exist, or only the kernel has it. */
static int deassign_unknown(struct bf_front *front,
			    const struct kvm_ioeventfd *arg)
{
	int ret;

	if (front->vm_fd < 0) {
		ret = bf_eventfd_check(arg->fd);
		return ret ? ret : -ENOENT;
	}
	return deassign_in_kernel(front, arg);
}

static int deassign_on_bus(struct bf_front *front,
			   const struct kvm_ioeventfd *arg)
{
	struct front_doorbell *d;

	pthread_mutex_lock(&front->lock);
	d = find_doorbell(front, arg, BF_IO_CONSUMER_EVENTFD);
	if (d) {
		front_count(front, BF_FRONT_DEASSIGNED);
		bf_front_remove_doorbell(front, d);
	}
	pthread_mutex_unlock(&front->lock);
	return d ? 0 : deassign_unknown(front, arg);
}

static int deassign(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	bool in_kernel;
	int ret;

	pthread_mutex_lock(&front->lock);
	in_kernel = only_kernel_has(front, arg);
	pthread_mutex_unlock(&front->lock);
	ret = in_kernel ? deassign_in_kernel(front, arg) :
			  deassign_on_bus(front, arg);
	bf_front_note_call(front);
	return ret;
}

int bf_front_ioeventfd(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	if (arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return deassign(front, arg);
	return assign(front, arg);
}

int bf_front_doorbell_signals(struct bf_front *front,
			      const struct kvm_ioeventfd *arg,
			      uint64_t *signals, bool *installed)
{
	struct front_doorbell *d;

	pthread_mutex_lock(&front->lock);
	d = find_doorbell(front, arg, BF_IO_CONSUMER_NONE);
	if (d) {
		*signals = bf_io_doorbell_signals(d->handle);
		*installed = d->state == FRONT_INSTALLED;
	}
	pthread_mutex_unlock(&front->lock);
	return d ? 0 : -ENOENT;
}
