// SPDX-License-Identifier: MIT
/*
 * The rules of KVM_SET_USER_MEMORY_REGION, in the order of the kernel's
 * kvm_set_memory_region().  Its check that the pages of all slots together do
 * not overflow is left out: with 32,767 slots of 2^31 pages they cannot.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memslots/change.h"

#define FLAGS	  (KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)
#define MAX_PAGES ((1ULL << 31) - 1)

/* Bits of user addresses, with and without 5-level (LVA) page tables. */
#ifdef __x86_64__
#define FEW_BITS  47
#define MANY_BITS 56
#else
#define FEW_BITS  48
#define MANY_BITS 52
#endif

static uint64_t host_page, hva_end;
static pthread_once_t host_once = PTHREAD_ONCE_INIT;

/*
 * Can a page be mapped at addr?  Yes, if one is mapped there already.  A
 * sanitizer's mmap() would end the process for the attempt, so this makes the
 * system call itself.
 */
static bool is_mappable(uint64_t addr)
{
	long page = syscall(SYS_mmap, addr, host_page, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				    MAP_FIXED_NOREPLACE,
			    -1, 0L);

	if (page == -1)
		return errno == EEXIST;
	syscall(SYS_munmap, page, host_page);
	return (uint64_t)page == addr;
}

static void host_probe(void)
{
	unsigned int bits = FEW_BITS;

	host_page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (is_mappable((1ULL << MANY_BITS) - (1 << 20)))
		bits = MANY_BITS;
	hva_end = 1ULL << bits;
#ifdef __x86_64__
	hva_end -= host_page; /* the kernel's guard */
#endif
}

static bool is_whole_pages(uint64_t value)
{
	return !(value & (host_page - 1));
}

static bool hva_fits(uint64_t hva, uint64_t size)
{
	return size <= hva_end && hva <= hva_end - size;
}

int bf_rules_check(const struct bf_memslots_config *config,
		   const struct kvm_userspace_memory_region *change)
{
	uint64_t gpa = change->guest_phys_addr, size = change->memory_size;

	pthread_once(&host_once, host_probe);
	if (change->flags & ~(uint32_t)FLAGS ||
	    (change->slot & 0xffff) >= config->slots ||
	    change->slot >> 16 >= config->spaces)
		return -EINVAL;
	if (!is_whole_pages(size) || !is_whole_pages(gpa) ||
	    !is_whole_pages(change->userspace_addr) ||
	    !hva_fits(change->userspace_addr, size))
		return -EINVAL;
	/* As in the kernel, no slot can have the last page. */
	if (gpa + size < gpa || size / host_page > MAX_PAGES)
		return -EINVAL;
	return 0;
}

/* A change of a slot must leave these as they are. */
static bool is_same_memory(const struct kvm_userspace_memory_region *a,
			   const struct kvm_userspace_memory_region *b)
{
	return a->userspace_addr == b->userspace_addr &&
	       a->memory_size == b->memory_size &&
	       !((a->flags ^ b->flags) & KVM_MEM_READONLY);
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
	return last >> config->gpa_bits ? -EINVAL : 0;
}
