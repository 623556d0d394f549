/* SPDX-License-Identifier: MIT */
/*
 * Makes the same random calls and guest writes on two VMs, one plain and one
 * through belfry.  Each call must return the same errno.  Each write must
 * signal the same eventfds and give the VMM the same data.
 *
 *   differential exact|wild CALLS SEED
 *
 * exact uses layouts in which the kernel's search is exact; nothing may differ.
 * wild nests and overlaps doorbells and zones.  There the kernel loses a
 * doorbell, or gives its write to a zone, depending on the order of the
 * registrations, and belfry registers in another order.  The program counts
 * these losses and accepts no other difference.
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
#include "guests/guests.h"

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

#define MMIO_BASE 0xd0000000u
#define PIO_BASE  0x1000u
#define PLACES	  16u /* for doorbells and zones */
#define STRIDE	  16u /* bytes between places, in exact layouts */
#define SLOT_GPA  0x1000000u
#define SLOT_SIZE 0x10000u

static struct diff_vm vms[2]; /* plain, and through belfry */
static struct model model;
static bool wild;
static unsigned long calls, writes, lost, lost_under;

static unsigned int random_below(unsigned int limit)
{
	return (unsigned int)rand() % limit;
}

static uint64_t base_of(bool pio)
{
	return pio ? PIO_BASE : MMIO_BASE;
}

static void fail_call(const char *what, int plain, int under)
{
	printf("call %lu: %s: plain %d, belfry %d\n", calls, what, plain,
	       under);
	exit(1);
}

static int call_both(const char *what, unsigned long request, const void *arg)
{
	int plain = diff_ioctl(&vms[0], vms[0].fd, request, arg);
	int under = diff_ioctl(&vms[1], vms[1].fd, request, arg);

	calls++;
	if (plain != under)
		fail_call(what, plain, under);
	return plain;
}

static int ioeventfd_both(const char *what, const struct kvm_ioeventfd *arg)
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
		fail_call(what, ret[0], ret[1]);
	return ret[0];
}

/* Exact: at the even places; doorbells of several lengths share an address. */
static struct kvm_ioeventfd random_doorbell(void)
{
	static const uint32_t lens[] = {0, 1, 2, 4, 4, 4, 8, 3};
	const bool pio = !random_below(3);
	struct kvm_ioeventfd arg = {
		.addr = base_of(pio),
		.len = lens[random_below(ARRAY_SIZE(lens))],
		.datamatch = random_below(3),
		.fd = (int)random_below(DIFF_EVENTFDS),
		.flags = pio ? PIO : 0,
	};

	if (wild)
		arg.addr += random_below(PLACES * 2);
	else
		arg.addr += random_below(PLACES / 2) * 2 * STRIDE;
	if (random_below(2))
		arg.flags |= MATCH;
	if (!random_below(50))
		arg.flags |= 1u << (5 + random_below(20));
	return arg;
}

/*
 * Exact: at the odd places, all of one size.  A zone must not reach the next
 * doorbell: the kernel may lose a doorbell of length 0 directly behind a zone.
 */
static struct kvm_coalesced_mmio_zone random_zone(void)
{
	const bool pio = !random_below(3);
	struct kvm_coalesced_mmio_zone zone = {
		.addr = base_of(pio),
		.size = STRIDE / 2,
		.pio = random_below(40) ? pio : 2,
	};

	if (wild) {
		zone.addr += random_below(PLACES * 2);
		zone.size = random_below(PLACES * 2);
	} else {
		zone.addr += (random_below(PLACES / 2) * 2 + 1) * STRIDE;
	}
	return zone;
}

static void assign(void)
{
	struct kvm_ioeventfd arg = random_doorbell();

	if (!ioeventfd_both("assign", &arg))
		model_add(&model, &arg);
}

static void deassign(void)
{
	struct kvm_ioeventfd arg = random_doorbell();

	if (model.nr_doorbells && random_below(3))
		arg = model.doorbells[random_below(
					      (unsigned int)model.nr_doorbells)]
			      .arg;
	arg.flags |= DEASSIGN;
	if (!ioeventfd_both("deassign", &arg))
		model_remove(&model, &arg);
}

static void register_zone(void)
{
	struct kvm_coalesced_mmio_zone zone = random_zone();

	if (!call_both("register zone", KVM_REGISTER_COALESCED_MMIO, &zone))
		model_add_zone(&model, &zone);
}

static void unregister_zone(void)
{
	struct kvm_coalesced_mmio_zone zone = random_zone();

	if (model.nr_zones && random_below(3))
		zone = model.zones[random_below((unsigned int)model.nr_zones)];
	if (!random_below(3)) {
		zone.addr += zone.size / 4;
		zone.size /= 2;
	}
	if (!call_both("unregister zone", KVM_UNREGISTER_COALESCED_MMIO, &zone))
		model_remove_zones(&model, &zone);
}

