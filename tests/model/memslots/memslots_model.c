// SPDX-License-Identifier: MIT
/* The model of the memory slots. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memslots_model.h"
#include "base/util.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

/* The ends of user memory that processors and kernels have, but for a page. */
static const unsigned int widths[] = {47, 48, 52, 56, 63};

/* Addresses of slots: near both ends of the space, and in the middle. */
static uint64_t base_of(uint64_t number)
{
	switch (number) {
	case 0:
		return 0;
	case 1:
		return 1ULL << 32;
	case 2:
		return (1ULL << 40) - 64 * PAGE;
	default:
		return -(512 * PAGE);
	}
}

/* mincore(2) says ENOMEM if the page is none of user memory. */
static bool is_user_page(uint64_t addr)
{
	return syscall(SYS_mincore, addr, PAGE, -1L) == -1 && errno == EFAULT;
}

static uint64_t find_hva_end(void)
{
	uint64_t end;

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
		for (end = (1ULL << widths[i]) - PAGE; end <= 1ULL << widths[i];
		     end += PAGE)
			if (is_user_page(end - PAGE) && !is_user_page(end))
				return end;
	return 0;
}

static uint64_t hva_end(void)
{
	static uint64_t end;

	if (!end)
		end = find_hva_end();
	return end;
}

uint64_t model_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool is_refused(const struct model *model,
		       const struct kvm_userspace_memory_region *change)
{
	uint64_t gpa = change->guest_phys_addr, size = change->memory_size;

	if (change->flags & ~3U || (change->slot & 0xffff) >= MODEL_SLOTS ||
	    change->slot >> 16 >= model->spaces)
		return true;
	if (gpa % PAGE || size % PAGE || change->userspace_addr % PAGE)
		return true;
	if (size > hva_end() || change->userspace_addr > hva_end() - size)
		return true;
	return gpa + size < gpa || size / PAGE >= 1ULL << 31;
}

static bool overlaps(const struct kvm_userspace_memory_region *a,
		     const struct kvm_userspace_memory_region *b)
{
	return a->memory_size && b->memory_size &&
	       a->guest_phys_addr < b->guest_phys_addr + b->memory_size &&
	       b->guest_phys_addr < a->guest_phys_addr + a->memory_size;
}

static int check_overlaps(const struct model *model,
			  const struct kvm_userspace_memory_region *change)
{
	const struct kvm_userspace_memory_region *slot =
		model->slots[change->slot >> 16];
	int i;

	for (i = 0; i < MODEL_SLOTS; i++, slot++)
		if (slot->slot != change->slot && overlaps(slot, change))
			return -EEXIST;
	return 0;
}

int model_set(struct model *model,
	      const struct kvm_userspace_memory_region *change)
{
	struct kvm_userspace_memory_region *slot;
	int ret;

	if (is_refused(model, change))
		return -EINVAL;
	slot = &model->slots[change->slot >> 16][change->slot & 0xffff];
	if (!change->memory_size) {
		ret = slot->memory_size ? 0 : -EINVAL;
		slot->memory_size = 0;
		return ret;
	}
	if (slot->memory_size &&
	    (slot->userspace_addr != change->userspace_addr ||
	     slot->memory_size != change->memory_size ||
	     (slot->flags ^ change->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	ret = check_overlaps(model, change);
	if (!ret)
		*slot = *change;
	return ret;
}

const struct kvm_userspace_memory_region *
model_find(const struct model *model, uint32_t space, uint64_t gpa)
{
	const struct kvm_userspace_memory_region *slot;
	int i;

	for (i = 0; space < model->spaces && i < MODEL_SLOTS; i++) {
		slot = &model->slots[space][i];
		if (gpa >= slot->guest_phys_addr &&
		    gpa - slot->guest_phys_addr < slot->memory_size)
			return slot;
	}
	return NULL;
}

const struct kvm_userspace_memory_region *
model_next(const struct model *model, uint32_t space, uint64_t gpa)
{
	const struct kvm_userspace_memory_region *slot, *best = NULL;
	int i;

	for (i = 0; space < model->spaces && i < MODEL_SLOTS; i++) {
		slot = &model->slots[space][i];
		if (slot->memory_size &&
		    gpa < slot->guest_phys_addr + slot->memory_size &&
		    (!best || slot->guest_phys_addr < best->guest_phys_addr))
			best = slot;
	}
	return best;
}

uint64_t model_reach(const struct model *model, uint32_t space, uint64_t gpa,
		     uint64_t len, bool write)
{
	const struct kvm_userspace_memory_region *slot;
	uint64_t done = 0;

	while (done < len && (slot = model_find(model, space, gpa + done)) &&
	       !(write && slot->flags & KVM_MEM_READONLY))
		done += slot->guest_phys_addr + slot->memory_size -
			(gpa + done);
	return done < len ? done : len;
}

static uint64_t pick(uint64_t *random, uint64_t n)
{
	return model_random(random) % n;
}

uint64_t model_gpa(uint64_t *random)
{
	uint64_t page = base_of(pick(random, 4)) + pick(random, 512) * PAGE;

	if (!pick(random, 16))
		return model_random(random);
	return page + pick(random, 3) * (PAGE / 2 - 1) - pick(random, 2);
}

/* Makes one member of the change invalid, or nearly so. */
static void spoil(struct kvm_userspace_memory_region *change, uint64_t *random)
{
	switch (pick(random, 8)) {
	case 0:
		change->guest_phys_addr += 1 + pick(random, PAGE - 1);
		break;
	case 1:
		change->memory_size += 1 + pick(random, PAGE - 1);
		break;
	case 2:
		change->userspace_addr += 1 + pick(random, PAGE - 1);
		break;
	case 3:
		change->flags |= 4U << pick(random, 30);
		break;
	case 4:
		change->slot |= 0xfffeU;
		break;
	case 5:
		change->slot |= 0x1000U << 16;
		break;
	case 6:
		change->userspace_addr = hva_end() - pick(random, 4) * PAGE;
		break;
	default:
		change->memory_size =
			((1ULL << 31) + pick(random, 3) - 1) * PAGE;
		break;
	}
}

/*
 * Memory and size depend on the slot number alone, so that many changes are
 * moves or changes of flags.
 */
struct kvm_userspace_memory_region model_change(uint64_t *random,
						uint32_t spaces)
{
	uint32_t id = (uint32_t)pick(random, MODEL_SLOTS);
	struct kvm_userspace_memory_region change = {
		.slot = id | (uint32_t)pick(random, spaces) << 16,
		.guest_phys_addr =
			base_of(pick(random, 4)) + pick(random, 512) * PAGE,
		.memory_size = (1 + id % 24) * PAGE,
		.userspace_addr = (1ULL << 40) + ((uint64_t)id << 30),
		.flags = id % 5 ? 0 : KVM_MEM_READONLY,
	};

	if (!pick(random, 4))
		change.flags |= KVM_MEM_LOG_DIRTY_PAGES;
	if (!pick(random, 3))
		change.memory_size = 0;
	if (!pick(random, 16))
		change.memory_size += PAGE;
	if (!pick(random, 16))
		spoil(&change, random);
	return change;
}
