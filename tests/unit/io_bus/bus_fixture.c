// SPDX-License-Identifier: MIT
/* A bus for each test, and helpers that change and access it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus_fixture.h"

struct bf_io_bus *bus;
int efd;

int bus_setup(void **state)
{
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return efd < 0 || bf_io_bus_create("test", &bus);
}

int bus_teardown(void **state)
{
	bf_io_bus_destroy(bus);
	close(efd);
	return 0;
}

uint64_t taken(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

int write_len(uint16_t space, uint64_t addr, uint64_t value, uint32_t len)
{
	/* Unaligned, and the last byte ends the allocation. */
	char *buf = malloc(len + 1);
	struct bf_io_access access = {
		.addr = addr,
		.data = buf + 1,
		.len = len,
		.space = space,
		.write = true,
	};
	int ret;

	memcpy(buf + 1, &value, len < 8 ? len : 8);
	ret = bf_io_dispatch(bus, &access);
	free(buf);
	return ret;
}

int read_len(uint16_t space, uint64_t addr, void *value, uint32_t len)
{
	struct bf_io_access access = {
		.addr = addr,
		.data = value,
		.len = len,
		.space = space,
	};

	return bf_io_dispatch(bus, &access);
}

void run_thread(void *(*fn)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, NULL) ||
	    pthread_join(thread, NULL))
		abort();
}

struct bf_io_doorbell_desc doorbell_at(uint64_t addr, uint32_t len)
{
	return (struct bf_io_doorbell_desc){
		.addr = addr,
		.len = len,
		.space = BF_IO_MMIO,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_EVENTFD,
		.eventfd = efd,
	};
}

struct bf_io_doorbell_desc match_at(uint64_t addr, uint32_t len,
				    uint64_t datamatch)
{
	struct bf_io_doorbell_desc desc = doorbell_at(addr, len);

	desc.wildcard = false;
	desc.datamatch = datamatch;
	return desc;
}

int add_doorbell(struct bf_io_doorbell_desc desc,
		 struct bf_io_doorbell **handle)
{
	return bf_io_add_doorbell(bus, &desc, handle, NULL);
}

static int device_read(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	struct device *device = opaque;

	device->calls++;
	device->offset = offset;
	device->len = access->len;
	memcpy(access->data, &device->value, access->len);
	return device->answer;
}

static int device_write(void *opaque, uint64_t offset,
			const struct bf_io_access *access)
{
	struct device *device = opaque;

	device->calls++;
	device->offset = offset;
	device->len = access->len;
	device->value = 0;
	memcpy(&device->value, access->data, access->len);
	return device->answer;
}

const struct bf_io_ops device_ops = {
	.read = device_read,
	.write = device_write,
};

int add_range(uint64_t addr, uint64_t size, const struct bf_io_ops *ops,
	      void *opaque, struct bf_io_range **handle)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = size,
		.space = BF_IO_MMIO,
		.name = "device",
		.ops = ops,
		.opaque = opaque,
	};

	return bf_io_add_range(bus, &desc, handle, NULL);
}
