// SPDX-License-Identifier: MIT
/*
 * When the kernel gets a doorbell or a zone.  Every decision about installs is
 * in this file.
 *
 * Doorbells go before zones: where both match a write, the kernel prefers the
 * doorbell, but only if it has the doorbell.  So the front installs the
 * doorbells inside a zone before the zone, and a doorbell inside an installed
 * zone in the call that assigns it.
 *
 * The policy lazy counts.  The doorbell counts its own signals.  A vCPU thread
 * checks only every few exits, by a counter of its own, so that no signal writes
 * a cache line that another vCPU reads; then it wakes the helper thread, which
 * finds the doorbells that reached the threshold and waits for a quiet moment.
 */
#include <errno.h>

#include "front/internal.h"
#include "io_bus/doorbell.h"
#include "io_bus/eventfd.h"

/*
 * Signals after which an install pays.  An install costs 4 to 8 ms since Linux
 * 6.18; a signal from user space 1 to 7 us more than one in the kernel.
 */
#define DEFAULT_INSTALL_AFTER 1000

#define DEFAULT_QUIET_MS 10
#define NS_PER_MS	 1000000u

/* A vCPU checks 16 times on the way to the threshold, at least every 64 exits. */
#define CHECKS		16
#define MAX_CHECK_EVERY 64

/*
 * A KVM_RUN installs at most so many doorbells and zones under first-run.  The
 * kernel copies its table for each: 1,000 doorbells take it 8 us.
 */
#define INSTALL_BATCH  16
#define MANY_INSTALLED 1000

/*
 * Each kernel's bus of 1,000 devices has room for so many zones, whatever else
 * is on it.  Only the kernel knows which further zone is the last that fits.
 */
#define ZONES_THAT_FIT 256

/* The quiet moment. */

/* Calls that change memory slots, buses or filters, some of them inside. */
static bool may_stall(unsigned long request)
{
	switch ((uint32_t)request) {
	case (uint32_t)KVM_SET_USER_MEMORY_REGION:
#ifdef KVM_SET_USER_MEMORY_REGION2
	case (uint32_t)KVM_SET_USER_MEMORY_REGION2:
#endif
#ifdef KVM_SET_MEMORY_ATTRIBUTES
	case (uint32_t)KVM_SET_MEMORY_ATTRIBUTES:
#endif
	case (uint32_t)KVM_CREATE_VCPU:
	case (uint32_t)KVM_CREATE_DEVICE:
	case (uint32_t)KVM_CREATE_IRQCHIP:
	case (uint32_t)KVM_ENABLE_CAP:
		return true;
	}
	return bf_front_arch_may_stall((uint32_t)request);
}

void bf_front_call_begins(struct bf_front *front, unsigned long request)
{
	if (may_stall(request))
		__atomic_fetch_add(&front->calls, 1, __ATOMIC_RELAXED);
}

void bf_front_call_ends(struct bf_front *front, unsigned long request)
{
	if (!may_stall(request))
		return;
	bf_front_note_call(front);
	__atomic_fetch_sub(&front->calls, 1, __ATOMIC_RELAXED);
}

void bf_front_note_call(struct bf_front *front)
{
	if (front->counts_exits)
		__atomic_store_n(&front->last_call_ns, bf_now_ns(),
				 __ATOMIC_RELAXED);
}

/*
 * 0 if the VM is quiet; otherwise when it will be, on CLOCK_MONOTONIC, if no
 * further call comes.  A call that comes a few milliseconds after an install
 * sleeps until the grace period of the install has ended.
 */
static uint64_t quiet_at(const struct bf_front *front)
{
	uint64_t now = bf_now_ns(), at;

	if (__atomic_load_n(&front->calls, __ATOMIC_RELAXED))
		return now + front->quiet_ns;
	at = __atomic_load_n(&front->last_call_ns, __ATOMIC_RELAXED) +
	     front->quiet_ns;
	return at > now ? at : 0;
}

/* Doorbells and zones at the same addresses. */

/* True if the zone would take a write that signals the doorbell. */
static bool zone_covers(const struct kvm_coalesced_mmio_zone *zone,
			const struct kvm_ioeventfd *arg)
{
	uint16_t space = zone->pio ? BF_IO_PIO : BF_IO_MMIO;
	uint64_t len = arg->len ? arg->len : 1;

	return space == front_space(arg->flags) && arg->addr >= zone->addr &&
	       arg->addr - zone->addr < zone->size &&
	       len <= zone->size - (arg->addr - zone->addr);
}

