// SPDX-License-Identifier: MIT
//! The bus: `belfry/io_bus.h`.
//!
//! Accesses take no lock, and never wait for a thread that changes the bus.  A
//! device is a closure; it runs on the thread that dispatches, on any number of
//! threads at once, so it must be [`Sync`]:
//!
//! ```
//! use belfry::bus::{Bus, Doorbell, Operation, Range, Space};
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), belfry::Error> {
//! let bus = Bus::new("example")?;
//! let rung = Arc::new(AtomicU64::new(0));
//! let count = rung.clone();
//! let doorbell = bus.on_doorbell(
//!     &Doorbell::new(Space::Mmio, 0x1000, 4).datamatch(7),
//!     move |value| {
//!         count.fetch_add(value, Ordering::Relaxed);
//!     },
//! )?;
//! bus.write(Space::Mmio, 0x1000, &7u32.to_ne_bytes())?;
//! assert_eq!(rung.load(Ordering::Relaxed), 7);
//! drop(doorbell);
//! assert!(bus.write(Space::Mmio, 0x1000, &7u32.to_ne_bytes()).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail,E0277
//! use belfry::bus::{Bus, Operation, Range, Space};
//! let bus = Bus::new("example").unwrap();
//! let state = std::cell::Cell::new(0);
//! let range = Range::new(Space::Mmio, 0, 8);
//! bus.add_range(&range, move |_, _: Operation| {
//!     state.set(1); // two threads may do so at once
//!     Ok(())
//! });
//! ```
//!
//! ```compile_fail,E0277
//! use belfry::bus::{Bus, Operation, Range, Space};
//! let bus = Bus::new("example").unwrap();
//! let state = std::rc::Rc::new(1);
//! let range = Range::new(Space::Mmio, 0, 8);
//! bus.add_range(&range, move |_, _: Operation| {
//!     println!("{}", state); // an Rc is not Send
//!     Ok(())
//! });
//! ```
//!
//! A device does not change what it borrowed, nor does it borrow from its
//! creator: an access may be under way when the handle is dropped.
//!
//! ```compile_fail,E0597
//! use belfry::bus::{Bus, Operation, Range, Space};
//! let bus = Bus::new("example").unwrap();
//! let registers = [1u8; 8];
//! let borrowed = &registers;
//! let range = Range::new(Space::Mmio, 0, 8);
//! let device = bus.add_range(&range, move |_, _: Operation| {
//!     println!("{}", borrowed[0]);
//!     Ok(())
//! });
//! ```
//!
//! A removal takes the handle, so a handle is not used after it:
//!
//! ```compile_fail,E0382
//! use belfry::bus::{Bus, Operation, Range, Space};
//! let bus = Bus::new("example").unwrap();
//! let range = Range::new(Space::Mmio, 0, 8);
//! let device = bus.add_range(&range, |_, _: Operation| Ok(())).unwrap();
//! device.remove();
//! device.move_to(0x1000);
//! ```
//!
//! And data that a guest writes is not the device's to keep or to change:
//!
//! ```compile_fail,E0594
//! use belfry::bus::{Bus, Operation, Range, Space};
//! let bus = Bus::new("example").unwrap();
//! let range = Range::new(Space::Mmio, 0, 8);
//! bus.add_range(&range, |_, operation: Operation| {
//!     if let Operation::Write(data) = operation {
//!         data[0] = 0;
//!     }
//!     Ok(())
//! });
//! ```

use std::ffi::CString;
use std::os::raw::{c_int, c_void};
use std::os::unix::io::{AsFd, AsRawFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use belfry_sys as sys;

use crate::callback;
use crate::error::{self, check, Error};

mod entry;
mod ring;
mod txn;

use entry::Closure;
pub use entry::{DoorbellHandle, Handle, Kind, RangeHandle, ZoneHandle};
pub use ring::{drain, Coalesced, Ring, Wake};
pub use txn::Transaction;

/// An address space of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Memory-mapped accesses.
    Mmio,
    /// Port accesses.
    Pio,
    /// Notifications of virtio-ccw; the address is the subchannel.
    Ccw,
    /// A space of the program: 3 to 15.  The bus refuses another number.
    Own(u16),
}

impl Space {
    fn number(self) -> u16 {
        match self {
            Space::Mmio => sys::BF_IO_MMIO as u16,
            Space::Pio => sys::BF_IO_PIO as u16,
            Space::Ccw => sys::BF_IO_CCW as u16,
            Space::Own(number) => number,
        }
    }

    fn from_number(number: u16) -> Space {
        match number.into() {
            sys::BF_IO_MMIO => Space::Mmio,
            sys::BF_IO_PIO => Space::Pio,
            sys::BF_IO_CCW => Space::Ccw,
            _ => Space::Own(number),
        }
    }
}

/// The kind of the entry that took an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// A doorbell was signalled.
    Doorbell,
    /// A device handled the access.
    Range,
    /// A coalesced zone has the write.
    Zone,
}

