/* SPDX-License-Identifier: MIT */
/**
 * belfry/belfry.hpp - guards for C++17
 *
 * Classes that end in their destructor what they began: sections and domains of
 * belfry/srcu.h, and buses, ranges, zones, doorbells, rings and transactions of
 * belfry/io_bus.h and its companions.  They own a handle and add nothing else;
 * get() returns the handle for all other functions.  Those headers are the
 * manual: context, thread safety and blocking of a class are those of the
 * functions that its members name.
 *
 *	belfry::bus bus("example");
 *	belfry::range uart(bus, desc);
 *
 *	belfry::domain domain("config");
 *	{
 *		belfry::section section(domain);
 *		use(config.load());
 *	}
 *	domain.synchronize_expedited();
 *
 * Errors: a constructor throws std::system_error with the errno; for a
 * collision its text names both entries.  Without exceptions such a call ends
 * the program.  Nothing else throws.
 *
 * Objects: none can be copied.  One with a handle, and a moving_section, can be
 * moved.  The thread that constructed a section or a fast_section destroys it.
 *
 * Handlers: a handler or callback must not throw through the library.
 *
 * Stability: 0.x, as the headers.  All of this is inline: no part of it is in
 * the library's binary interface.
 */
#ifndef BELFRY_BELFRY_HPP
#define BELFRY_BELFRY_HPP

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "belfry/belfry.hpp needs C++17"
#endif

#include <belfry/io_bus.h>
#include <belfry/io_ring.h>
#include <belfry/io_txn.h>
#include <belfry/srcu.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

namespace belfry
{

/** Throws the error of a negative result. */
inline void check(int ret, const char *what)
{
	if (ret < 0)
		throw std::system_error(-ret, std::generic_category(), what);
}

/** The same for an addition, with the text of a collision. */
inline void check(int ret, const char *what, const bf_io_conflict &conflict)
{
	char text[256];

	if (ret == -EEXIST) {
		bf_io_conflict_format(&conflict, text, sizeof(text));
		what = text;
	}
	check(ret, what);
}

/**
 * A domain: of the fenced flavour, or as fast_domain of the fast one.  The
 * destructor runs the callbacks that are left, as bf_srcu_barrier() does, and
 * then ends the domain.  No section may be open.
 *
 * @name must live as long as the domain.
 */
template <int (*init)(bf_srcu *, const char *)> class basic_domain
{
      public:
	explicit basic_domain(const char *name)
	{
		check(init(&srcu, name), name);
	}

	~basic_domain()
	{
		bf_srcu_barrier(&srcu);
		bf_srcu_cleanup(&srcu);
	}

	basic_domain(const basic_domain &) = delete;
	basic_domain &operator=(const basic_domain &) = delete;

	bf_srcu *get() noexcept
	{
		return &srcu;
	}

	/** bf_srcu_synchronize() */
	void synchronize() noexcept
	{
		bf_srcu_synchronize(&srcu);
	}

	/** bf_srcu_synchronize_expedited() */
	void synchronize_expedited() noexcept
	{
		bf_srcu_synchronize_expedited(&srcu);
	}

	/** bf_srcu_barrier() */
	void barrier() noexcept
	{
		bf_srcu_barrier(&srcu);
	}

      private:
	bf_srcu srcu = {};
};

using domain = basic_domain<bf_srcu_init>;
using fast_domain = basic_domain<bf_srcu_init_fast>;

/** A section of a fenced domain. */
class [[nodiscard]] section
{
      public:
	explicit section(domain &of) noexcept : section(of.get())
	{
	}

	explicit section(bf_srcu *of) noexcept
	    : srcu(of), idx(bf_srcu_read_lock(of))
	{
	}

	~section()
	{
		bf_srcu_read_unlock(srcu, idx);
	}

	section(const section &) = delete;
	section &operator=(const section &) = delete;

      private:
	bf_srcu *srcu;
	int idx;
};

/** A section of a fast domain. */
class [[nodiscard]] fast_section
{
      public:
	explicit fast_section(fast_domain &of) noexcept : fast_section(of.get())
	{
	}

	explicit fast_section(bf_srcu *of) noexcept
	    : srcu(of), scp(bf_srcu_read_lock_fast(of))
	{
	}

	~fast_section()
	{
		bf_srcu_read_unlock_fast(srcu, scp);
	}

	fast_section(const fast_section &) = delete;
	fast_section &operator=(const fast_section &) = delete;

      private:
	bf_srcu *srcu;
	bf_srcu_ctr *scp;
};

/** A section that any thread may end, of a domain of either flavour. */
class [[nodiscard]] moving_section
{
      public:
	explicit moving_section(domain &of) noexcept : moving_section(of.get())
	{
	}

	explicit moving_section(fast_domain &of) noexcept
	    : moving_section(of.get())
	{
	}

	explicit moving_section(bf_srcu *of) noexcept
	    : srcu(of), idx(bf_srcu_down_read(of))
	{
	}