/* A zone that the kernel has, or gets at this moment, covers the doorbell. */
static bool is_covered(const struct bf_front *front,
		       const struct kvm_ioeventfd *arg)
{
	const struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if ((z->state == FRONT_BUSY || z->state == FRONT_INSTALLED) &&
	    zone_covers(&z->zone, arg))
		return true;
	return false;
}

static struct front_doorbell *
find_in_list(struct front_doorbells *list,
	     const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d;

	TAILQ_FOREACH(d, list, entry)
	if (d->state != FRONT_INSTALLED && zone_covers(zone, &d->arg))
		return d;
	return NULL;
}

/* A doorbell inside the zone that the kernel does not have; lock held. */
static struct front_doorbell *
find_missing_doorbell(struct bf_front *front,
		      const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d = find_in_list(&front->pending, zone);

	if (!d)
		d = find_in_list(&front->queued, zone);
	return d ? d : find_in_list(&front->tracked, zone);
}

/* Lock held, lock dropped.  Stops at the first refusal. */
static int install_covered(struct bf_front *front,
			   const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d;
	int ret = 0;

	while (!ret && (d = find_missing_doorbell(front, zone))) {
		if (d->state == FRONT_BUSY)
			pthread_cond_wait(&front->state_changed, &front->lock);
		else
			ret = bf_front_install_doorbell(front, d);
	}
	return ret;
}

/*
 * Lock held, lock dropped, zones claimed.  The zone is busy before the kernel
 * has it, so that a doorbell which is assigned meanwhile does not stay pending.
 * If the kernel refuses a doorbell inside the zone, the kernel does not get the
 * zone, which would take the doorbell's writes.
 */
static int install_zone(struct bf_front *front, struct front_zone *z)
{
	int ret;

	if (z->state == FRONT_PENDING)
		front_count_pending(front, -1);
	z->state = FRONT_BUSY;
	ret = install_covered(front, &z->zone);
	if (!ret) {
		ret = bf_front_call_zone(front, KVM_REGISTER_COALESCED_MMIO,
					 &z->zone);
		if (bf_front_watch)
			bf_front_watch->zone(front, &z->zone, ret);
	}
	z->state = ret ? FRONT_REFUSED : FRONT_INSTALLED;
	if (!ret) {
		front_count(front, BF_FRONT_ZONES_INSTALLED);
		bf_front_note_install(front);
	}
	return ret;
}

static struct front_zone *find_pending_zone(struct bf_front *front)
{
	struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_PENDING)
		return z;
	return NULL;
}

/* Lock held, lock dropped, zones claimed. */
static void install_zones(struct bf_front *front)
{
	struct front_zone *z;

	while (!front->stopped && (z = find_pending_zone(front)))
		install_zone(front, z);
}

/* In the call that registers. */

static void set_install_on_run(struct bf_front *front)
{
	if (front->policy == BF_POLICY_FIRST_RUN)
		__atomic_store_n(&front->install_on_run, true,
				 __ATOMIC_RELAXED);
}

/*
 * Where a zone covers the doorbell, or another process could make a signal to
 * its eventfd sleep, the kernel alone may signal it, so a refusal counts.  It
 * counts, too, where the kernel must have every doorbell.
 */
int bf_front_apply_policy(struct bf_front *front, struct front_doorbell *d)
{
	int ret;

	if (front->vm_fd < 0)
		return 0;
	if (!front->at_once && !front_is_eager(front) &&
	    !is_covered(front, &d->arg) && !bf_eventfd_may_sleep()) {
		set_install_on_run(front);
		return 0;
	}
	ret = bf_front_install_doorbell(front, d);
	if (ret)
		bf_front_drop(front, d);
	return ret;
}

static bool zone_surely_fits(const struct bf_front *front,
			     const struct kvm_coalesced_mmio_zone *zone)
{
	const struct front_zone *z;
	unsigned int count = 0;

	TAILQ_FOREACH(z, &front->zones, entry)
	count += z->zone.pio == zone->pio;
	return count <= ZONES_THAT_FIT;
}