/// An access, as a device sees it: the data to fill, or the data written.
#[derive(Debug)]
pub enum Operation<'a> {
    /// A read: the device fills the data.
    Read(&'a mut [u8]),
    /// A write of the data.
    Write(&'a [u8]),
}

/// The place of a device or of a zone.
#[derive(Clone, Debug)]
pub struct Range {
    space: Space,
    addr: u64,
    size: u64,
    name: String,
    priority: i64,
}

impl Range {
    /// Describes `size` bytes from an address on.
    pub fn new(space: Space, addr: u64, size: u64) -> Range {
        Range {
            space,
            addr,
            size,
            name: String::new(),
            priority: 0,
        }
    }

    /// The name in errors; the bus keeps 31 bytes of it.
    pub fn name(mut self, name: &str) -> Range {
        self.name = name.into();
        self
    }

    /// The priority, from -8 to 7; 0 at first.  Where ranges overlap, the one
    /// with the highest priority answers.
    pub fn priority(mut self, priority: i64) -> Range {
        self.priority = priority;
        self
    }

    fn c_name(&self) -> Result<CString, Error> {
        CString::new(self.name.as_str()).map_err(|_| Error::INVALID)
    }

    /// Describes a device here; the name lives as long as the call.
    fn with_desc<D, R>(
        &self,
        device: D,
        add: impl FnOnce(&sys::bf_io_range_desc, Closure) -> Result<R, Error>,
    ) -> Result<R, Error>
    where
        D: Fn(u64, Operation<'_>) -> Result<(), Error> + Send + Sync + 'static,
    {
        let name = self.c_name()?;
        let device = Closure::new(device);
        let ops = sys::bf_io_ops {
            read: Some(handler::<D>),
            write: Some(handler::<D>),
        };
        let desc = sys::bf_io_range_desc {
            addr: self.addr,
            size: self.size,
            space: self.space.number(),
            name: name.as_ptr(),
            ops: &ops,
            opaque: device.opaque,
            priority: self.priority,
            ..Default::default()
        };
        add(&desc, device)
    }

    /// Describes a zone here, with its reference to the ring.
    fn with_zone_desc<R>(
        &self,
        ring: &Ring,
        add: impl FnOnce(&sys::bf_io_zone_desc, Closure) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let name = self.c_name()?;
        let desc = sys::bf_io_zone_desc {
            addr: self.addr,
            size: self.size,
            space: self.space.number(),
            name: name.as_ptr(),
            ring: ring.raw(),
            ..Default::default()
        };
        add(&desc, Closure::new(ring.reference()))
    }
}

/// The place of a doorbell: a write there of that length rings it.
#[derive(Clone, Debug)]
pub struct Doorbell {
    space: Space,
    addr: u64,
    len: u32,
    datamatch: Option<u64>,
}

impl Doorbell {
    /// Describes a doorbell that any value rings.  The length is 1, 2, 4 or 8
    /// bytes; 0: any length.
    pub fn new(space: Space, addr: u64, len: u32) -> Doorbell {
        Doorbell {
            space,
            addr,
            len,
            datamatch: None,
        }
    }

    /// Only this value rings the doorbell.
    pub fn datamatch(mut self, value: u64) -> Doorbell {
        self.datamatch = Some(value);
        self
    }

    fn desc(&self) -> sys::bf_io_doorbell_desc {
        sys::bf_io_doorbell_desc {
            addr: self.addr,
            len: self.len,
            space: self.space.number(),
            wildcard: self.datamatch.is_none(),
            datamatch: self.datamatch.unwrap_or(0),
            counted: true,
            ..Default::default()
        }
    }
}

/// A bus of the program's own, or of a front, which then ends it.
struct Inner {
    raw: NonNull<sys::bf_io_bus>,
    front: Option<Arc<dyn Send + Sync>>,
}

// SAFETY: any thread may use a bus at any time.
unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.front.is_none() {
            let bus = Pointer(self.raw);
            // SAFETY: no handle and no access is left: they have references.
            callback::end(move || unsafe { bus.destroy() });
        }
    }
}

struct Pointer(NonNull<sys::bf_io_bus>);

// SAFETY: as for Inner.
unsafe impl Send for Pointer {}

impl Pointer {
    unsafe fn destroy(self) {
        sys::bf_io_bus_destroy(self.0.as_ptr());
    }
}

/// A bus.  A clone is the same bus; the last reference to it ends it.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

