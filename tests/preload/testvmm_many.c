/* SPDX-License-Identifier: MIT */
/*
 * many-vms: changes of one VM, alone and beside a thousand others that change
 * too.  Only by hand.  With a limit below 32,768 fds some VMs run without
 * belfry.
 *
 *	belfry run -- build/tests/preload/testvmm many-vms
 *
 * level: VMs that change at random; their memory and fds must not grow.
 * test_many_processes.py runs it in many processes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "testvmm.h"

#define VMS	  1000u
#define DOORBELLS 64u
#define SAMPLES	  20000u

struct small_vm {
	struct testvmm vm;
	int efd;
	uint64_t assigned; /* a bit for each doorbell */
};

static struct small_vm vms[VMS];

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Returns the time of an assign, or 0. */
static uint64_t change(struct small_vm *small, unsigned int doorbell)
{
	const uint64_t bit = 1ull << doorbell, start = now_ns();
	uint32_t flags = small->assigned & bit ? KVM_IOEVENTFD_FLAG_DEASSIGN :
						 0;
	int error = testvmm_ioeventfd(small->vm.fd, small->efd,
				      GUEST_MMIO + 8 * doorbell, 4, flags, 0);
	const uint64_t end = now_ns();

	testvmm_check(!error, "KVM_IOEVENTFD");
	small->assigned ^= bit;
	return flags ? 0 : end - start;
}

static void create(struct small_vm *small)
{
	testvmm_create(&small->vm, 0);
	small->efd = testvmm_eventfd();
	for (unsigned int i = 0; i < DOORBELLS; i++)
		change(small, i);
}

static void destroy(struct small_vm *small)
{
	testvmm_destroy(&small->vm);
	close(small->efd);
	*small = (struct small_vm){0};
}

static int compare(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a,
		       right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static uint64_t samples[SAMPLES];

/* Assigns of all VMs in turn at random. */
static void measure(const char *what, unsigned int count)
{
	unsigned int seed = 1, got = 0;

	while (got < SAMPLES) {
		uint64_t ns = change(&vms[(unsigned int)rand_r(&seed) % count],
				     (unsigned int)rand_r(&seed) % DOORBELLS);

		if (ns)
			samples[got++] = ns;
	}
	qsort(samples, SAMPLES, sizeof(samples[0]), compare);
	printf("%s: p50 %" PRIu64 " ns, p99 %" PRIu64 " ns\n", what,
	       samples[SAMPLES / 2], samples[SAMPLES / 100 * 99]);
}

static unsigned long memory_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long size, pages = 0;

	testvmm_check(file && fscanf(file, "%lu %lu", &size, &pages) == 2,
		      "/proc/self/statm");
	fclose(file);
	return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

void scenario_many_vms(void)
{
	create(&vms[0]);
	for (int i = 0; i < 3; i++)
		measure("assign, 1 VM", 1);
	for (unsigned int i = 1; i < VMS; i++)
		create(&vms[i]);
	for (int i = 0; i < 3; i++) {
		measure("assign to one, beside 1,000 VMs", 1);
		measure("assign to any of 1,000 VMs", VMS);
		printf("memory: %lu KiB\n", memory_kib());
	}
	for (unsigned int i = 0; i < VMS; i++)
		destroy(&vms[i]);
}

static unsigned int number(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? (unsigned int)atoi(value) : otherwise;
}

/* Changes at random until a time; one VM in 4,000 changes ends. */
static void change_until(uint64_t end, unsigned int count, unsigned int *seed)
{
	unsigned int got = 0, n;
	struct small_vm *small;
	uint64_t ns;

	for (n = 1; now_ns() < end; n++) {
		small = &vms[(unsigned int)rand_r(seed) % count];
		ns = change(small, (unsigned int)rand_r(seed) % DOORBELLS);
		if (ns)
			samples[got++ % SAMPLES] = ns;
		if (n % 4000)
			continue;
		destroy(small);
		create(small);
	}
	got = got < SAMPLES ? got : SAMPLES;
	testvmm_check(got, "an assign");
	qsort(samples, got, sizeof(samples[0]), compare);
	printf("%u changes, %lu KiB, %u fds, p50 %" PRIu64 " ns, p99 %" PRIu64
	       " ns\n",
	       n - 1, memory_kib(), testvmm_count_fds(), samples[got / 2],
	       samples[got / 100 * 99]);
	fflush(stdout);
}

/* A line for each period; the first one allocates for all of them. */
void scenario_level(void)
{
	const unsigned int count = number("TESTVMM_VMS", 3);
	const uint64_t period = number("TESTVMM_SECONDS", 1) * 250000000ull;
	unsigned int seed = (unsigned int)getpid();

	for (unsigned int i = 0; i < count; i++)
		create(&vms[i]);
	for (int i = 0; i < 4; i++)
		change_until(now_ns() + period, count, &seed);
	for (unsigned int i = 0; i < count; i++)
		destroy(&vms[i]);
}
