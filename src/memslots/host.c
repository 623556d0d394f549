// SPDX-License-Identifier: MIT
/* Limits that are asked of the kernel, once. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memslots/host.h"

static uint64_t host_page, hva_end;
static pthread_once_t host_once = PTHREAD_ONCE_INIT;

/*
 * KVM asks the kernel's access_ok() for a slot's memory.  So does mincore(2):
 * first for the range, with ENOMEM, then for the vector, with EFAULT.  Nothing
 * needs to be mapped.
 */
static bool is_user_page(uint64_t addr)
{
	return syscall(SYS_mincore, addr, host_page, -1L) == -1 &&
	       errno == EFAULT;
}

/* The first page between them that is no user memory; first is. */
static uint64_t search_end(uint64_t first, uint64_t last)
{
	uint64_t middle;

	while (last - first > host_page) {
		middle = first + (last - first) / 2 / host_page * host_page;
		if (is_user_page(middle))
			first = middle;
		else
			last = middle;
	}
	return last;
}

static void host_ask(void)
{
	const uint64_t low = 1ULL << 32, high = bf_host_no_user;

	host_page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (is_user_page(low) && !is_user_page(high))
		hva_end = search_end(low, high);
	else
		hva_end = bf_host_least_hva_end(host_page);
}

uint64_t bf_host_page(void)
{
	pthread_once(&host_once, host_ask);
	return host_page;
}

uint64_t bf_host_hva_end(void)
{
	pthread_once(&host_once, host_ask);
	return hva_end;
}
