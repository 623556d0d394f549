// SPDX-License-Identifier: MIT
/*
 * What is done in KVM, or in whatever else runs the guest, and when the table
 * follows.
 *
 * Removals: the table first, then KVM.  Everything else: KVM first, then the
 * table, and so does a transaction of both.  So a guest never leaves for a
 * page of which the table says that it is memory, but for pages that are being
 * taken from it in the same transaction; and no reader has seen what KVM
 * refuses to add, so that it can be taken back without waiting for anybody.
 * The other way round a device finds no memory where the guest has some: what
 * nobody can have been told of yet, or what the guest has given up.
 *
 * KVM itself makes vCPUs wait that touch a slot while it is moved or given
 * other flags.  But where something new stands in the place of something old it
 * must be rid of the old first, and between the two calls a vCPU would see no
 * memory.  Then vCPUs are paused, and everything old is removed and everything
 * new is added.
 */
#include <errno.h>
#include <stdlib.h>

#include "memslots/forward.h"

static int ask(int fd, unsigned long capability, uint32_t *number,
	       uint32_t absent)
{
	long ret;

	if (*number)
		return 0;
	ret = bf_forward_ioctl(fd, KVM_CHECK_EXTENSION,
			       (void *)(uintptr_t)capability);
	if (ret < 0)
		return (int)ret;
	*number = ret ? (uint32_t)ret : absent;
	return 0;
}

int bf_forward_ask(struct bf_memslots_config *config)
{
	int ret = ask(config->vm_fd, KVM_CAP_NR_MEMSLOTS, &config->slots, 32);

	return ret ? ret :
		     ask(config->vm_fd, KVM_CAP_MULTI_ADDRESS_SPACE,
			 &config->spaces, 1);
}

/* A call to KVM, and the one that takes it back. */
struct call {
	struct kvm_userspace_memory_region set, undo;
};

struct plan {
	struct call few[2], *calls; /* for a single change, or as many */
	size_t count;
	bool publish_first;
	bool pause;
};

static struct kvm_userspace_memory_region gone(uint32_t slot)
{
	return (struct kvm_userspace_memory_region){.slot = slot};
}

static void plan_call(struct plan *plan,
		      const struct kvm_userspace_memory_region *set,
		      const struct kvm_userspace_memory_region *undo)
{
	plan->calls[plan->count++] = (struct call){*set, *undo};
}

static void plan_add(struct plan *plan, const struct bf_touched *touched)
{
	const struct kvm_userspace_memory_region undo =
		gone(touched->slot->region.slot);

	plan_call(plan, &touched->slot->region, &undo);
}

static void plan_remove(struct plan *plan, const struct bf_touched *touched)
{
	const struct kvm_userspace_memory_region set =
		gone(touched->slot->region.slot);

	plan_call(plan, &set, &touched->old);
}

/* Does it come where something was that leaves? */
static bool takes_a_place(const struct bf_slot_change *change,
			  const struct bf_touched *touched)
{
	const struct kvm_userspace_memory_region *now = &touched->slot->region;
	const struct bf_memslots_view *view = bf_slots_view(change->slots);
	uint64_t first;

	switch (bf_touched_kind(touched)) {
	case BF_CHANGE_REPLACE:
		return true;
	case BF_CHANGE_ADD:
	case BF_CHANGE_MOVE:
		return bf_slot_change_overlap(view->roots[now->slot >> 16], now,
					      &first);
	default:
		return false;
	}
}

static bool needs_pause(const struct bf_slot_change *change)
{
	size_t i;

	for (i = 0; i < change->nr_touched; i++)
		if (takes_a_place(change, &change->touched[i]))
			return true;
	return false;
}

/* What is common to both plans: the slot stays where it is. */
static void plan_flags(struct plan *plan, const struct bf_touched *touched)
{
	if (bf_touched_kind(touched) == BF_CHANGE_FLAGS)
		plan_call(plan, &touched->slot->region, &touched->old);
}

static void plan_running(struct plan *plan, const struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++) {
		plan_flags(plan, touched);
		if (bf_touched_kind(touched) == BF_CHANGE_ADD)
			plan_add(plan, touched);
		if (bf_touched_kind(touched) == BF_CHANGE_MOVE)
			plan_call(plan, &touched->slot->region, &touched->old);
	}
	plan->publish_first = !plan->count;
	for (i = 0, touched = change->touched; i < change->nr_touched;
	     i++, touched++) {
		if (bf_touched_kind(touched) == BF_CHANGE_REMOVE)
			plan_remove(plan, touched);
	}
}

static void plan_paused(struct plan *plan, const struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	enum bf_slot_change_kind kind;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++) {
		kind = bf_touched_kind(touched);
		if (kind == BF_CHANGE_REMOVE || kind == BF_CHANGE_MOVE ||
		    kind == BF_CHANGE_REPLACE)
			plan_remove(plan, touched);
	}
	for (i = 0, touched = change->touched; i < change->nr_touched;
	     i++, touched++) {
		kind = bf_touched_kind(touched);
		plan_flags(plan, touched);
		if (kind == BF_CHANGE_ADD || kind == BF_CHANGE_MOVE ||
		    kind == BF_CHANGE_REPLACE)
			plan_add(plan, touched);
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
		plan_paused(plan, change);
	else
		plan_running(plan, change);
	return 0;
}

int bf_forward_set(void *opaque,
		   const struct kvm_userspace_memory_region *change)
{
	const struct bf_slots *slots = opaque;

	return (int)bf_forward_ioctl(slots->config.vm_fd,
				     KVM_SET_USER_MEMORY_REGION,
				     (void *)(uintptr_t)change);
}

static int set_region(const struct bf_slot_change *change,
		      const struct kvm_userspace_memory_region *region)
{
	const struct bf_slots_guest *guest = &change->slots->guest;

	return guest->set(guest->opaque, region);
}

/* Takes back the calls before the one that failed; its errno. */
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
		if (ret)
			return take_back(change, plan, i, ret);
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
	if (plan.pause)
		config->pause(config->opaque);
	ret = make_calls(change, &plan);
	if (plan.pause)
		config->resume(config->opaque);
	if (plan.calls != plan.few)
		free(plan.calls);
	return ret;
}
