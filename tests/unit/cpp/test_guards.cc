// SPDX-License-Identifier: MIT
/* The guards of belfry/belfry.hpp. */
#include <belfry/belfry.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <vector>

#define EXPECT(condition) expect((condition), #condition, __LINE__)

static void expect(bool condition, const char *text, int line)
{
	if (condition)
		return;
	std::fprintf(stderr, "line %d: %s\n", line, text);
	std::exit(1);
}

struct device {
	std::atomic<int> writes{0};
	belfry::range *to_end = nullptr;
};

static int on_write(void *opaque, uint64_t, const bf_io_access *)
{
	device *dev = static_cast<device *>(opaque);

	dev->writes++;
	if (dev->to_end)
		*dev->to_end = belfry::range();
	return 0;
}

static const bf_io_ops device_ops = {nullptr, on_write};

static bf_io_range_desc range_desc(device &dev, uint64_t addr)
{
	bf_io_range_desc desc = {};

	desc.addr = addr;
	desc.size = 0x100;
	desc.space = BF_IO_MMIO;
	desc.name = "device";
	desc.ops = &device_ops;
	desc.opaque = &dev;
	return desc;
}

static int write_to(const belfry::bus &bus, uint64_t addr)
{
	uint32_t value = 1;
	bf_io_access access = {};

	access.addr = addr;
	access.data = &value;
	access.len = sizeof(value);
	access.space = BF_IO_MMIO;
	access.write = true;
	return bus.dispatch(access);
}

static void test_range()
{
	belfry::bus bus("test");
	device dev;

	{
		belfry::range range(bus, range_desc(dev, 0x1000));

		EXPECT(write_to(bus, 0x1000) == 0);
	}
	EXPECT(write_to(bus, 0x1000) == -EOPNOTSUPP);
	EXPECT(dev.writes == 1);
}

static void test_moved_range()
{
	belfry::bus bus("test");
	device dev;
	std::vector<belfry::range> ranges;

	for (uint64_t i = 0; i < 8; i++)
		ranges.emplace_back(bus, range_desc(dev, i * 0x1000));
	for (uint64_t i = 0; i < 8; i++)
		EXPECT(write_to(bus, i * 0x1000) == 0);
	ranges.pop_back();
	EXPECT(write_to(bus, 0x7000) == -EOPNOTSUPP);
	EXPECT(write_to(bus, 0x6000) == 0);
}

static void test_collision()
{
	belfry::bus bus("test");
	device dev;
	belfry::range range(bus, range_desc(dev, 0));
	bool thrown = false;

	try {
		belfry::range again(bus, range_desc(dev, 0x80));
	} catch (const std::system_error &error) {
		thrown = error.code() == std::errc::file_exists &&
			 std::string(error.what()).find("collides") !=
				 std::string::npos;
	}
	EXPECT(thrown);
	EXPECT(write_to(bus, 0) == 0);
}

/* The handler ends its own range: the removal may not wait. */
static void test_range_ends_in_handler()
{
	belfry::bus bus("test");
	device dev;
	belfry::range range(bus, range_desc(dev, 0));

	dev.to_end = &range;
	EXPECT(write_to(bus, 0) == 0);
	EXPECT(bus.synchronize() == 0);
	EXPECT(write_to(bus, 0) == -EOPNOTSUPP);
	EXPECT(!range.get());
}

static void test_doorbell()
{
	belfry::bus bus("test");
	bf_io_doorbell_desc desc = {};
	eventfd_t signals = 0;

	desc.addr = 0x1000;
	desc.len = 4;
	desc.wildcard = true;
	desc.consumer = BF_IO_CONSUMER_EVENTFD;
	desc.eventfd = eventfd(0, EFD_CLOEXEC);
	{
		belfry::doorbell doorbell(bus, desc);

		EXPECT(write_to(bus, 0x1000) == 0);
	}
	EXPECT(write_to(bus, 0x1000) == -EOPNOTSUPP);
	EXPECT(!eventfd_read(desc.eventfd, &signals) && signals == 1);
	close(desc.eventfd);
}

static void test_zone()
{
	belfry::bus bus("test");
	belfry::ring ring;
	bf_io_zone_desc desc = {};

	desc.addr = 0x2000;
	desc.size = 0x100;
	desc.ring = ring.get();
	{
		belfry::zone zone(bus, desc);

		EXPECT(write_to(bus, 0x2000) == 0);
		EXPECT(bf_io_ring_destroy(ring.get()) == -EBUSY);
	}
	EXPECT(write_to(bus, 0x2000) == -EOPNOTSUPP);
}

static void test_transaction()
{
	belfry::bus bus("test");
	device dev;
	bf_io_range_desc desc = range_desc(dev, 0x1000);
	bf_io_range *added;

	{
		belfry::transaction dropped(bus);

		EXPECT(!bf_io_txn_add_range(dropped.get(), &desc, nullptr));
	}
	EXPECT(write_to(bus, 0x1000) == -EOPNOTSUPP);

	belfry::transaction txn(bus);

	EXPECT(!bf_io_txn_add_range(txn.get(), &desc, &added));
	txn.commit();
	belfry::range range(bus.get(), added);
	EXPECT(write_to(bus, 0x1000) == 0);

	belfry::transaction collides(bus);
	bool thrown = false;

	EXPECT(!bf_io_txn_add_range(collides.get(), &desc, nullptr));
	try {
		collides.commit();
	} catch (const std::system_error &error) {
		thrown = error.code() == std::errc::file_exists;
	}
	EXPECT(thrown);
}

/* A grace period waits for a section of each kind. */
template <typename Section, typename Domain> static void test_section()
{
	Domain domain("test");
	std::atomic<bool> ended{false}, waits{false};
	std::thread waiter;

	{
		Section section(domain);

		waiter = std::thread([&] {
			waits = true;
			domain.synchronize_expedited();
			EXPECT(ended);
		});
		while (!waits)
			std::this_thread::yield();
		usleep(1000);
		ended = true;
	}
	waiter.join();
	domain.synchronize();
}

static void test_section_moves()
{
	belfry::domain domain("test");
	belfry::moving_section here(domain);

	std::thread([moved = std::move(here)] {}).join();
	domain.synchronize_expedited();
}

struct deferred {
	bf_srcu_head head;
	bool called;
};

static void set_called(bf_srcu_head *head)
{
	reinterpret_cast<deferred *>(head)->called = true;
}

static void test_domain_runs_callbacks()
{
	deferred call = {};

	{
		belfry::domain domain("test");

		bf_srcu_call(domain.get(), &call.head, set_called);
	}
	EXPECT(call.called);
}

static_assert(!std::is_copy_constructible_v<belfry::range>);
static_assert(!std::is_copy_constructible_v<belfry::bus>);
static_assert(!std::is_move_constructible_v<belfry::section>);
static_assert(!std::is_move_constructible_v<belfry::domain>);
static_assert(std::is_nothrow_move_constructible_v<belfry::range>);
static_assert(!std::is_constructible_v<belfry::fast_section, belfry::domain &>);
static_assert(!std::is_constructible_v<belfry::section, belfry::fast_domain &>);

int main()
{
	test_range();
	test_moved_range();
	test_collision();
	test_range_ends_in_handler();
	test_doorbell();
	test_zone();
	test_transaction();
	test_section<belfry::section, belfry::domain>();
	test_section<belfry::fast_section, belfry::fast_domain>();
	test_section<belfry::moving_section, belfry::domain>();
	test_section<belfry::moving_section, belfry::fast_domain>();
	test_section_moves();
	test_domain_runs_callbacks();
	return 0;
}
