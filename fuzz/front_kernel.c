// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front_kernel.h"

#define FLAGS 0x1fu /* that KVM_IOEVENTFD knows */

void kernel_init(struct kernel *kernel)
{
	while (kernel->nr_doorbells)
		close(kernel->doorbells[--kernel->nr_doorbells].fd);
	kernel->nr_zones = 0;
	kernel->full = false;
}

/* 0, and the number of the eventfd; -EBADF; -EINVAL: it is another file. */
static int find_eventfd(int fd, unsigned long *number)
{
	char path[64], line[128];
	int ret = -EINVAL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fd < 0 ? NULL : fopen(path, "re");
	if (!file)
		return -EBADF;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "eventfd-id: %lu", number) == 1)
			ret = 0;
	fclose(file);
	return ret;
}

/* PIO, virtio-ccw or MMIO. */
static unsigned int space_of(const struct kvm_ioeventfd *arg)
{
	if (arg->flags & KVM_IOEVENTFD_FLAG_PIO)
		return 1;
	return arg->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ? 2 : 0;
}

static bool has_datamatch(const struct kvm_ioeventfd *arg)
{
	return arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;
}

static bool same_place(const struct kvm_ioeventfd *a,
		       const struct kvm_ioeventfd *b)
{
	return space_of(a) == space_of(b) && a->addr == b->addr;
}

static bool collide(const struct kvm_ioeventfd *a,
		    const struct kvm_ioeventfd *b)
{
	if (!same_place(a, b))
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (!has_datamatch(a) || !has_datamatch(b) ||
				    a->datamatch == b->datamatch);
}

static bool same(const struct kvm_ioeventfd *a, const struct kvm_ioeventfd *b)
{
	return same_place(a, b) && a->len == b->len &&
	       has_datamatch(a) == has_datamatch(b) &&
	       (!has_datamatch(a) || a->datamatch == b->datamatch);
}

static int check_assign(const struct kvm_ioeventfd *arg)
{
	if (arg->len > 8 || arg->len & (arg->len - 1))
		return -EINVAL;
	if (arg->addr + arg->len < arg->addr || arg->flags & ~FLAGS)
		return -EINVAL;
	return !arg->len && has_datamatch(arg) ? -EINVAL : 0;
}

static int assign(struct kernel *kernel, const struct kvm_ioeventfd *arg)
{
	struct kernel_doorbell *d = &kernel->doorbells[kernel->nr_doorbells];
	unsigned int i;
	int ret = check_assign(arg);

	if (!ret)
		ret = find_eventfd(arg->fd, &d->eventfd);
	for (i = 0; !ret && i < kernel->nr_doorbells; i++)
		if (collide(&kernel->doorbells[i].arg, arg))
			ret = -EEXIST;
	if (!ret && (kernel->full || kernel->nr_doorbells == KERNEL_ROOM))
		ret = -ENOSPC;
	if (ret)
		return ret;
	d->arg = *arg;
	d->fd = dup(arg->fd);
	kernel->nr_doorbells++;
	return 0;
}

static int deassign(struct kernel *kernel, const struct kvm_ioeventfd *arg)
{
	struct kernel_doorbell *d = kernel->doorbells;
	unsigned long eventfd = 0;
	int ret = find_eventfd(arg->fd, &eventfd);

	if (ret)
		return ret;
	for (; d < kernel->doorbells + kernel->nr_doorbells; d++) {
		if (d->eventfd != eventfd || !same(&d->arg, arg))
			continue;
		close(d->fd);
		*d = kernel->doorbells[--kernel->nr_doorbells];
		return 0;
	}
	return -ENOENT;
}

int kernel_ioeventfd(struct kernel *kernel, const struct kvm_ioeventfd *arg)
{
	if (!arg)
		return -EFAULT;
	return arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ?
		       deassign(kernel, arg) :
		       assign(kernel, arg);
}

static bool zone_contains(const struct kvm_coalesced_mmio_zone *zone,
			  uint32_t pio, uint64_t addr, uint64_t len)
{
	return zone->pio == pio && addr >= zone->addr && addr + len >= addr &&
	       addr + len <= zone->addr + zone->size;
}

static void unregister(struct kernel *kernel,
		       const struct kvm_coalesced_mmio_zone *zone)
{
	unsigned int i, kept = 0;

	for (i = 0; i < kernel->nr_zones; i++)
		if (!zone_contains(&kernel->zones[i], zone->pio, zone->addr,
				   zone->size))
			kernel->zones[kept++] = kernel->zones[i];
	kernel->nr_zones = kept;
}

int kernel_zone(struct kernel *kernel, unsigned long request,
		const struct kvm_coalesced_mmio_zone *zone)
{
	if (zone->pio > 1)
		return -EINVAL;
	if (request == KVM_UNREGISTER_COALESCED_MMIO)
		unregister(kernel, zone);
	else if (kernel->full || kernel->nr_zones == KERNEL_ROOM)
		return -ENOSPC;
	else
		kernel->zones[kernel->nr_zones++] = *zone;
	return 0;
}

const struct kernel_doorbell *kernel_match(const struct kernel *kernel,
					   const struct kernel_write *write)
{
	const struct kernel_doorbell *d = kernel->doorbells;

	for (; d < kernel->doorbells + kernel->nr_doorbells; d++)
		if (space_of(&d->arg) == write->pio &&
		    d->arg.addr == write->addr &&
		    (!d->arg.len || d->arg.len == write->len) &&
		    (!has_datamatch(&d->arg) ||
		     d->arg.datamatch == write->value))
			return d;
	return NULL;
}

bool kernel_coalesces(const struct kernel *kernel,
		      const struct kernel_write *write)
{
	unsigned int i;

	for (i = 0; i < kernel->nr_zones; i++)
		if (zone_contains(&kernel->zones[i], write->pio, write->addr,
				  write->len))
			return true;
	return false;
}

static bool has_doorbell(const struct kernel *kernel,
			 const struct kernel_doorbell *doorbell)
{
	const struct kernel_doorbell *d = kernel->doorbells;

	for (; d < kernel->doorbells + kernel->nr_doorbells; d++)
		if (d->eventfd == doorbell->eventfd &&
		    same(&d->arg, &doorbell->arg))
			return true;
	return false;
}

static unsigned int count_zone(const struct kernel *kernel,
			       const struct kvm_coalesced_mmio_zone *zone)
{
	unsigned int i, count = 0;

	for (i = 0; i < kernel->nr_zones; i++)
		count += !memcmp(&kernel->zones[i], zone, sizeof(*zone));
	return count;
}

bool kernel_is_part(const struct kernel *part, const struct kernel *whole)
{
	unsigned int i;

	for (i = 0; i < part->nr_doorbells; i++)
		if (!has_doorbell(whole, &part->doorbells[i]))
			return false;
	for (i = 0; i < part->nr_zones; i++)
		if (count_zone(part, &part->zones[i]) >
		    count_zone(whole, &part->zones[i]))
			return false;
	return true;
}
