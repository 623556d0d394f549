// SPDX-License-Identifier: MIT
/* The life of a front, its exits and its counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	return front;
}

int bf_front_create(int vm_fd, const struct bf_front_config *config,
		    struct bf_io_bus *bus, struct bf_front **frontp)
{
	struct bf_front *front = front_alloc();
	int ret = 0;

	if (!front)
		return -ENOMEM;
	front->vm_fd = vm_fd;
	front->bus = bus;
	front->owns_bus = !bus;
	if (!bus)
		ret = bf_io_bus_create("front", &front->bus);
	if (ret) {
		free(front);
		return ret;
	}
	pthread_mutex_init(&front->lock, NULL);
	pthread_cond_init(&front->state_changed, NULL);
	bf_front_install_init(front, config);
	*frontp = front;
	return 0;
}

void bf_front_stop(struct bf_front *front)
{
	pthread_mutex_lock(&front->lock);
	front->stopped = true;
	pthread_mutex_unlock(&front->lock);
	bf_front_install_stop(front);
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
	bf_front_install_destroy(front);
	pthread_cond_destroy(&front->state_changed);
	pthread_mutex_destroy(&front->lock);
	free(front);
}

static bool offer_mmio(struct bf_io_bus *bus, struct kvm_run *run, void *source)
{
	struct bf_io_access access = {
		.addr = run->mmio.phys_addr,
		.data = run->mmio.data,
		.len = run->mmio.len,
		.space = BF_IO_MMIO,
		.write = run->mmio.is_write,
		.source = source,
	};

	return bf_io_dispatch(bus, &access) == 0;
}

/* String and repeated instructions come as several elements for one port. */
static bool offer_pio(struct bf_io_bus *bus, struct kvm_run *run, void *source)
{
	struct bf_io_access access = {
		.addr = run->io.port,
		.data = (char *)run + run->io.data_offset,
		.len = run->io.size,
		.space = BF_IO_PIO,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
		.source = source,
	};

	return bf_io_dispatch_string(bus, &access, run->io.count) == 0;
}

static bool offer_exit(struct bf_io_bus *bus, struct kvm_run *run, void *source)
{
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		return offer_mmio(bus, run, source);
	case KVM_EXIT_IO:
		return offer_pio(bus, run, source);
	default:
		return false;
	}
}

bool bf_front_exit(struct bf_front *front, struct kvm_run *run, void *source)
{
	bool taken = offer_exit(front->bus, run, source);

	if (front->counts_exits)
		bf_front_count_exit(front, run, taken);
	return taken;
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
	pthread_mutex_lock(&front->lock);
	*stats = front->stats;
	stats->signalled += signals_of(&front->pending) +
			    signals_of(&front->queued) +
			    signals_of(&front->tracked);
	pthread_mutex_unlock(&front->lock);
}
