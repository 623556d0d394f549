// SPDX-License-Identifier: MIT
/* The life of a front, and its counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "front/internal.h"

static struct bf_front *front_alloc(void)
{
	struct bf_front *front = NULL;

	if (posix_memalign((void **)&front, __alignof__(*front),
			   sizeof(*front)))
		return NULL;
	memset(front, 0, sizeof(*front));
	TAILQ_INIT(&front->pending);
	TAILQ_INIT(&front->queued);
	TAILQ_INIT(&front->tracked);
	TAILQ_INIT(&front->zones);
	pthread_mutex_init(&front->lock, NULL);
	pthread_cond_init(&front->state_changed, NULL);
	pthread_mutex_init(&front->vcpus_lock, NULL);
	TAILQ_INIT(&front->vcpus);
	return front;
}

static void front_free(struct bf_front *front)
{
	bf_front_install_destroy(front);
	pthread_cond_destroy(&front->state_changed);
	pthread_mutex_destroy(&front->lock);
	pthread_mutex_destroy(&front->vcpus_lock);
	free(front);
}

/* Only a VM reads the argument of KVM_IOEVENTFD, and fails to. */
static int check_vm(int vm_fd)
{
	if (vm_fd == -1 || !syscall(SYS_ioctl, vm_fd, KVM_IOEVENTFD, NULL) ||
	    errno == EFAULT)
		return 0;
	return errno == EBADF || errno == EIO ? -errno : -ENOTTY;
}

static int check_attach(int vm_fd, const struct bf_front_config *config)
{
	if (config->policy > BF_POLICY_EAGER ||
	    !bf_reserved_is_zero(config->reserved))
		return -EINVAL;
	return check_vm(vm_fd);
}

/* KVM and the readers have the change already. */
static void note_slot_change(void *opaque)
{
	bf_front_note_call(opaque);
}

static int connect_layers(struct bf_front *front,
			  const struct bf_front_config *config)
{
	const struct bf_memslots_listener_desc listener = {
		.commit = note_slot_change,
		.opaque = front,
	};
	int ret = 0;

	front->bus = config->bus;
	front->owns_bus = !config->bus;
	if (front->owns_bus)
		ret = bf_io_bus_create("front", &front->bus);
	if (ret || !config->memslots)
		return ret;
	ret = bf_memslots_listen(config->memslots, &listener, &front->listener);
	if (ret && front->owns_bus)
		bf_io_bus_destroy(front->bus);
	return ret;
}

int bf_front_attach(int vm_fd, const struct bf_front_config *config,
		    struct bf_front **frontp)
{
	static const struct bf_front_config defaults;
	struct bf_front *front;
	int ret;

	if (!config)
		config = &defaults;
	ret = check_attach(vm_fd, config);
	if (ret)
		return ret;
	front = front_alloc();
	if (!front)
		return -ENOMEM;
	front->vm_fd = vm_fd;
	bf_front_install_init(front, config);
	ret = connect_layers(front, config);
	if (ret) {
		front_free(front);
		return ret;
	}
	*frontp = front;
	return 0;
}

void bf_front_stop(struct bf_front *front)
{
	pthread_mutex_lock(&front->lock);
	front->stopped = true;
	pthread_mutex_unlock(&front->lock);
	bf_front_install_stop(front);
	if (front->listener)
		bf_memslots_unlisten(front->listener);
	front->listener = NULL;
}

void bf_front_destroy(struct bf_front *front)
{
	if (!front)
		return;
	bf_front_stop(front);
	/* The owner of the bus destroys it next, with the doorbells on it. */
	while (!TAILQ_EMPTY(&front->zones))
		bf_front_free_zone(front, TAILQ_FIRST(&front->zones));
	if (front->owns_bus)
		bf_io_bus_destroy(front->bus);
	front_free(front);
}

static void retry_refused_zones(struct bf_front *front)
{
	struct front_zone *z;

	pthread_mutex_lock(&front->lock);
	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_REFUSED) {
		z->state = FRONT_PENDING;
		front_count_pending(front, 1);
	}
	pthread_mutex_unlock(&front->lock);
}

/* What the kernel refused once gets another chance. */
static int hand_over(struct bf_front *front)
{
	struct front_doorbell *d, *next;
	int ret;

	retry_refused_zones(front);
	ret = bf_front_install_all(front);
	pthread_mutex_lock(&front->lock);
	for (d = TAILQ_FIRST(&front->tracked); d && !ret; d = next) {
		next = TAILQ_NEXT(d, entry);
		if (d->state == FRONT_REFUSED)
			ret = bf_front_install_doorbell(front, d);
	}
	while (!ret && (d = TAILQ_FIRST(&front->tracked)))
		bf_front_drop(front, d);
	pthread_mutex_unlock(&front->lock);
	return ret;
}

static bool has_vcpus(struct bf_front *front)
{
	bool has;

	pthread_mutex_lock(&front->vcpus_lock);
	has = !TAILQ_EMPTY(&front->vcpus);
	pthread_mutex_unlock(&front->vcpus_lock);
	return has;
}

int bf_front_detach(struct bf_front *front)
{
	int ret;

	if (has_vcpus(front))
		return -EBUSY;
	if (front->vm_fd < 0)
		return -ENOTSUP;
	bf_front_install_stop(front);
	ret = hand_over(front);
	if (!ret)
		bf_front_destroy(front);
	return ret;
}

struct bf_io_bus *bf_front_bus(const struct bf_front *front)
{
	return front->bus;
}

static uint64_t signals_of(const struct front_doorbells *list)
{
	const struct front_doorbell *d;
	uint64_t signals = 0;

	TAILQ_FOREACH(d, list, entry)
	signals += bf_io_doorbell_signals(d->handle);
	return signals;
}

void bf_front_get_stats(struct bf_front *front, struct bf_front_stats *stats)
{
	const uint64_t *counters = front->counters;

	pthread_mutex_lock(&front->lock);
	*stats = (struct bf_front_stats){
		.assigned = counters[BF_FRONT_ASSIGNED],
		.deassigned = counters[BF_FRONT_DEASSIGNED],
		.never_installed = counters[BF_FRONT_NEVER_INSTALLED],
		.installed = counters[BF_FRONT_INSTALLED],
		.refused = counters[BF_FRONT_REFUSED],
		.signalled = front->signalled + signals_of(&front->pending) +
			     signals_of(&front->queued) +
			     signals_of(&front->tracked),
		.zones = counters[BF_FRONT_ZONES],
		.zones_installed = counters[BF_FRONT_ZONES_INSTALLED],
		.install_after = front->install_after,
	};
	pthread_mutex_unlock(&front->lock);
}
