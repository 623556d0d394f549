// SPDX-License-Identifier: MIT
/*
 * Calls of the guest, KVM's or an engine's, and the publication among them.
 *
 * A transaction that only removes is published first and made in KVM then.  Any
 * other transaction is made in KVM first and published then.  So a guest access
 * never exits for a page that the map lists as RAM, except for pages that the
 * same transaction removes.  And no reader has seen an addition that KVM
 * refuses, so that its undo waits for no reader.  A device may find no memory
 * where the guest has some: in an addition of which the caller has not told the
 * guest yet, or in a removal, to which the guest has agreed.
 *
 * KVM itself makes a vCPU wait that touches a slot while KVM moves the slot or
 * changes its flags.  But a slot that takes the addresses of another one can be
 * added only when the other one is removed, and a vCPU would see no memory
 * between the two calls.  Such a transaction pauses the vCPUs, removes all old
 * slots and adds all new ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memslots/change.h"

#ifndef KVM_CAP_GUEST_MEMFD /* Linux 6.8 */
#define KVM_CAP_GUEST_MEMFD 234
#endif

/* The system call, because ioctl(3) may be the preload library's. */
static long forward_ioctl(int fd, unsigned long request, void *arg)
{
	long ret = syscall(SYS_ioctl, fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static int ask(int fd, unsigned long capability, uint32_t *number,
	       uint32_t absent)
{
	long ret;

	if (*number)
		return 0;
	ret = forward_ioctl(fd, KVM_CHECK_EXTENSION,
			    (void *)(uintptr_t)capability);
	if (ret < 0)
		return (int)ret;
	*number = ret ? (uint32_t)ret : absent;
	return 0;
}

int bf_forward_ask(struct bf_memslots_config *config)
{
	uint32_t has_gmem = 0;
	int ret = ask(config->vm_fd, KVM_CAP_NR_MEMSLOTS, &config->slots, 32);

	if (!ret)
		ret = ask(config->vm_fd, KVM_CAP_MULTI_ADDRESS_SPACE,
			  &config->spaces, 1);
	if (!ret)
		ret = ask(config->vm_fd, KVM_CAP_GUEST_MEMFD, &has_gmem, 0);
	config->slot_flags = has_gmem ? KVM_MEM_GUEST_MEMFD : 0;
	return ret;
}

/* A call to KVM, and the call that undoes it. */
struct call {
	struct kvm_userspace_memory_region2 set, undo;
};

struct plan {
	struct call few[2], *calls; /* for a single change, or an array */
	size_t count;
	bool publish_first;
	bool pause;
};

/* Does the slot take addresses that another slot, or an older one, leaves? */
static bool takes_old_place(const struct bf_slot_change *change,
			    const struct bf_touched *touched)
{
	const struct kvm_userspace_memory_region *now = &touched->slot->region;
	const struct bf_memslots_view *view = bf_slots_view(change->slots);
	struct bf_span span;

	switch (bf_touched_kind(touched)) {
	case BF_CHANGE_REPLACE:
		return true;
	case BF_CHANGE_ADD:
	case BF_CHANGE_MOVE:
		return bf_slot_change_overlap(view->roots[now->slot >> 16], now,
					      &span);
	default:
		return false;
	}
}

/* KVM may refuse a file until the slot is removed that has it. */
static bool rebinds(const struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	bool added = false, removed = false;
	enum bf_slot_change_kind kind;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++) {
		kind = bf_touched_kind(touched);
		added |= kind == BF_CHANGE_ADD &&
			 bf_rules_are_fixed(&touched->slot->region);
		removed |= kind == BF_CHANGE_REMOVE &&
			   bf_rules_are_fixed(&touched->old);
	}
	return added && removed;
}

static bool needs_pause(const struct bf_slot_change *change)
{
	size_t i;

	if (rebinds(change))
		return true;
	for (i = 0; i < change->nr_touched; i++)
		if (takes_old_place(change, &change->touched[i]))
			return true;
	return false;
}

/* Is a slot removed, for good or to be added again while the vCPUs pause? */
static bool is_taken_out(const struct plan *plan, enum bf_slot_change_kind kind)
{
	return kind == BF_CHANGE_REMOVE ||
	       (plan->pause &&
		(kind == BF_CHANGE_MOVE || kind == BF_CHANGE_REPLACE));
}

static struct kvm_userspace_memory_region2
removal_of(const struct bf_touched *touched)
{
	return (struct kvm_userspace_memory_region2){
		.slot = touched->slot->region.slot,
	};
}

static struct kvm_userspace_memory_region2
old_of(const struct bf_touched *touched)
{
	return bf_region2_of(&touched->old, touched->old_gmem);
}

static void plan_removals(struct plan *plan,
			  const struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++)
		if (is_taken_out(plan, bf_touched_kind(touched)))
			plan->calls[plan->count++] = (struct call){
				removal_of(touched), old_of(touched)};
}