/* Pending zones go first, so that the kernel counts as without the front. */
static int install_zone_now(struct bf_front *front, struct front_zone *z)
{
	int ret;

	install_zones(front);
	ret = install_zone(front, z);
	if (ret)
		bf_front_free_zone(front, z);
	return ret;
}

int bf_front_apply_zone_policy(struct bf_front *front, struct front_zone *z)
{
	if (front_is_eager(front) || front->at_once || front->zones_at_once ||
	    !zone_surely_fits(front, &z->zone))
		return install_zone_now(front, z);
	z->state = FRONT_PENDING;
	front_count_pending(front, 1);
	set_install_on_run(front);
	return 0;
}

/* Everything that is pending: at KVM_RUN, or for good. */

/* Lock held, lock dropped.  0, or the first doorbell's refusal. */
static int install_list(struct bf_front *front, struct front_doorbells *list)
{
	int ret = 0, refusal;

	while (!TAILQ_EMPTY(list) && !front->stopped) {
		refusal = bf_front_install_doorbell(front, TAILQ_FIRST(list));
		ret = ret ? ret : refusal;
	}
	return ret;
}

static int install_pending(struct bf_front *front)
{
	int ret, refusal;

	pthread_mutex_lock(&front->lock);
	ret = install_list(front, &front->pending);
	refusal = install_list(front, &front->queued);
	bf_front_claim_zones(front);
	install_zones(front);
	bf_front_release_zones(front);
	pthread_mutex_unlock(&front->lock);
	return ret ? ret : refusal;
}

/*
 * Sets the policy first, under the lock: a doorbell that is assigned later goes
 * to the kernel in its own call, and one that was assigned before is pending.
 */
int bf_front_install_all(struct bf_front *front)
{
	pthread_mutex_lock(&front->lock);
	front->policy = BF_POLICY_EAGER;
	pthread_mutex_unlock(&front->lock);
	return install_pending(front);
}

void bf_front_at_once(struct bf_front *front, int change)
{
	pthread_mutex_lock(&front->lock);
	front->at_once += (unsigned int)change;
	pthread_mutex_unlock(&front->lock);
	if (change > 0)
		install_pending(front);
}

/* What is due: by the helper, or in a batch at KVM_RUN. */

/* Lock held.  One pass: the list may change while a doorbell is installed. */
static void queue_doorbells(struct bf_front *front)
{
	struct front_doorbell *d, *next;

	for (d = TAILQ_FIRST(&front->pending); d; d = next) {
		next = TAILQ_NEXT(d, entry);
		if (bf_io_doorbell_signals(d->handle) >= front->install_after)
			bf_front_set_state(front, d, FRONT_QUEUED);
	}
}

/* Lock held.  Under first-run a doorbell is due when it is assigned. */
static struct front_doorbell *find_due_doorbell(struct bf_front *front)
{
	if (front->policy == BF_POLICY_FIRST_RUN &&
	    !TAILQ_EMPTY(&front->pending))
		return TAILQ_FIRST(&front->pending);
	return TAILQ_FIRST(&front->queued);
}

static struct front_zone *find_due_zone(struct bf_front *front)
{
	struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_PENDING &&
	    (front->policy == BF_POLICY_FIRST_RUN ||
	     z->exits >= front->install_after))
		return z;
	return NULL;
}

/* Lock held, lock dropped.  False: nothing is due. */
static bool install_next(struct bf_front *front)
{
	struct front_doorbell *d = find_due_doorbell(front);
	struct front_zone *z;

	if (d) {
		bf_front_install_doorbell(front, d);
		return true;
	}
	bf_front_claim_zones(front);
	z = find_due_zone(front);
	if (z)
		install_zone(front, z);
	bf_front_release_zones(front);
	return z;
}

/* False: a call on the VM came between, and there may be more to install. */
static bool install_due(struct bf_front *front)
{
	bool more = true;

	pthread_mutex_lock(&front->lock);
	if (front->counts_exits)
		queue_doorbells(front);
	while (more && !front->stopped && !quiet_at(front))
		more = install_next(front);
	pthread_mutex_unlock(&front->lock);
	return !more;
}

/* Helper's lock held. */
static void helper_sleep_until(struct front_helper *helper, uint64_t ns)
{
	const struct timespec at = {
		.tv_sec = (time_t)(ns / BF_NS_PER_S),
		.tv_nsec = (long)(ns % BF_NS_PER_S),
	};

	pthread_cond_timedwait(&helper->wake, &helper->lock, &at);
}

