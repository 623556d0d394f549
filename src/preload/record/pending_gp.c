/* SPDX-License-Identifier: MIT */
/*
 * The grace periods that registrations leave pending.
 *
 * Since Linux 6.18 a registration with KVM's I/O bus leaves a normal grace
 * period behind.  Some later calls on the same VM wait for it; the first of
 * them sleeps until the timer of the grace period has run out, and none is
 * pending after it.
 */
#include <linux/kvm.h>

#include "preload/record/internal.h"

/*
 * The timer of a grace period runs in ticks of the kernel's clock.  A grace
 * period of the last LIKELY_TICKS is a likely cause of a stall.  One of the
 * last SURE_TICKS is sure to stall a call, or of the last SURE_CLOSE_TICKS if
 * the call is the close that ends the VM.
 */
#define LIKELY_TICKS	 4
#define SURE_CLOSE_TICKS 3
#define SURE_TICKS	 2

void pending_gp_add(uint32_t vm, enum recorded_gp gp, uint64_t now)
{
	struct recorded_vm *row = recorded_vm_row(vm);

	if (row)
		relaxed_store(&row->pending_gp_ns[gp], now);
}

void pending_gp_defer(uint32_t vm, uint64_t now)
{
	struct recorded_vm *row = recorded_vm_row(vm);

	if (row)
		relaxed_store(&row->deferred_ns, now);
}

/*
 * Clears *@since if it lies before @start.  True: it does, by at most @ticks,
 * and no other thread has cleared it.
 */
static bool take_recent(_Atomic uint64_t *since, uint64_t start,
			unsigned int ticks)
{
	uint64_t begun = relaxed_load(since);

	return begun && begun <= start && relaxed_swap(since, &begun, 0) &&
	       start - begun <= ticks * stats_tick();
}

/* A close waits only if it ended the VM. */
static bool waits_for_gp(const struct recorded_vm *vm, uint32_t key,
			 uint64_t start)
{
	switch (key) {
	case STATS_DEASSIGN:
	case KVM_SET_USER_MEMORY_REGION:
#ifdef KVM_SET_USER_MEMORY_REGION2
	case KVM_SET_USER_MEMORY_REGION2:
#endif
	case KVM_UNREGISTER_COALESCED_MMIO:
		return true;
	}
	if (stats_is_close(key))
		return relaxed_load(&vm->ended_ns) >= start;
	return gp_arch_waits(key);
}

/*
 * The front may have answered a removal without the kernel.  A removal that
 * stalled did reach the kernel.
 */
static bool reached_kernel(const struct recorded_vm *vm, uint32_t key,
			   bool stalled)
{
	if (key != STATS_DEASSIGN && key != KVM_UNREGISTER_COALESCED_MMIO)
		return true;
	return stalled || !relaxed_load(&vm->front);
}

/* Returns the grace periods that a call of waits_for_gp() waited for. */
static uint32_t waited_for_gp(struct recorded_vm *vm, uint32_t key,
			      uint64_t start, bool stalled)
{
	unsigned int sure = stats_is_close(key) ? SURE_CLOSE_TICKS : SURE_TICKS;
	uint32_t gps = 0;

	if (take_recent(&vm->deferred_ns, start, sure) && !stalled)
		relaxed_add(&vm->stalls_avoided, 1);
	if (!reached_kernel(vm, key, stalled))
		return 0;
	for (unsigned int i = 0; i < NR_GPS; i++) {
		if (take_recent(&vm->pending_gp_ns[i], start, LIKELY_TICKS))
			gps |= 1u << i;
	}
	return stalled ? gps : 0;
}

/*
 * If the front gives the zone to the kernel, it reports that within the call,
 * to watch_zone().  If it has not done so since @start, it holds the zone back.
 */
static void note_zone(const struct recorded_vm *row, uint32_t vm,
		      uint64_t start, uint64_t now)
{
	if (!relaxed_load(&row->front))
		pending_gp_add(vm, GP_ZONE, now);
	else if (relaxed_load(&row->pending_gp_ns[GP_ZONE]) < start)
		pending_gp_defer(vm, now);
}

/* Doorbells are noted in doorbells.c. */
static void note_registration(struct recorded_vm *row, uint32_t vm,
			      uint32_t key, uint64_t start, uint64_t now)
{
	const int gp = gp_arch_of(row, key);

	if (gp >= 0)
		pending_gp_add(vm, (enum recorded_gp)gp, now);
	if (key == KVM_REGISTER_COALESCED_MMIO)
		note_zone(row, vm, start, now);
}

uint32_t pending_gp_note_call(uint32_t vm, uint32_t key, uint64_t start,
			      uint64_t end, long ret)
{
	struct recorded_vm *row = recorded_vm_row(vm);

	if (!row || ret < 0)
		return 0;
	note_registration(row, vm, key, start, end);
	if (!waits_for_gp(row, key, start))
		return 0;
	return waited_for_gp(row, key, start, end - start > STATS_STALL_NS);
}