static void change_slot(void)
{
	unsigned int slot = 1 + random_below(8);
	uint64_t gpa = SLOT_GPA + random_below(8) * SLOT_SIZE;
	uint64_t size = random_below(2) ? SLOT_SIZE : 0;
	int plain = diff_slot(&vms[0], slot, gpa, size);
	int under = diff_slot(&vms[1], slot, gpa, size);

	calls++;
	if (plain != under)
		fail_call("memory slot", plain, under);
}

static struct diff_write random_write(void)
{
	const bool pio = !random_below(3) && guest_write_pio4.size;
	struct diff_write write = {
		.addr = base_of(pio),
		.value = random_below(4),
		.len = 1u << random_below(pio ? 3 : 4),
		.times = 1 + random_below(4),
		.pio = pio,
	};

	if (wild)
		write.addr += random_below(PLACES * 2);
	else
		write.addr += random_below(PLACES) * STRIDE;
	if (pio && !random_below(4)) {
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
	return !memcmp(vms[0].signals, vms[1].signals, sizeof(vms[0].signals));
}

static bool all_writes_arrived(const struct diff_vm *vm, int hit,
			       uint32_t times)
{
	return vm->signals[hit] + vm->nr_events == times;
}

/*
 * True if the kernel's search lost the doorbell on one of the VMs.  On the
 * plain VM the kernel may lose any doorbell; belfry still signals it.  Under
 * belfry the kernel can lose one only to a zone: without a zone the write
 * exits, and belfry matches it again.
 */
static bool doorbell_is_lost(const struct diff_write *write)
{
	int hit = model_hit(&model, write->addr, write->len, write->pio,
			    write->value);

	return hit >= 0 && !write->string &&
	       all_writes_arrived(&vms[0], hit, write->times) &&
	       all_writes_arrived(&vms[1], hit, write->times) &&
	       (vms[0].nr_events ||
		model_in_zone(&model, write->addr, write->len, write->pio));
}

/* The kernel looks a string up by its first element; a zone may take the rest. */
static bool string_is_lost(const struct diff_write *write)
{
	uint64_t sums[2] = {vms[0].nr_events, vms[1].nr_events};

	for (int i = 0; i < 2 * DIFF_EVENTFDS; i++)
		sums[i % 2] += vms[i % 2].signals[i / 2];
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
		if (vm->signals[i])
			printf(" eventfd %d: %" PRIu64, i, vm->signals[i]);
	}
	putchar('\n');
}

static void compare_write(const struct diff_write *write)
{
	if (same_events() && same_counts())
		return;
	if (wild && (doorbell_is_lost(write) || string_is_lost(write))) {
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
	compare_write(&write);
}

static void repeat(unsigned int times, void (*fn)(void))
{
	while (times--)
		fn();
}

/*
 * Groups calls of a kind, so that a round stalls at most once.  Sleeps now and
 * then, because the policy lazy installs in quiet moments.
 */
static void make_round(void)
{
	repeat(random_below(12), assign);
	repeat(random_below(4), register_zone);
	repeat(random_below(40), write_both);
	if (!random_below(4))
		usleep(3000);
	repeat(random_below(40), write_both);
	repeat(random_below(12), deassign);
	repeat(random_below(3), unregister_zone);
	repeat(random_below(3), change_slot);
	repeat(random_below(10), write_both);
}

/* Replaces the VMs from time to time, to test their creation and end. */
static void make_rounds(unsigned long count)
{
	while (calls < count) {
		unsigned long end = calls + 5000;

		memset(&model, 0, sizeof(model));
		diff_create(&vms[0], true);
		diff_create(&vms[1], false);
		while (calls < count && calls < end)
			make_round();
		diff_destroy(&vms[0]);
		diff_destroy(&vms[1]);
	}
}

/* belfry says on stderr that it leaves a VM to the kernel. */
static FILE *keep_stderr(void)
{
	FILE *kept = tmpfile();

	if (kept)
		dup2(fileno(kept), STDERR_FILENO);
	return kept;
}

static bool passed_through(FILE *kept)
{
	bool found = false;
	char line[512];

	rewind(kept);
	while (fgets(line, sizeof(line), kept)) {
		fputs(line, stdout);
		found |= strstr(line, "through to the kernel") != NULL;
	}
	return found;
}

int main(int argc, char **argv)
{
	FILE *kept;

	if (argc != 4 || (strcmp(argv[1], "exact") && strcmp(argv[1], "wild")))
		return 2;
	if (access("/dev/kvm", R_OK | W_OK)) {
		puts("skipped: no /dev/kvm");
		return 77;
	}
	wild = !strcmp(argv[1], "wild");
	srand((unsigned int)strtoul(argv[3], NULL, 0));
	kept = keep_stderr();
	make_rounds(strtoul(argv[2], NULL, 0));
	printf("%lu calls, %lu of them writes; the kernel's search lost the "
	       "doorbell of %lu plain and of %lu under belfry\n",
	       calls, writes, lost, lost_under);
	return !kept || passed_through(kept);
}
