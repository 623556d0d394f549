// SPDX-License-Identifier: MIT
//! Several changes at once: `belfry/io_txn.h`.

use std::ptr;

use belfry_sys as sys;

use super::entry::{Closure, Handle, Kind};
use super::{
    check_conflict, closure_doorbell, eventfd_doorbell, Bus, Doorbell, DoorbellHandle, Operation,
    Range, RangeHandle, Ring, ZoneHandle,
};
use crate::error::{check, Error};
use std::os::unix::io::AsFd;

/// Changes of a bus that [`Transaction::commit`] publishes at one instant: an
/// access sees all of them or none.
///
/// When a BAR moves, the device and its doorbells move together; when a device
/// is plugged, it appears whole.  The order of the changes does not matter: all
/// removals come before all additions, so two ranges may swap their addresses.
/// (Only zones that overlap are registered in the order of the calls.)
///
/// A transaction borrows the handles that it moves.  Those that it adds or
/// removes are in an `Option` of the caller, which the commit fills or empties,
/// and an abort or a failure leaves as it is.  A transaction that is dropped is
/// aborted.
///
/// ```
/// use belfry::bus::{Bus, Doorbell, Operation, Range, RangeHandle, DoorbellHandle, Space};
///
/// /// A device as the VMM keeps it.
/// #[derive(Default)]
/// struct Device {
///     bar: Option<RangeHandle>,
///     kick: Option<DoorbellHandle>,
/// }
///
/// # fn main() -> Result<(), belfry::Error> {
/// let bus = Bus::new("example")?;
/// let mut device = Device::default();
///
/// let mut plug = bus.transaction()?;
/// plug.add_range(
///     &Range::new(Space::Mmio, 0x1000, 0x1000).name("bar"),
///     |_, _: Operation| Ok(()),
///     &mut device.bar,
/// )?;
/// plug.on_doorbell(&Doorbell::new(Space::Mmio, 0x1800, 4), |_| (), &mut device.kick)?;
/// plug.commit()?;
///
/// let mut reprogram = bus.transaction()?;
/// reprogram.move_to(device.bar.as_mut().unwrap(), 0x8000)?;
/// reprogram.move_to(device.kick.as_mut().unwrap(), 0x8800)?;
/// reprogram.commit()?;
/// bus.write(Space::Mmio, 0x8800, &[0; 4])?;
///
/// let mut unplug = bus.transaction()?;
/// unplug.remove(&mut device.bar)?;
/// unplug.remove(&mut device.kick)?;
/// unplug.commit()?;
/// assert!(device.bar.is_none() && device.kick.is_none());
/// # Ok(())
/// # }
/// ```
///
/// A handle in a transaction is not moved or removed by other means:
///
/// ```compile_fail,E0502
/// # use belfry::bus::{Bus, RangeHandle};
/// # fn swap(bus: &Bus, mut device: RangeHandle) -> Result<(), belfry::Error> {
/// let mut txn = bus.transaction()?;
/// txn.move_to(&mut device, 0x2000)?;
/// device.move_to(0x3000)?;
/// txn.commit()
/// # }
/// ```
///
/// ```compile_fail,E0505
/// # use belfry::bus::{Bus, RangeHandle};
/// # fn swap(bus: &Bus, mut device: RangeHandle) -> Result<(), belfry::Error> {
/// let mut txn = bus.transaction()?;
/// txn.move_to(&mut device, 0x2000)?;
/// drop(device);
/// txn.commit()
/// # }
/// ```
///
/// No entry is in a transaction twice:
///
/// ```compile_fail,E0499
/// # use belfry::bus::{Bus, RangeHandle};
/// # fn twice(bus: &Bus, mut device: Option<RangeHandle>) -> Result<(), belfry::Error> {
/// let mut txn = bus.transaction()?;
/// txn.remove(&mut device)?;
/// txn.remove(&mut device)?;
/// txn.commit()
/// # }
/// ```
///
/// An added entry has no handle before the commit, and a transaction ends with
/// its commit:
///
/// ```compile_fail,E0382
/// # use belfry::bus::{Bus, RangeHandle};
/// # fn again(bus: &Bus, mut device: RangeHandle) -> Result<(), belfry::Error> {
/// let mut txn = bus.transaction()?;
/// txn.commit()?;
/// txn.move_to(&mut device, 0x2000)
/// # }
/// ```
///
/// One thread uses a transaction:
///
/// ```compile_fail,E0277
/// fn sent_to_a_thread<T: Send>() {}
/// sent_to_a_thread::<belfry::bus::Transaction>();
/// ```
pub struct Transaction<'t> {
    raw: *mut sys::bf_io_txn,
    bus: Bus,
    /// What a commit does with the handles.  An addition that is not committed
    /// drops its closure.
    on_commit: Vec<Box<dyn FnOnce(&Bus) + 't>>,
}