	moving_section(moving_section &&other) noexcept
	    : srcu(std::exchange(other.srcu, nullptr)), idx(other.idx)
	{
	}

	~moving_section()
	{
		if (srcu)
			bf_srcu_up_read(srcu, idx);
	}

	moving_section(const moving_section &) = delete;
	moving_section &operator=(const moving_section &) = delete;

      private:
	bf_srcu *srcu;
	int idx;
};

/** A bus.  All entries of it must be gone, or stay until the bus ends. */
class bus
{
      public:
	explicit bus(const char *name)
	{
		bf_io_bus *created;

		check(bf_io_bus_create(name, &created), "bus");
		handle.reset(created);
	}

	bf_io_bus *get() const noexcept
	{
		return handle.get();
	}

	/** bf_io_dispatch() */
	int dispatch(bf_io_access &access) const noexcept
	{
		return bf_io_dispatch(get(), &access);
	}

	/** bf_io_synchronize() */
	int synchronize() const noexcept
	{
		return bf_io_synchronize(get());
	}

      private:
	struct destroy {
		void operator()(bf_io_bus *bus) const noexcept
		{
			bf_io_bus_destroy(bus);
		}
	};
	std::unique_ptr<bf_io_bus, destroy> handle;
};

/** A ring.  Its zones must be gone before it. */
class ring
{
      public:
	explicit ring(const bf_io_ring_desc &desc = {})
	{
		bf_io_ring *created;

		check(bf_io_ring_create(&desc, &created), "ring");
		handle.reset(created);
	}

	bf_io_ring *get() const noexcept
	{
		return handle.get();
	}

      private:
	struct destroy {
		void operator()(bf_io_ring *ring) const noexcept
		{
			bf_io_ring_destroy(ring);
		}
	};
	std::unique_ptr<bf_io_ring, destroy> handle;
};

/**
 * An entry of a bus: range, zone or doorbell.  The destructor removes the entry
 * and waits.  In a handler of the same bus, where the library refuses to wait,
 * it removes without waiting: memory that the entry uses must live until
 * bus::synchronize() has returned.
 *
 * @add, @remove and @remove_async are the functions of this kind of entry.
 */
template <auto add, auto remove, auto remove_async, typename Handle,
	  typename Desc>
class entry
{
      public:
	/** An entry of no bus, to move one into. */
	entry() noexcept = default;

	entry(const bus &bus, const Desc &desc)
	{
		bf_io_conflict conflict;

		check(add(bus.get(), &desc, &handle, &conflict), "entry",
		      conflict);
		owner = bus.get();
	}

	/** Takes an entry that the program, or a transaction, has added. */
	entry(bf_io_bus *bus, Handle *added) noexcept
	    : owner(bus), handle(added)
	{
	}

	entry(entry &&other) noexcept
	    : owner(other.owner), handle(other.release())
	{
	}

	entry &operator=(entry &&other) noexcept
	{
		std::swap(owner, other.owner);
		std::swap(handle, other.handle);
		return *this;
	}

	~entry()
	{
		if (handle && remove(owner, handle) == -EDEADLK)
			remove_async(owner, handle, nullptr, nullptr);
	}

	entry(const entry &) = delete;
	entry &operator=(const entry &) = delete;

	Handle *get() const noexcept
	{
		return handle;
	}

	/** Gives the handle back; the caller removes the entry. */
	Handle *release() noexcept
	{
		return std::exchange(handle, nullptr);
	}

      private:
	bf_io_bus *owner = nullptr;
	Handle *handle = nullptr;
};

using range = entry<bf_io_add_range, bf_io_remove_range,
		    bf_io_remove_range_async, bf_io_range, bf_io_range_desc>;
using zone = entry<bf_io_add_zone, bf_io_remove_zone, bf_io_remove_zone_async,
		   bf_io_zone, bf_io_zone_desc>;
using doorbell =
	entry<bf_io_add_doorbell, bf_io_remove_doorbell,
	      bf_io_remove_doorbell_async, bf_io_doorbell, bf_io_doorbell_desc>;

/**
 * A transaction.  The destructor drops it unless commit() was called.  What it
 * records goes through get() and the functions of belfry/io_txn.h.
 */
class transaction
{
      public:
	explicit transaction(const bus &bus)
	{
		bf_io_txn *begun;

		check(bf_io_txn_begin(bus.get(), &begun), "transaction");
		handle.reset(begun);
	}

	bf_io_txn *get() const noexcept
	{
		return handle.get();
	}

	/** bf_io_txn_commit(): throws, and the bus is as it was, or publishes. */
	void commit()
	{
		bf_io_conflict conflict;

		check(bf_io_txn_commit(handle.release(), &conflict),
		      "transaction", conflict);
	}

      private:
	struct abort {
		void operator()(bf_io_txn *txn) const noexcept
		{
			bf_io_txn_abort(txn);
		}
	};
	std::unique_ptr<bf_io_txn, abort> handle;
};

} /* namespace belfry */

#endif /* BELFRY_BELFRY_HPP */
