// SPDX-License-Identifier: MIT
/* A bus with many entries, for tests without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "io_bus/bus.h"

#include "tests/fault/alloc_fault.h"
#include "bus_oom_fixture.h"

struct bf_io_bus *bus;
struct bf_io_ring *ring;
struct bf_io_range *ranges[MANY];
struct bf_io_zone *zones[MANY];
struct bf_io_doorbell *doorbells[MANY];
int efd;
unsigned int written, completed;

static int count_write(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	written++;
	return 0;
}

const struct bf_io_ops counting_ops = {.write = count_write};

int add_range(uint64_t addr, struct bf_io_range **range)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = STEP / 2,
		.ops = &counting_ops,
	};

	return bf_io_add_range(bus, &desc, range, NULL);
}

int add_zone(uint64_t addr, struct bf_io_zone **zone)
{
	const struct bf_io_zone_desc desc = {
		.addr = addr,
		.size = STEP / 4,
		.space = BF_IO_PIO,
		.ring = ring,
	};

	return bf_io_add_zone(bus, &desc, zone, NULL);
}

struct bf_io_doorbell_desc doorbell_at(uint64_t addr, int fd)
{
	return (struct bf_io_doorbell_desc){
		.addr = addr,
		.len = 4,
		.space = BF_IO_CCW,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_EVENTFD,
		.eventfd = fd,
	};
}

int add_doorbell(uint64_t addr, struct bf_io_doorbell **doorbell)
{
	const struct bf_io_doorbell_desc desc = doorbell_at(addr, efd);

	return bf_io_add_doorbell(bus, &desc, doorbell, NULL);
}

uint64_t place(unsigned int i)
{
	return (uint64_t)(i * 77 % MANY) * STEP * (1 + i % 3 * 1000);
}

int write_at(uint16_t space, uint64_t addr)
{
	uint32_t value = 1;
	struct bf_io_access access = {
		.addr = addr,
		.data = &value,
		.len = 4,
		.space = space,
		.write = true,
	};

	return bf_io_dispatch(bus, &access);
}

static long live_before;

/* A first bus makes the allocations that a process makes once. */
static int use_first_bus(void)
{
	int ret = bf_io_bus_create("first", &bus);

	ret = ret ? ret : add_range(0, NULL);
	ret = ret ? ret : add_doorbell(0, NULL);
	ret = ret ? ret : write_at(BF_IO_MMIO, 0);
	ret = ret ? ret : write_at(BF_IO_CCW, 0);
	bf_io_bus_destroy(bus);
	live_before = alloc_live();
	return ret;
}

int oom_setup(void **state)
{
	int ret;

	completed = 0;
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = use_first_bus();
	ret = ret ? ret : bf_io_bus_create("oom", &bus);
	ret = ret ? ret : bf_io_ring_create(NULL, &ring);
	for (unsigned int i = 0; i < MANY && !ret; i++) {
		ret = add_range(place(i), &ranges[i]);
		ret = ret ? ret : add_zone(place(i), &zones[i]);
		ret = ret ? ret : add_doorbell(place(i), &doorbells[i]);
	}
	return ret;
}

/* Asserts that nothing has leaked. */
int oom_teardown(void **state)
{
	bf_io_bus_destroy(bus);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
	close(efd);
	bus = NULL;
	assert_int_equal(alloc_live(), live_before);
	return 0;
}

void complete(void *opaque)
{
	__atomic_fetch_add(&completed, 1, __ATOMIC_RELEASE);
}

void settle(void)
{
	assert_int_equal(bf_io_synchronize(bus), 0);
	srcu_barrier(&bus->srcu);
}