impl Bus {
    /// Makes an empty bus; reports show 31 bytes of the name.
    ///
    /// Fails without memory, or if the name contains a zero byte.
    pub fn new(name: &str) -> Result<Bus, Error> {
        let name = CString::new(name).map_err(|_| Error::INVALID)?;
        let mut raw = ptr::null_mut();
        // SAFETY: the name is a string, and raw takes the bus.
        check(unsafe { sys::bf_io_bus_create(name.as_ptr(), &mut raw) })?;
        Ok(Bus::from_raw(raw, None))
    }

    fn from_raw(raw: *mut sys::bf_io_bus, front: Option<Arc<dyn Send + Sync>>) -> Bus {
        let raw = NonNull::new(raw).expect("a bus");
        Bus {
            inner: Arc::new(Inner { raw, front }),
        }
    }

    /// The bus of a front, which lives as long as the front.
    pub(crate) fn of_front(raw: *mut sys::bf_io_bus, front: Arc<dyn Send + Sync>) -> Bus {
        Bus::from_raw(raw, Some(front))
    }

    /// The bus for a function of `belfry_sys`; valid while a reference to this
    /// bus exists.
    pub fn as_ptr(&self) -> *mut sys::bf_io_bus {
        self.inner.raw.as_ptr()
    }

    /// Adds a device.  Its closure gets the offset in the range and the
    /// operation, and returns `Ok`, [`Error::NOT_TAKEN`] if the access is not
    /// the device's, or the device's own failure.
    ///
    /// Does not wait for accesses.  Fails with [`Error::EXISTS`] and the names
    /// of both if the range overlaps another one of its priority.
    pub fn add_range<D>(&self, range: &Range, device: D) -> Result<RangeHandle, Error>
    where
        D: Fn(u64, Operation<'_>) -> Result<(), Error> + Send + Sync + 'static,
    {
        range.with_desc(device, |desc, device| {
            let mut raw = ptr::null_mut();
            let mut conflict = sys::bf_io_conflict::default();
            // SAFETY: the closure lives until the removal is complete.
            let ret = unsafe { sys::bf_io_add_range(self.as_ptr(), desc, &mut raw, &mut conflict) };
            check_conflict(ret, &conflict)?;
            Ok(Handle::new(self, raw, Some(device)))
        })
    }

    /// Adds a zone: the ring takes the writes inside it, and has a reference
    /// until the zone is removed.
    ///
    /// A zone may lie over devices, which get what the zone does not take:
    /// reads, and writes while the ring is full.  Does not wait for accesses.
    pub fn add_zone(&self, zone: &Range, ring: &Ring) -> Result<ZoneHandle, Error> {
        zone.with_zone_desc(ring, |desc, reference| {
            let mut raw = ptr::null_mut();
            let mut conflict = sys::bf_io_conflict::default();
            // SAFETY: the zone has a reference to the ring.
            let ret = unsafe { sys::bf_io_add_zone(self.as_ptr(), desc, &mut raw, &mut conflict) };
            check_conflict(ret, &conflict)?;
            Ok(Handle::new(self, raw, Some(reference)))
        })
    }

    /// Begins several changes at once.
    pub fn transaction<'t>(&self) -> Result<Transaction<'t>, Error> {
        Transaction::begin(self)
    }

    /// Adds a doorbell that adds 1 to an eventfd for each matching write.  The
    /// bus keeps a duplicate of the descriptor.
    ///
    /// Does not wait for accesses.  Fails with `EINVAL` for a descriptor that is
    /// no eventfd, and for a length or a datamatch that KVM refuses.
    pub fn add_doorbell(
        &self,
        doorbell: &Doorbell,
        eventfd: impl AsFd,
    ) -> Result<DoorbellHandle, Error> {
        let desc = eventfd_doorbell(doorbell, &eventfd);
        self.register_doorbell(&desc, None)
    }

    /// Adds a doorbell that calls a closure with the value of each matching
    /// write, on the thread that dispatches.
    pub fn on_doorbell<C>(&self, doorbell: &Doorbell, call: C) -> Result<DoorbellHandle, Error>
    where
        C: Fn(u64) + Send + Sync + 'static,
    {
        let (desc, call) = closure_doorbell(doorbell, call);
        self.register_doorbell(&desc, Some(call))
    }

    fn register_doorbell(
        &self,
        desc: &sys::bf_io_doorbell_desc,
        closure: Option<Closure>,
    ) -> Result<DoorbellHandle, Error> {
        let mut raw = ptr::null_mut();
        let mut conflict = sys::bf_io_conflict::default();
        // SAFETY: the closure lives until the removal is complete.
        let ret = unsafe { sys::bf_io_add_doorbell(self.as_ptr(), desc, &mut raw, &mut conflict) };
        check_conflict(ret, &conflict)?;
        Ok(Handle::new(self, raw, closure))
    }

    /// Dispatches a write of 1 to 8 bytes.
    ///
    /// Fails with [`Error::NOT_TAKEN`] if no entry takes it, and with a device's
    /// own failure.
    pub fn write(&self, space: Space, addr: u64, data: &[u8]) -> Result<TakenBy, Error> {
        // The bus does not change the data of a write.
        self.dispatch(space, addr, data.as_ptr() as *mut c_void, data.len(), true)
    }

    /// Dispatches a read of 1 to 8 bytes.
    pub fn read(&self, space: Space, addr: u64, data: &mut [u8]) -> Result<TakenBy, Error> {
        self.dispatch(
            space,
            addr,
            data.as_mut_ptr() as *mut c_void,
            data.len(),
            false,
        )
    }

    fn dispatch(
        &self,
        space: Space,
        addr: u64,
        data: *mut c_void,
        len: usize,
        write: bool,
    ) -> Result<TakenBy, Error> {
        let mut access = sys::bf_io_access {
            addr,
            data,
            len: u32::try_from(len).map_err(|_| Error::INVALID)?,
            space: space.number(),
            write,
            ..Default::default()
        };
        // SAFETY: the data has len bytes, and is written to only by a read.
        check(unsafe { sys::bf_io_dispatch(self.as_ptr(), &mut access) })?;
        Ok(match access.taken_by as sys::bf_io_kind {
            sys::BF_IO_DOORBELL => TakenBy::Doorbell,
            sys::BF_IO_ZONE => TakenBy::Zone,
            _ => TakenBy::Range,
        })
    }

    /// Waits for all accesses under way.  Fails with [`Error::DEADLOCK`] in a
    /// device or a doorbell of this bus.
    pub fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the bus exists, here and below.
        check(unsafe { sys::bf_io_synchronize(self.as_ptr()) }).map(drop)
    }

