/* SPDX-License-Identifier: MIT */
/*
 * The same random calls and guest writes on two VMs, one plain, one through
 * belfry: the same errno for each call, the same eventfd counts and the same
 * data to the VMM for each write.
 *
 *   differential exact|wild CALLS SEED
 *
 * exact keeps to layouts in which the kernel's search is exact; there nothing
 * may differ.  wild nests and overlaps: there the kernel loses doorbells, or
 * gives their writes to a zone, by the order in which all came; under belfry
 * the order in which the kernel hears of them is another.  What is lost is
 * counted; nothing else may differ there either.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diff_model.h"
#include "diff_vm.h"
#include "base/util.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

#define MMIO_BASE 0xd0000000u
#define PIO_BASE  0x1000u
#define PLACES	  16u /* that doorbells and zones are chosen from */
#define STRIDE	  16u /* between them, where they must not meet */
#define SLOT_GPA  0x1000000u
#define SLOT_SIZE 0x10000u

static struct diff_vm vms[2]; /* plain, and through belfry */
static struct model model;
static bool wild;
static unsigned long calls, writes, lost, lost_under;

static unsigned int below(unsigned int limit)
{
	return (unsigned int)rand() % limit;
}

static uint64_t base_of(bool pio)
{
	return pio ? PIO_BASE : MMIO_BASE;
}

static void fail(const char *what, int plain, int under)
{
	printf("call %lu: %s: plain %d, belfry %d\n", calls, what, plain,
	       under);
	exit(1);
}

static int both(const char *what, unsigned long request, const void *arg)
{
	int plain = diff_ioctl(&vms[0], vms[0].fd, request, arg);
	int under = diff_ioctl(&vms[1], vms[1].fd, request, arg);

	calls++;
	if (plain != under)
		fail(what, plain, under);
	return plain;
}

static int both_ioeventfd(const char *what, const struct kvm_ioeventfd *arg)
{
	struct kvm_ioeventfd args[2] = {*arg, *arg};
	int ret[2];

	for (int i = 0; i < 2; i++) {
		args[i].fd = vms[i].efd[arg->fd];
		ret[i] =
			diff_ioctl(&vms[i], vms[i].fd, KVM_IOEVENTFD, &args[i]);
	}
	calls++;
	if (ret[0] != ret[1])
		fail(what, ret[0], ret[1]);
	return ret[0];
}

/*
 * Exact: doorbells of several lengths share a start, and their stacks, at the
 * even places, are apart.
 */
static struct kvm_ioeventfd random_bell(void)
{
	static const uint32_t lens[] = {0, 1, 2, 4, 4, 4, 8, 3};
	const bool pio = !below(3);
	struct kvm_ioeventfd arg = {
		.addr = base_of(pio),
		.len = lens[below(ARRAY_SIZE(lens))],
		.datamatch = below(3),
		.fd = (int)below(DIFF_EVENTFDS),
		.flags = pio ? PIO : 0,
	};

	if (wild)
		arg.addr += below(PLACES * 2);
	else
		arg.addr += below(PLACES / 2) * 2 * STRIDE;
	if (below(2))
		arg.flags |= MATCH;
	if (!below(50))
		arg.flags |= 1u << (5 + below(20));
	return arg;
}

/*
 * Exact: at the odd places, all of one size, and not up to the next doorbell:
 * one of length 0 right behind a zone may be lost.
 */
static struct kvm_coalesced_mmio_zone random_zone(void)
{
	const bool pio = !below(3);
	struct kvm_coalesced_mmio_zone zone = {
		.addr = base_of(pio),
		.size = STRIDE / 2,
		.pio = below(40) ? pio : 2,
	};

	if (wild) {
		zone.addr += below(PLACES * 2);
		zone.size = below(PLACES * 2);
	} else {
		zone.addr += (below(PLACES / 2) * 2 + 1) * STRIDE;
	}
	return zone;
}

static void assign(void)
{
	struct kvm_ioeventfd arg = random_bell();

	if (!both_ioeventfd("assign", &arg))
		model_add(&model, &arg);
}

static void deassign(void)
{
	struct kvm_ioeventfd arg = random_bell();

	if (model.nr_bells && below(3))
		arg = model.bells[below((unsigned int)model.nr_bells)].arg;
	arg.flags |= DEASSIGN;
	if (!both_ioeventfd("deassign", &arg))
		model_remove(&model, &arg);
}

static void register_zone(void)
{
	struct kvm_coalesced_mmio_zone zone = random_zone();

	if (!both("register zone", KVM_REGISTER_COALESCED_MMIO, &zone))
		model_add_zone(&model, &zone);
}

static void unregister_zone(void)
{
	struct kvm_coalesced_mmio_zone zone = random_zone();

	if (model.nr_zones && below(3))
		zone = model.zones[below((unsigned int)model.nr_zones)];
	if (!below(3)) {
		zone.addr += zone.size / 4;
		zone.size /= 2;
	}
	if (!both("unregister zone", KVM_UNREGISTER_COALESCED_MMIO, &zone))
		model_remove_zones(&model, &zone);
}

