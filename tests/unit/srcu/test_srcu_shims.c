// SPDX-License-Identifier: MIT
/*
 * A program has its own struct srcu_struct and its own functions of the
 * kernel's names, with external linkage, and uses belfry's SRCU beside them.
 * This file is compiled as C and as C++, and linked with either library.
 */
#include <stdio.h>

#define BF_SRCU_NO_KERNEL_NAMES
#include <belfry/io_bus.h>
#include <belfry/memslots.h>
#include <belfry/srcu.h>
#include <belfry/vcpus.h>
#include <belfry/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct srcu_struct {
	int calls;
};

struct srcu_head {
	void (*func)(struct srcu_head *head);
};

int init_srcu_struct(struct srcu_struct *ssp);
int srcu_read_lock(struct srcu_struct *ssp);
void srcu_read_unlock(struct srcu_struct *ssp, int idx);
void call_srcu(struct srcu_struct *ssp, struct srcu_head *head,
	       void (*func)(struct srcu_head *head));
void synchronize_srcu(struct srcu_struct *ssp);
void synchronize_srcu_expedited(struct srcu_struct *ssp);
void srcu_barrier(struct srcu_struct *ssp);
void cleanup_srcu_struct(struct srcu_struct *ssp);

int init_srcu_struct(struct srcu_struct *ssp)
{
	ssp->calls = 1;
	return 0;
}

int srcu_read_lock(struct srcu_struct *ssp)
{
	return ssp->calls++;
}

void srcu_read_unlock(struct srcu_struct *ssp, int idx)
{
	ssp->calls += idx > 0;
}

void call_srcu(struct srcu_struct *ssp, struct srcu_head *head,
	       void (*func)(struct srcu_head *head))
{
	ssp->calls++;
	func(head);
}

void synchronize_srcu(struct srcu_struct *ssp)
{
	ssp->calls++;
}

void synchronize_srcu_expedited(struct srcu_struct *ssp)
{
	ssp->calls++;
}

void srcu_barrier(struct srcu_struct *ssp)
{
	ssp->calls++;
}

void cleanup_srcu_struct(struct srcu_struct *ssp)
{
	ssp->calls++;
}

#ifdef __cplusplus
}
#endif

static int called, shim_called;

static void count(struct bf_srcu_head *head)
{
	(void)head;
	called++;
}

static void shim_count(struct srcu_head *head)
{
	(void)head;
	shim_called++;
}

/* The library calls its own functions, not those of the program. */
static int use_belfry(void)
{
	struct bf_srcu domain;
	struct bf_srcu_head head;
	int idx;

	if (bf_srcu_init(&domain, "domain"))
		return -1;
	idx = bf_srcu_read_lock(&domain);
	bf_srcu_call(&domain, &head, count);
	bf_srcu_read_unlock(&domain, idx);
	bf_srcu_synchronize(&domain);
	bf_srcu_synchronize_expedited(&domain);
	bf_srcu_barrier(&domain);
	return bf_srcu_cleanup(&domain);
}

static int use_shims(void)
{
	struct srcu_struct domain;
	struct srcu_head head;

	if (init_srcu_struct(&domain))
		return -1;
	srcu_read_unlock(&domain, srcu_read_lock(&domain));
	call_srcu(&domain, &head, shim_count);
	synchronize_srcu(&domain);
	synchronize_srcu_expedited(&domain);
	srcu_barrier(&domain);
	cleanup_srcu_struct(&domain);
	return domain.calls;
}

int main(void)
{
	int shims = use_shims(), belfry = use_belfry();

	printf("shims %d, belfry %d, callbacks %d and %d\n", shims, belfry,
	       shim_called, called);
	return shims != 8 || belfry || called != 1 || shim_called != 1;
}