/* Helper's lock held, dropped in between. */
static void helper_install(struct bf_front *front, struct front_helper *helper)
{
	bool done;

	__atomic_store_n(&helper->has_work, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&helper->lock);
	done = install_due(front);
	pthread_mutex_lock(&helper->lock);
	if (!done)
		__atomic_store_n(&helper->has_work, true, __ATOMIC_RELAXED);
}

static void *helper_run(void *arg)
{
	struct bf_front *front = arg;
	struct front_helper *helper = &front->helper;
	uint64_t at;

	pthread_mutex_lock(&helper->lock);
	while (!helper->stop) {
		if (!helper->has_work)
			pthread_cond_wait(&helper->wake, &helper->lock);
		else if ((at = quiet_at(front)))
			helper_sleep_until(helper, at);
		else
			helper_install(front, helper);
	}
	helper->started = false;
	pthread_cond_signal(&helper->wake);
	pthread_mutex_unlock(&helper->lock);
	return NULL;
}

/* If no thread can be created, doorbells and zones stay in user space. */
static int helper_start(struct bf_front *front)
{
	struct front_helper *helper = &front->helper;
	int ret;

	helper->thread = (struct bf_thread){
		.name = "belfry-front",
		.fn = helper_run,
		.arg = front,
	};
	ret = bf_thread_start(&helper->thread);
	if (!ret)
		pthread_detach(helper->thread.id);
	helper->started = !ret;
	return ret;
}

int bf_front_start_thread(struct bf_front *front)
{
	struct front_helper *helper = &front->helper;
	int ret = 0;

	if (!front->counts_exits)
		return 0;
	pthread_mutex_lock(&helper->lock);
	if (!helper->stop && !helper->started)
		ret = helper_start(front);
	pthread_mutex_unlock(&helper->lock);
	return ret;
}

static void helper_wake(struct bf_front *front)
{
	struct front_helper *helper = &front->helper;

	if (__atomic_load_n(&helper->has_work, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&helper->lock);
	if (!helper->stop && (helper->started || !helper_start(front))) {
		__atomic_store_n(&helper->has_work, true, __ATOMIC_RELAXED);
		pthread_cond_signal(&helper->wake);
	} else {
		helper->stop = true;
	}
	pthread_mutex_unlock(&helper->lock);
}

/*
 * pthread_join() would free memory of the thread, and a signal handler that has
 * interrupted malloc() may close the VM.  The wait is no cancellation point,
 * because close() of the VMM, which may be above us, must not be one here.
 */
void bf_front_install_stop(struct bf_front *front)
{
	struct front_helper *helper = &front->helper;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&helper->lock);
	helper->stop = true;
	pthread_cond_signal(&helper->wake);
	while (helper->started)
		pthread_cond_wait(&helper->wake, &helper->lock);
	pthread_mutex_unlock(&helper->lock);
	pthread_setcancelstate(state, NULL);
}

static void set_install_after(struct bf_front *front, unsigned int signals)
{
	unsigned int every = signals / CHECKS;

	if (every > MAX_CHECK_EVERY)
		every = MAX_CHECK_EVERY;
	front->check_every = every ? every : 1;
	front->install_after = signals;
}

void bf_front_install_init(struct bf_front *front,
			   const struct bf_front_config *config)
{
	uint32_t quiet = config->quiet_ms ? config->quiet_ms : DEFAULT_QUIET_MS;
	struct front_helper *helper = &front->helper;
	pthread_condattr_t attr;

	front->policy = config->policy;
	front->zones_at_once = config->zones_at_once;
	front->counts_exits = config->policy == BF_POLICY_LAZY &&
			      front->vm_fd >= 0;
	front->quiet_ns = (uint64_t)quiet * NS_PER_MS;
	set_install_after(front, config->install_after ? config->install_after :
							 DEFAULT_INSTALL_AFTER);
	pthread_mutex_init(&helper->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&helper->wake, &attr);
	pthread_condattr_destroy(&attr);
}

void bf_front_install_destroy(struct bf_front *front)
{
	pthread_cond_destroy(&front->helper.wake);
	pthread_mutex_destroy(&front->helper.lock);
}

/* The policy first-run. */

