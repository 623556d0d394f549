// SPDX-License-Identifier: MIT
/* The front's life, and its part in each KVM_RUN. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/bus.h"
#include "vm/exit.h"
#include "vm/front_internal.h"

static struct bf_front *front_new(void)
{
	struct bf_front *front = NULL;

	if (posix_memalign((void **)&front, __alignof__(*front),
			   sizeof(*front)))
		return NULL;
	memset(front, 0, sizeof(*front));
	TAILQ_INIT(&front->pending);
	TAILQ_INIT(&front->wanted);
	TAILQ_INIT(&front->known);
	TAILQ_INIT(&front->zones);
	bf_slab_init(&front->doorbells, sizeof(struct front_doorbell));
	return front;
}

int bf_front_create(struct bf_front **frontp, int vm_fd,
		    const struct bf_front_config *config, struct bf_io_bus *bus)
{
	struct bf_front *front = front_new();
	int ret = 0;

	if (!front)
		return -ENOMEM;
	front->vm_fd = vm_fd;
	front->policy = config->policy;
	front->zones_at_once = config->zones_at_once;
	front->bus = bus;
	front->own_bus = !bus;
	if (!bus)
		ret = bf_io_bus_create(&front->bus, "front");
	if (ret) {
		free(front);
		return ret;
	}
	pthread_mutex_init(&front->lock, NULL);
	pthread_cond_init(&front->not_busy, NULL);
	bf_front_lazy_init(front, config);
	*frontp = front;
	return 0;
}

void bf_front_stop(struct bf_front *front)
{
	pthread_mutex_lock(&front->lock);
	front->stopped = true;
	pthread_mutex_unlock(&front->lock);
	bf_front_lazy_stop(front);
}

void bf_front_destroy(struct bf_front *front)
{
	if (!front)
		return;
	bf_front_stop(front);
	/* The bus goes too, and takes what is on it along. */
	bf_slab_destroy(&front->doorbells);
	bf_front_free_zones(front);
	if (front->own_bus)
		bf_io_bus_destroy(front->bus);
	bf_front_lazy_destroy(front);
	pthread_cond_destroy(&front->not_busy);
	pthread_mutex_destroy(&front->lock);
	free(front);
}

/*
 * Only the vCPU that clears the flag installs; the others go on, and ring
 * here what the kernel does not have yet.
 */
void bf_front_before_run(struct bf_front *front)
{
	if (likely(!__atomic_load_n(&front->to_install, __ATOMIC_RELAXED)))
		return;
	if (__atomic_exchange_n(&front->to_install, false, __ATOMIC_ACQUIRE))
		bf_front_install_pending(front);
}

static bool is_write(const struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_MMIO)
		return run->mmio.is_write;
	return run->exit_reason == KVM_EXIT_IO &&
	       run->io.direction == KVM_EXIT_IO_OUT;
}

bool bf_front_exit(struct bf_front *front, struct kvm_run *run)
{
	bool ours = bf_exit_offer(front->bus, run);

	if (front->counts && is_write(run))
		bf_front_count_exit(front, run, ours);
	return ours;
}

/*
 * The policy first, under the lock: what is registered from then on goes to
 * the kernel in its own call, what was before is pending.
 */
void bf_front_give_all(struct bf_front *front)
{
	pthread_mutex_lock(&front->lock);
	front->policy = BF_POLICY_EAGER;
	pthread_mutex_unlock(&front->lock);
	bf_front_install_pending(front);
}

static uint64_t rings_of(const struct front_doorbells *list)
{
	const struct front_doorbell *d;
	uint64_t rings = 0;

	TAILQ_FOREACH(d, list, entry)
	rings += bf_io_doorbell_rings(d->handle);
	return rings;
}

void bf_front_stats(struct bf_front *front, struct bf_vm_stats *stats)
{
	pthread_mutex_lock(&front->lock);
	*stats = front->stats;
	stats->rung += rings_of(&front->pending) + rings_of(&front->wanted) +
		       rings_of(&front->known);
	pthread_mutex_unlock(&front->lock);
}
