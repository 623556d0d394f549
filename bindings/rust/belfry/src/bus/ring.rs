// SPDX-License-Identifier: MIT
//! Rings of coalesced writes: `belfry/io_ring.h`.

use std::os::raw::{c_uint, c_void};
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use belfry_sys as sys;

use super::Space;
use crate::callback::Relay;
use crate::error::{check, Error};

/// When a ring adds 1 to its eventfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// When an empty ring gets a write.
    NonEmpty,
    /// When the ring becomes half full.
    Half,
}

/// A write that a zone took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coalesced {
    /// The space of the zone.
    pub space: Space,
    /// The guest's address.
    pub addr: u64,
    data: [u8; 8],
    len: u8,
}

impl Coalesced {
    /// The data, of 1 to 8 bytes.
    pub fn data(&self) -> &[u8] {
        &self.data[..self.len.into()]
    }

    fn new(entry: &sys::kvm_coalesced_mmio) -> Coalesced {
        Coalesced {
            space: Space::from_number(entry.pio as u16),
            addr: entry.phys_addr,
            data: entry.data,
            // A process that shares the memory may write any number there.
            len: entry.len.min(8) as u8,
        }
    }
}

pub(super) struct Inner(NonNull<sys::bf_io_ring>);

// SAFETY: the bus locks a ring; one thread drains it, which has it mutably.
unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: each zone has a reference until its removal is complete.
        let ret = unsafe { sys::bf_io_ring_destroy(self.0.as_ptr()) };
        debug_assert_eq!(ret, 0);
    }
}

/// A ring that takes the writes of zones ([`Bus::add_zone`](super::Bus)), until
/// the program takes them out.
///
/// The guest goes on at once after a write, and a device looks at many of them
/// together:
///
/// ```
/// use belfry::bus::{Bus, Range, Ring, Space};
///
/// # fn main() -> Result<(), belfry::Error> {
/// let bus = Bus::new("example")?;
/// let mut ring = Ring::new(0)?;
/// let _vga = bus.add_zone(&Range::new(Space::Mmio, 0xa0000, 0x20000).name("vga"), &ring)?;
/// bus.write(Space::Mmio, 0xa0000, &[7])?;
/// bus.write(Space::Mmio, 0xa0001, &[8])?;
/// let mut seen = Vec::new();
/// ring.drain(|write| seen.push((write.addr, write.data()[0])));
/// assert_eq!(seen, [(0xa0000, 7), (0xa0001, 8)]);
/// # Ok(())
/// # }
/// ```
///
/// One thread at a time drains a ring, and not inside the drain:
///
/// ```compile_fail,E0499
/// # fn nested(mut ring: belfry::bus::Ring) {
/// ring.drain(|_| {
///     ring.drain(|_| ());
/// });
/// # }
/// ```
///
/// A drain takes each ring once:
///
/// ```compile_fail,E0499
/// # fn twice(mut ring: belfry::bus::Ring) {
/// belfry::bus::drain(&mut [&mut ring, &mut ring], |_| ());
/// # }
/// ```
pub struct Ring {
    inner: Arc<Inner>,
}

impl Ring {
    /// Makes a ring for at least this number of writes, which wakes no thread;
    /// 0: as many as the kernel's page has.
    ///
    /// Fails with [`Error::INVALID`] above 2^20, and without memory or
    /// descriptors.
    pub fn new(entries: u32) -> Result<Ring, Error> {
        Ring::create(&sys::bf_io_ring_desc {
            entries,
            ..Default::default()
        })
    }

    /// Makes a ring that adds 1 to an eventfd, of which it keeps a duplicate.
    ///
    /// Fails with [`Error::INVALID`] also for another kind of descriptor.
    pub fn with_wake(entries: u32, wake: Wake, eventfd: impl AsFd) -> Result<Ring, Error> {
        Ring::create(&sys::bf_io_ring_desc {
            entries,
            wake: match wake {
                Wake::NonEmpty => sys::BF_IO_WAKE_NONEMPTY,
                Wake::Half => sys::BF_IO_WAKE_HALF,
            },
            eventfd: eventfd.as_fd().as_raw_fd(),
            ..Default::default()
        })
    }

    fn create(desc: &sys::bf_io_ring_desc) -> Result<Ring, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the description is complete.
        check(unsafe { sys::bf_io_ring_create(desc, &mut raw) })?;
        Ok(Ring {
            inner: Arc::new(Inner(NonNull::new(raw).expect("a ring"))),
        })
    }

    pub(super) fn raw(&self) -> *mut sys::bf_io_ring {
        self.inner.0.as_ptr()
    }

    /// What a zone keeps the ring by.
    pub(super) fn reference(&self) -> Arc<Inner> {
        self.inner.clone()
    }

    /// Takes the writes out that the ring has now, in their order, and returns
    /// their number.  The closure may dispatch accesses and change the bus.
    ///
    /// A device that depends on writes before its access drains first.
    pub fn drain(&mut self, take: impl FnMut(Coalesced)) -> usize {
        drain(&mut [self], take)
    }

    /// The memory of the ring, for another process, and its size.  The layout
    /// is `struct kvm_coalesced_mmio_ring` of `<linux/kvm.h>`.
    pub fn memory(&self) -> (BorrowedFd<'_>, usize) {
        let mut size = 0;
        // SAFETY: the descriptor is the ring's.
        unsafe {
            let fd = sys::bf_io_ring_fd(self.raw(), &mut size);
            (BorrowedFd::borrow_raw(fd), size)
        }
    }
}

/// Takes the writes out of several rings: of two writes of one thread the
/// earlier one comes first, whichever rings they went to.
///
/// A panic of the closure goes on after the drain; it loses the writes behind
/// the one that it was called for.
pub fn drain<F: FnMut(Coalesced)>(rings: &mut [&mut Ring], take: F) -> usize {
    let rings: Vec<_> = rings.iter().map(|ring| ring.raw()).collect();
    let mut relay = Relay::new(take);
    // SAFETY: the caller has each ring mutably, so none is in another drain.
    let taken = unsafe {
        sys::bf_io_ring_drain(
            rings.as_ptr(),
            rings.len() as c_uint,
            Some(take_one::<F>),
            relay.opaque(),
        )
    };
    relay.finish();
    taken
}

unsafe extern "C" fn take_one<F: FnMut(Coalesced)>(
    opaque: *mut c_void,
    entry: *const sys::kvm_coalesced_mmio,
) {
    let relay = &mut *(opaque as *mut Relay<F>);
    relay.call(|take| take(Coalesced::new(&*entry)));
}
