// SPDX-License-Identifier: MIT
/*
 * The rules of KVM_SET_USER_MEMORY_REGION, in the order of the kernel's
 * kvm_set_memory_region().  Its check that the pages of all slots together do
 * not overflow is left out: with 32,767 slots of 2^31 pages they cannot.
 */
#include <errno.h>

#include "memslots/change.h"
#include "memslots/host.h"

#define FLAGS	  (KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)
#define GMEM	  KVM_MEM_GUEST_MEMFD
#define MAX_PAGES ((1ULL << 31) - 1)

static bool is_whole_pages(uint64_t value)
{
	return !(value & (bf_host_page() - 1));
}

static bool hva_fits(uint64_t hva, uint64_t size)
{
	uint64_t end = bf_host_hva_end();

	return size <= end && hva <= end - size;
}

/* KVM_MEM_GUEST_MEMFD goes with no other flag. */
static bool knows_flags(const struct bf_memslots_config *config, uint32_t flags)
{
	return !(flags & ~(flags & GMEM ? config->slot_flags : FLAGS));
}

static bool gmem_fits(const struct kvm_userspace_memory_region2 *change)
{
	uint64_t offset = change->guest_memfd_offset;

	return !(change->flags & GMEM) ||
	       (is_whole_pages(offset) &&
		offset + change->memory_size >= offset);
}

int bf_rules_check(const struct bf_memslots_config *config,
		   const struct kvm_userspace_memory_region2 *change)
{
	uint64_t gpa = change->guest_phys_addr, size = change->memory_size;

	if (!knows_flags(config, change->flags) || !gmem_fits(change) ||
	    !bf_rules_has_number(config, change->slot))
		return -EINVAL;
	if (!is_whole_pages(size) || !is_whole_pages(gpa) ||
	    !is_whole_pages(change->userspace_addr) ||
	    !hva_fits(change->userspace_addr, size))
		return -EINVAL;
	/* As in the kernel, no slot can have the last page. */
	if (gpa + size < gpa || size / bf_host_page() > MAX_PAGES)
		return -EINVAL;
	return 0;
}

/* A change of a slot must leave these as they are. */
static bool is_same_memory(const struct kvm_userspace_memory_region *a,
			   const struct kvm_userspace_memory_region *b)
{
	return a->userspace_addr == b->userspace_addr &&
	       a->memory_size == b->memory_size &&
	       !((a->flags ^ b->flags) & (KVM_MEM_READONLY | GMEM));
}

enum bf_slot_change_kind
bf_rules_kind(const struct kvm_userspace_memory_region *old,
	      const struct kvm_userspace_memory_region *now)
{
	if (!now->memory_size)
		return old->memory_size ? BF_CHANGE_REMOVE : BF_CHANGE_NONE;
	if (!old->memory_size)
		return BF_CHANGE_ADD;
	if (!is_same_memory(old, now))
		return BF_CHANGE_REPLACE;
	if (old->guest_phys_addr != now->guest_phys_addr)
		return BF_CHANGE_MOVE;
	return old->flags != now->flags ? BF_CHANGE_FLAGS : BF_CHANGE_NONE;
}

int bf_rules_check_gpa(const struct bf_memslots_config *config,
		       const struct kvm_userspace_memory_region *change)
{
	uint64_t last = change->guest_phys_addr + change->memory_size - 1;

	if (!config->gpa_bits || config->gpa_bits >= 64)
		return 0;
	return last >> config->gpa_bits ? bf_host_beyond_gpa : 0;
}