/*
 * True: nothing is due any more.  Makes at most INSTALL_BATCH installs, and
 * none if the kernel copies long tables for each.  Waits for no other thread: a
 * removal holds the lock while it waits for signals in progress.  The install
 * of a zone may wait for that of a doorbell inside it.
 */
static bool install_batch(struct bf_front *front)
{
	struct front_doorbell *d = NULL;
	bool done;

	if (pthread_mutex_trylock(&front->lock))
		return false;
	for (int i = 0; i < INSTALL_BATCH && !front->stopped &&
			front->counters[BF_FRONT_INSTALLED] < MANY_INSTALLED &&
			(d = find_due_doorbell(front));
	     i++)
		bf_front_install_doorbell(front, d);
	done = !front->nr_pending && TAILQ_EMPTY(&front->queued);
	pthread_mutex_unlock(&front->lock);
	return done;
}

bool bf_front_install_is_due(const struct bf_front_vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->front->install_on_run, __ATOMIC_RELAXED);
}

/*
 * The vCPU that clears the flag installs, and leaves the rest to the helper.
 * The others enter the guest; the front signals a doorbell that the kernel does
 * not have yet.
 */
void bf_front_before_run(struct bf_front_vcpu *vcpu)
{
	struct bf_front *front = vcpu->front;

	bf_front_complete_store(vcpu);
	if (likely(!bf_front_install_is_due(vcpu)))
		return;
	/* Relaxed: the lock of install_batch() orders what the setter did. */
	if (__atomic_exchange_n(&front->install_on_run, false,
				__ATOMIC_RELAXED) &&
	    !install_batch(front))
		helper_wake(front);
}

/* The policy lazy: exits. */

static bool is_write(const struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_MMIO)
		return run->mmio.is_write;
	return run->exit_reason == KVM_EXIT_IO &&
	       run->io.direction == KVM_EXIT_IO_OUT;
}

static bool zone_contains_exit(const struct kvm_coalesced_mmio_zone *zone,
			       const struct kvm_run *run)
{
	const bool pio = run->exit_reason == KVM_EXIT_IO;
	uint64_t addr = pio ? run->io.port : run->mmio.phys_addr;
	uint64_t len = pio ? run->io.size : run->mmio.len;

	return pio == zone->pio && addr >= zone->addr && len <= zone->size &&
	       addr - zone->addr <= zone->size - len;
}

bool bf_front_coalesces(struct bf_front *front, const struct kvm_run *run)
{
	const struct front_zone *z;

	if (!front_has_zones(front) || pthread_mutex_trylock(&front->lock))
		return false;
	TAILQ_FOREACH(z, &front->zones, entry)
	if (zone_contains_exit(&z->zone, run))
		break;
	pthread_mutex_unlock(&front->lock);
	return z;
}

/*
 * Adds the exits since the last check to the zones that contain this one.  If
 * the lock is taken, nothing is counted: an exit must not wait, and the count
 * decides about speed alone.
 */
static bool count_zone_exit(struct bf_front *front, const struct kvm_run *run)
{
	struct front_zone *z;
	bool used = false;

	if (pthread_mutex_trylock(&front->lock))
		return false;
	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_PENDING && zone_contains_exit(&z->zone, run)) {
		z->exits += front->check_every;
		used |= z->exits >= front->install_after;
	}
	pthread_mutex_unlock(&front->lock);
	return used;
}

static bool counts(const struct bf_front_vcpu *vcpu)
{
	return is_write(vcpu->run) &&
	       __atomic_load_n(&vcpu->front->nr_pending, __ATOMIC_RELAXED);
}

bool bf_front_check_is_due(const struct bf_front_vcpu *vcpu)
{
	const struct bf_front *front = vcpu->front;

	if (front_has_zones(front) && bf_front_arch_may_split(vcpu->run))
		return true;
	return front->counts_exits &&
	       vcpu->exits_since_check + 1 >= front->check_every &&
	       counts(vcpu);
}

void bf_front_count_exit(struct bf_front_vcpu *vcpu)
{
	struct bf_front *front = vcpu->front;

	if (!counts(vcpu) || ++vcpu->exits_since_check < front->check_every)
		return;
	vcpu->exits_since_check = 0;
	if (vcpu->served || count_zone_exit(front, vcpu->run))
		helper_wake(front);
}
