/* SPDX-License-Identifier: MIT */
#include <linux/kvm.h>

#include "preload/record/record_debt.h"
#include "preload/record/record_event.h"

#define relaxed memory_order_relaxed

/*
 * In ticks of the kernel's clock, on which the timer of a grace period
 * depends: for how long a debt may be blamed for a stall, and for how long it
 * is sure to cause one, be the call the close of the VM or another.
 */
#define BLAMED_TICKS	 4
#define SURE_CLOSE_TICKS 3
#define SURE_TICKS	 2

void debt_made(uint32_t vm, enum recorded_debt debt, uint64_t now)
{
	struct recorded_vm *row = record_vm_row(vm);

	if (row)
		atomic_store_explicit(&row->owed_ns[debt], now, relaxed);
}

void debt_deferred(uint32_t vm, uint64_t now)
{
	struct recorded_vm *row = record_vm_row(vm);

	if (row)
		atomic_store_explicit(&row->deferred_ns, now, relaxed);
}

/* True: *since was left before the call began, by at most so many ticks. */
static bool take(_Atomic uint64_t *since, uint64_t start, unsigned int ticks)
{
	uint64_t left = atomic_load_explicit(since, relaxed);

	if (!left || left > start)
		return false;
	if (!atomic_compare_exchange_strong_explicit(since, &left, 0, relaxed,
						     relaxed))
		return false;
	return start - left <= ticks * stats_tick();
}

/* A close pays only if it is what ended the VM. */
static bool is_close(uint32_t key)
{
	return key == STATS_CLOSE_VM || key == STATS_CLOSE_VCPU;
}

static bool is_payer(const struct recorded_vm *vm, uint32_t key, uint64_t start)
{
	switch (key) {
	case STATS_DEASSIGN:
	case KVM_SET_USER_MEMORY_REGION:
#ifdef KVM_SET_USER_MEMORY_REGION2
	case KVM_SET_USER_MEMORY_REGION2:
#endif
	case KVM_UNREGISTER_COALESCED_MMIO:
	case KVM_SET_PMU_EVENT_FILTER:
	case KVM_X86_SET_MSR_FILTER:
		return true;
	}
	return is_close(key) &&
	       atomic_load_explicit(&vm->ended_ns, relaxed) >= start;
}

/*
 * The front may have answered these by itself; one that stalled went to the
 * kernel.
 */
static bool reached_kernel(const struct recorded_vm *vm, uint32_t key,
			   bool stalled)
{
	if (key != STATS_DEASSIGN && key != KVM_UNREGISTER_COALESCED_MMIO)
		return true;
	return stalled || !atomic_load_explicit(&vm->front, relaxed);
}

static uint32_t pay(struct recorded_vm *vm, uint32_t key, uint64_t start,
		    bool stalled)
{
	unsigned int sure = is_close(key) ? SURE_CLOSE_TICKS : SURE_TICKS;
	uint32_t paid = 0;

	if (take(&vm->deferred_ns, start, sure) && !stalled)
		atomic_fetch_add_explicit(&vm->spared, 1, relaxed);
	if (!reached_kernel(vm, key, stalled))
		return 0;
	for (unsigned int i = 0; i < NR_DEBTS; i++) {
		if (take(&vm->owed_ns[i], start, BLAMED_TICKS))
			paid |= 1u << i;
	}
	return stalled ? paid : 0;
}

/*
 * A front tells itself when the kernel gets a zone (record.c): where that was
 * not since this call began, it has put it off.
 */
static void leave_zone(const struct recorded_vm *row, uint32_t vm,
		       uint64_t start, uint64_t now)
{
	if (!atomic_load_explicit(&row->front, relaxed))
		debt_made(vm, DEBT_ZONE, now);
	else if (atomic_load_explicit(&row->owed_ns[DEBT_ZONE], relaxed) <
		 start)
		debt_deferred(vm, now);
}

/* The doorbells' are told in record_doorbell.c. */
static void leave(const struct recorded_vm *row, uint32_t vm, uint32_t key,
		  uint64_t start, uint64_t now)
{
	if (key == KVM_CREATE_IRQCHIP)
		debt_made(vm, DEBT_IRQCHIP, now);
	if (key == KVM_CREATE_PIT2)
		debt_made(vm, DEBT_PIT, now);
	if (key == KVM_REGISTER_COALESCED_MMIO)
		leave_zone(row, vm, start, now);
}

uint32_t debt_of_call(uint32_t vm, uint32_t key, uint64_t start, uint64_t end,
		      long ret)
{
	struct recorded_vm *row = record_vm_row(vm);

	if (!row || ret < 0)
		return 0;
	leave(row, vm, key, start, end);
	if (!is_payer(row, key, start))
		return 0;
	return pay(row, key, start, end - start > STATS_STALL_NS);
}