impl<'t> Transaction<'t> {
    pub(super) fn begin(bus: &Bus) -> Result<Transaction<'t>, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the transaction has a reference to the bus.
        check(unsafe { sys::bf_io_txn_begin(bus.as_ptr(), &mut raw) })?;
        Ok(Transaction {
            raw,
            bus: bus.clone(),
            on_commit: Vec::new(),
        })
    }

    /// Adds an entry, whose handle the commit puts in the place.
    fn add<K: Kind + 't>(
        &mut self,
        handle: &'t mut Option<Handle<K>>,
        closure: Option<Closure>,
        add: impl FnOnce(*mut sys::bf_io_txn, *mut *mut K) -> i32,
    ) -> Result<(), Error> {
        if handle.is_some() {
            return Err(Error::EXISTS);
        }
        let mut raw = ptr::null_mut();
        check(add(self.raw, &mut raw))?;
        self.on_commit.push(Box::new(move |bus| {
            *handle = Some(Handle::new(bus, raw, closure));
        }));
        Ok(())
    }

    /// Adds a device, as [`Bus::add_range`] does.
    ///
    /// Fails with [`Error::EXISTS`] if the place of the handle is not empty.
    pub fn add_range<D>(
        &mut self,
        range: &Range,
        device: D,
        handle: &'t mut Option<RangeHandle>,
    ) -> Result<(), Error>
    where
        D: Fn(u64, Operation<'_>) -> Result<(), Error> + Send + Sync + 'static,
    {
        range.with_desc(device, |desc, closure| {
            // SAFETY: the closure lives until the removal is complete.
            self.add(handle, Some(closure), |txn, raw| unsafe {
                sys::bf_io_txn_add_range(txn, desc, raw)
            })
        })
    }

    /// Adds a zone, as [`Bus::add_zone`] does.
    pub fn add_zone(
        &mut self,
        zone: &Range,
        ring: &Ring,
        handle: &'t mut Option<ZoneHandle>,
    ) -> Result<(), Error> {
        zone.with_zone_desc(ring, |desc, reference| {
            // SAFETY: the zone has a reference to the ring.
            self.add(handle, Some(reference), |txn, raw| unsafe {
                sys::bf_io_txn_add_zone(txn, desc, raw)
            })
        })
    }

    /// Adds a doorbell with an eventfd, as [`Bus::add_doorbell`] does.
    pub fn add_doorbell(
        &mut self,
        doorbell: &Doorbell,
        eventfd: impl AsFd,
        handle: &'t mut Option<DoorbellHandle>,
    ) -> Result<(), Error> {
        let desc = eventfd_doorbell(doorbell, &eventfd);
        self.register_doorbell(&desc, None, handle)
    }

    /// Adds a doorbell with a closure, as [`Bus::on_doorbell`] does.
    pub fn on_doorbell<C>(
        &mut self,
        doorbell: &Doorbell,
        call: C,
        handle: &'t mut Option<DoorbellHandle>,
    ) -> Result<(), Error>
    where
        C: Fn(u64) + Send + Sync + 'static,
    {
        let (desc, closure) = closure_doorbell(doorbell, call);
        self.register_doorbell(&desc, Some(closure), handle)
    }

    fn register_doorbell(
        &mut self,
        desc: &sys::bf_io_doorbell_desc,
        closure: Option<Closure>,
        handle: &'t mut Option<DoorbellHandle>,
    ) -> Result<(), Error> {
        // SAFETY: the closure lives until the removal is complete.
        self.add(handle, closure, |txn, raw| unsafe {
            sys::bf_io_txn_add_doorbell(txn, desc, raw)
        })
    }

    /// Moves an entry to another address of its space.
    ///
    /// Fails with [`Error::INVALID`] if the entry would wrap, or is of another
    /// bus.
    pub fn move_to<K: Kind>(&mut self, handle: &'t mut Handle<K>, addr: u64) -> Result<(), Error> {
        handle.txn_move(self.raw, addr)
    }

    /// Removes an entry.  The commit takes the handle, and the closure is
    /// dropped when no access is in it any more; [`Bus::synchronize`] waits for
    /// that.
    ///
    /// Fails with [`Error::INVALID`] if there is no handle, or if the entry is
    /// of another bus.
    pub fn remove<K: Kind>(&mut self, handle: &'t mut Option<Handle<K>>) -> Result<(), Error> {
        let entry = handle.as_mut().ok_or(Error::INVALID)?;
        entry.txn_remove(self.raw)?;
        self.on_commit.push(Box::new(move |_| {
            handle.take().map(Handle::removed);
        }));
        Ok(())
    }

    /// Publishes all changes, or none.
    ///
    /// Fails with [`Error::EXISTS`] and the names of both if an entry collides
    /// with another one, and without memory.  The bus and the handles are then
    /// as they were, and the closures of entries to add are dropped.
    pub fn commit(mut self) -> Result<(), Error> {
        let raw = std::mem::replace(&mut self.raw, ptr::null_mut());
        let mut conflict = sys::bf_io_conflict::default();
        // SAFETY: the transaction ends with this call.
        let ret = unsafe { sys::bf_io_txn_commit(raw, &mut conflict) };
        check_conflict(ret, &conflict)?;
        for change in self.on_commit.drain(..) {
            change(&self.bus);
        }
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: the transaction was not committed, or the pointer is null.
        unsafe { sys::bf_io_txn_abort(self.raw) };
    }
}