static void change_slot(void)
{
	unsigned int slot = 1 + below(8);
	uint64_t gpa = SLOT_GPA + below(8) * SLOT_SIZE;
	uint64_t size = below(2) ? SLOT_SIZE : 0;
	int plain = diff_slot(&vms[0], slot, gpa, size);
	int under = diff_slot(&vms[1], slot, gpa, size);

	calls++;
	if (plain != under)
		fail("memory slot", plain, under);
}

static struct diff_write random_write(void)
{
	const bool pio = !below(3);
	struct diff_write write = {
		.addr = base_of(pio),
		.value = below(4),
		.len = 1u << below(pio ? 3 : 4),
		.times = 1 + below(4),
		.pio = pio,
	};

	if (wild)
		write.addr += below(PLACES * 2);
	else
		write.addr += below(PLACES) * STRIDE;
	if (pio && !below(4)) {
		write.string = true;
		write.len = 4;
	}
	return write;
}

static bool same_events(void)
{
	return vms[0].nr_events == vms[1].nr_events &&
	       !memcmp(vms[0].events, vms[1].events,
		       vms[0].nr_events * sizeof(vms[0].events[0]));
}

static bool same_counts(void)
{
	return !memcmp(vms[0].rung, vms[1].rung, sizeof(vms[0].rung));
}

static bool is_rung_or_seen(const struct diff_vm *vm, int hit, uint32_t times)
{
	return vm->rung[hit] + vm->nr_events == times;
}

/*
 * Did the kernel's search lose a doorbell that is registered?  The plain VM's
 * kernel may lose any, and belfry rings it then; belfry's own only to a zone,
 * because without one the write comes out and is matched again.
 */
static bool is_lost(const struct diff_write *write)
{
	int hit = model_hit(&model, write->addr, write->len, write->pio,
			    write->value);

	return hit >= 0 && !write->string &&
	       is_rung_or_seen(&vms[0], hit, write->times) &&
	       is_rung_or_seen(&vms[1], hit, write->times) &&
	       (vms[0].nr_events ||
		model_in_zone(&model, write->addr, write->len, write->pio));
}

/* Strings go by their first element, of which a zone may take some more. */
static bool is_lost_string(const struct diff_write *write)
{
	uint64_t sums[2] = {vms[0].nr_events, vms[1].nr_events};

	for (int i = 0; i < 2 * DIFF_EVENTFDS; i++)
		sums[i % 2] += vms[i % 2].rung[i / 2];
	return write->string && sums[0] == sums[1];
}

static void count_lost(void)
{
	lost += vms[0].nr_events > vms[1].nr_events;
	lost_under += vms[0].nr_events < vms[1].nr_events;
}

static void print_vm(const struct diff_vm *vm)
{
	printf("%s:", vm->plain ? "plain" : "belfry");
	for (size_t i = 0; i < vm->nr_events; i++)
		printf(" %" PRIx64 "+%u=%" PRIx64, vm->events[i].addr,
		       vm->events[i].len, vm->events[i].value);
	for (int i = 0; i < DIFF_EVENTFDS; i++) {
		if (vm->rung[i])
			printf(" eventfd %d: %" PRIu64, i, vm->rung[i]);
	}
	putchar('\n');
}

static void judge(const struct diff_write *write)
{
	if (same_events() && same_counts())
		return;
	if (wild && (is_lost(write) || is_lost_string(write))) {
		count_lost();
		return;
	}
	printf("call %lu: write %" PRIx64 "+%u=%" PRIx64 " x%u%s differs\n",
	       calls, write->addr, write->len, write->value, write->times,
	       write->string ? ", a string" : "");
	print_vm(&vms[0]);
	print_vm(&vms[1]);
	exit(1);
}

static void write_both(void)
{
	struct diff_write write = random_write();

	diff_write(&vms[0], &write);
	diff_write(&vms[1], &write);
	calls++;
	writes++;
	judge(&write);
}

static void repeat(unsigned int times, void (*fn)(void))
{
	while (times--)
		fn();
}

/*
 * In turns, so that what stalls does so once a round; and a rest now and then,
 * so that what waits for a quiet moment has one.
 */
static void play_round(void)
{
	repeat(below(12), assign);
	repeat(below(4), register_zone);
	repeat(below(40), write_both);
	if (!below(4))
		usleep(3000);
	repeat(below(40), write_both);
	repeat(below(12), deassign);
	repeat(below(3), unregister_zone);
	repeat(below(3), change_slot);
	repeat(below(10), write_both);
}

/* New VMs from time to time: their start and end belong to it. */
static void play(unsigned long count)
{
	while (calls < count) {
		unsigned long end = calls + 5000;

		memset(&model, 0, sizeof(model));
		diff_create(&vms[0], true);
		diff_create(&vms[1], false);
		while (calls < count && calls < end)
			play_round();
		diff_destroy(&vms[0]);
		diff_destroy(&vms[1]);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4 || (strcmp(argv[1], "exact") && strcmp(argv[1], "wild")))
		return 2;
	if (access("/dev/kvm", R_OK | W_OK)) {
		puts("skipped: no /dev/kvm");
		return 77;
	}
	wild = !strcmp(argv[1], "wild");
	srand((unsigned int)strtoul(argv[3], NULL, 0));
	play(strtoul(argv[2], NULL, 0));
	printf("%lu calls, %lu of them writes; the kernel's search lost the "
	       "doorbell of %lu plain and of %lu under belfry\n",
	       calls, writes, lost, lost_under);
	return 0;
}