    /// Counts the uses of devices and doorbells from now on, or ends that:
    /// [`RangeHandle::stats`], [`DoorbellHandle::stats`].  Fails without memory.
    pub fn count(&self, on: bool) -> Result<(), Error> {
        check(unsafe { sys::bf_io_count(self.as_ptr(), on) }).map(drop)
    }

    /// The number of states that the bus has published.
    pub fn publications(&self) -> u64 {
        unsafe { sys::bf_io_publications(self.as_ptr()) }
    }
}

fn check_conflict(ret: c_int, conflict: &sys::bf_io_conflict) -> Result<(), Error> {
    error::check_conflict(ret, |text, size| {
        // SAFETY: the buffer has that size.
        unsafe { sys::bf_io_conflict_format(conflict, text, size) }
    })
}

fn eventfd_doorbell(doorbell: &Doorbell, eventfd: &impl AsFd) -> sys::bf_io_doorbell_desc {
    sys::bf_io_doorbell_desc {
        consumer: sys::BF_IO_CONSUMER_EVENTFD,
        eventfd: eventfd.as_fd().as_raw_fd(),
        ..doorbell.desc()
    }
}

fn closure_doorbell<C>(doorbell: &Doorbell, call: C) -> (sys::bf_io_doorbell_desc, Closure)
where
    C: Fn(u64) + Send + Sync + 'static,
{
    let call = Closure::new(call);
    let desc = sys::bf_io_doorbell_desc {
        consumer: sys::BF_IO_CONSUMER_CALLBACK,
        callback: Some(doorbell_callback::<C>),
        opaque: call.opaque,
        ..doorbell.desc()
    };
    (desc, call)
}

unsafe extern "C" fn handler<D>(
    opaque: *mut c_void,
    offset: u64,
    access: *const sys::bf_io_access,
) -> c_int
where
    D: Fn(u64, Operation<'_>) -> Result<(), Error> + Send + Sync + 'static,
{
    let device = &*(opaque as *const D);
    let (data, len) = ((*access).data as *mut u8, (*access).len as usize);
    let operation = if (*access).write {
        Operation::Write(std::slice::from_raw_parts(data, len))
    } else {
        Operation::Read(std::slice::from_raw_parts_mut(data, len))
    };
    match callback::enter(|| device(offset, operation)) {
        Some(Ok(())) => 0,
        Some(Err(error)) => -error.errno().abs().max(1),
        None => -Error::IO.errno(),
    }
}

unsafe extern "C" fn doorbell_callback<C>(
    opaque: *mut c_void,
    value: u64,
    _access: *const sys::bf_io_access,
) where
    C: Fn(u64) + Send + Sync + 'static,
{
    let call = &*(opaque as *const C);
    callback::enter(|| call(value));
}