/* Additions, moves and new flags. */
static void plan_others(struct plan *plan, const struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	enum bf_slot_change_kind kind;
	bool is_new;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++) {
		kind = bf_touched_kind(touched);
		if (kind == BF_CHANGE_NONE || kind == BF_CHANGE_REMOVE)
			continue;
		is_new = kind == BF_CHANGE_ADD || is_taken_out(plan, kind);
		plan->calls[plan->count++] = (struct call){
			bf_region2_of(&touched->slot->region,
				      touched->slot->gmem),
			is_new ? removal_of(touched) : old_of(touched)};
	}
}

static int make_plan(struct plan *plan, const struct bf_slot_change *change)
{
	*plan = (struct plan){.pause = needs_pause(change)};
	if (plan->pause && !change->slots->config.pause)
		return -EBUSY;
	plan->calls = change->nr_touched > 1 ? calloc(2 * change->nr_touched,
						      sizeof(struct call)) :
					       plan->few;
	if (!plan->calls)
		return -ENOMEM;
	if (plan->pause)
		plan_removals(plan, change);
	plan_others(plan, change);
	plan->publish_first = !plan->count;
	if (!plan->pause)
		plan_removals(plan, change);
	return 0;
}

/* The first members of the two structures are the same. */
int bf_forward_set(void *opaque,
		   const struct kvm_userspace_memory_region2 *change)
{
	const struct bf_slots *slots = opaque;

	return (int)forward_ioctl(slots->config.vm_fd,
				  change->flags & KVM_MEM_GUEST_MEMFD ?
					  KVM_SET_USER_MEMORY_REGION2 :
					  KVM_SET_USER_MEMORY_REGION,
				  (void *)(uintptr_t)change);
}

static int set_region(const struct bf_slot_change *change,
		      const struct kvm_userspace_memory_region2 *region)
{
	const struct bf_slots_guest *guest = &change->slots->guest;

	return guest->set(guest->opaque, region);
}

/* Undoes the calls before the failed one; returns the errno for the caller. */
static int take_back(const struct bf_slot_change *change, struct plan *plan,
		     size_t failed, int error)
{
	while (failed--)
		if (set_region(change, &plan->calls[failed].undo))
			error = -ENOTRECOVERABLE;
	return error;
}

static int make_calls(struct bf_slot_change *change, struct plan *plan)
{
	size_t i;
	int ret;

	if (plan->publish_first)
		bf_slot_change_publish(change);
	for (i = 0; i < plan->count; i++) {
		ret = set_region(change, &plan->calls[i].set);
		if (ret) {
			change->refused = true;
			return take_back(change, plan, i, ret);
		}
	}
	if (!plan->publish_first)
		bf_slot_change_publish(change);
	return 0;
}

int bf_forward(struct bf_slot_change *change)
{
	const struct bf_memslots_config *config = &change->slots->config;
	struct plan plan;
	int ret = make_plan(&plan, change);

	if (ret)
		return ret;
	change->paused = plan.pause;
	if (plan.pause)
		config->pause(config->opaque);
	ret = make_calls(change, &plan);
	if (!ret && plan.pause)
		bf_slot_change_mark_lost(change);
	if (!ret)
		bf_listeners_call(change);
	if (plan.pause)
		config->resume(config->opaque);
	if (plan.calls != plan.few)
		free(plan.calls);
	return ret;
}
