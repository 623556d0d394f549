// SPDX-License-Identifier: MIT
//! The handles of entries, and the closures behind them.

use std::os::raw::{c_int, c_void};
use std::ptr;

use belfry_sys as sys;

use super::{check_conflict, Bus};
use crate::callback::drop_box;
use crate::error::{check, Error};

/// A closure on the heap; the library has its address.
pub(super) struct Closure {
    pub(super) opaque: *mut c_void,
    drop: unsafe extern "C" fn(*mut c_void),
}

impl Closure {
    pub(super) fn new<C: Send + 'static>(closure: C) -> Closure {
        Closure {
            opaque: Box::into_raw(Box::new(closure)) as *mut c_void,
            drop: drop_box::<C>,
        }
    }

    /// The bus has the closure now, and its removal drops it.
    fn keep(self) -> Kept {
        let kept = Kept {
            opaque: self.opaque,
            drop: self.drop,
        };
        std::mem::forget(self);
        kept
    }
}

impl Drop for Closure {
    fn drop(&mut self) {
        // SAFETY: the bus refused the entry, so no access calls the closure.
        unsafe { (self.drop)(self.opaque) };
    }
}

/// The same of an entry that is on the bus.
struct Kept {
    opaque: *mut c_void,
    drop: unsafe extern "C" fn(*mut c_void),
}

/// The functions of the library for one kind of entry.
///
/// # Safety of the functions
/// The entry is one of the bus or of the bus of the transaction, and no other
/// thread removes it.  `done` and its argument are for each other.
pub trait Functions: Sized {
    #[doc(hidden)]
    unsafe fn remove(bus: *mut sys::bf_io_bus, entry: *mut Self) -> c_int;
    #[doc(hidden)]
    unsafe fn remove_async(
        bus: *mut sys::bf_io_bus,
        entry: *mut Self,
        done: sys::bf_io_done_fn,
        opaque: *mut c_void,
    );
    #[doc(hidden)]
    unsafe fn txn_remove(
        txn: *mut sys::bf_io_txn,
        entry: *mut Self,
        done: sys::bf_io_done_fn,
        opaque: *mut c_void,
    ) -> c_int;
    #[doc(hidden)]
    unsafe fn txn_move(txn: *mut sys::bf_io_txn, entry: *mut Self, addr: u64) -> c_int;
}

/// A kind of entry: a device, a doorbell or a zone.
pub trait Kind: Functions {}

macro_rules! kind {
    ($kind:ident, $remove:ident, $remove_async:ident, $txn_remove:ident, $txn_move:ident) => {
        impl Functions for sys::$kind {
            unsafe fn remove(bus: *mut sys::bf_io_bus, entry: *mut Self) -> c_int {
                sys::$remove(bus, entry)
            }
            unsafe fn remove_async(
                bus: *mut sys::bf_io_bus,
                entry: *mut Self,
                done: sys::bf_io_done_fn,
                opaque: *mut c_void,
            ) {
                sys::$remove_async(bus, entry, done, opaque)
            }
            unsafe fn txn_remove(
                txn: *mut sys::bf_io_txn,
                entry: *mut Self,
                done: sys::bf_io_done_fn,
                opaque: *mut c_void,
            ) -> c_int {
                sys::$txn_remove(txn, entry, done, opaque)
            }
            unsafe fn txn_move(txn: *mut sys::bf_io_txn, entry: *mut Self, addr: u64) -> c_int {
                sys::$txn_move(txn, entry, addr)
            }
        }

        impl Kind for sys::$kind {}
    };
}

kind!(
    bf_io_range,
    bf_io_remove_range,
    bf_io_remove_range_async,
    bf_io_txn_remove_range,
    bf_io_txn_move_range
);
kind!(
    bf_io_doorbell,
    bf_io_remove_doorbell,
    bf_io_remove_doorbell_async,
    bf_io_txn_remove_doorbell,
    bf_io_txn_move_doorbell
);
kind!(
    bf_io_zone,
    bf_io_remove_zone,
    bf_io_remove_zone_async,
    bf_io_txn_remove_zone,
    bf_io_txn_move_zone
);

/// An entry of a bus: [`RangeHandle`], [`DoorbellHandle`] or [`ZoneHandle`].
///
/// Its end removes the entry without waiting.  An access under way may still be
/// in the entry's closure, which is dropped after that access.
pub struct Handle<K: Kind> {
    raw: *mut K,
    bus: Bus,
    closure: Option<Kept>,
}

/// A device of a bus.
pub type RangeHandle = Handle<sys::bf_io_range>;

/// A doorbell of a bus.
pub type DoorbellHandle = Handle<sys::bf_io_doorbell>;

/// A coalesced zone of a bus.
pub type ZoneHandle = Handle<sys::bf_io_zone>;

// SAFETY: any thread may use a handle, and a removal takes the only one.
unsafe impl<K: Kind> Send for Handle<K> {}
unsafe impl<K: Kind> Sync for Handle<K> {}

impl<K: Kind> Handle<K> {
    /// The handle of an entry that is on the bus.
    pub(super) fn new(bus: &Bus, raw: *mut K, closure: Option<Closure>) -> Handle<K> {
        Handle {
            raw,
            bus: bus.clone(),
            closure: closure.map(Closure::keep),
        }
    }

    /// Removes the entry, and waits until no thread is in its closure.  A
    /// removed doorbell signals no more.
    ///
    /// In a closure that the removal would wait for, a device or a doorbell of
    /// the same bus, the call returns [`Error::DEADLOCK`] and the handle.
    pub fn remove(mut self) -> Result<(), (Error, Self)> {
        // SAFETY: this is the only handle.
        let ret = unsafe { K::remove(self.bus.as_ptr(), self.raw) };
        if let Err(error) = check(ret) {
            return Err((error, self));
        }
        self.raw = ptr::null_mut();
        Ok(())
    }

    /// What an asynchronous removal calls when it is complete.
    fn done(&self) -> (sys::bf_io_done_fn, *mut c_void) {
        match &self.closure {
            Some(closure) => (Some(closure.drop), closure.opaque),
            None => (None, ptr::null_mut()),
        }
    }

    pub(super) fn txn_move(&mut self, txn: *mut sys::bf_io_txn, addr: u64) -> Result<(), Error> {
        // SAFETY: the handle is valid.
        check(unsafe { K::txn_move(txn, self.raw, addr) }).map(drop)
    }

    pub(super) fn txn_remove(&mut self, txn: *mut sys::bf_io_txn) -> Result<(), Error> {
        let (done, opaque) = self.done();
        // SAFETY: the transaction borrows the only handle.
        check(unsafe { K::txn_remove(txn, self.raw, done, opaque) }).map(drop)
    }

    /// A transaction has removed the entry, and the library drops the closure.
    pub(super) fn removed(mut self) {
        self.closure = None;
        self.raw = ptr::null_mut();
    }
}

impl<K: Kind> Drop for Handle<K> {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            let (done, opaque) = self.done();
            // SAFETY: this is the only handle; the library calls done once.
            unsafe { K::remove_async(self.bus.as_ptr(), self.raw, done, opaque) };
        } else if let Some(closure) = &self.closure {
            // SAFETY: the removal is complete.
            unsafe { (closure.drop)(closure.opaque) };
        }
    }
}

impl RangeHandle {
    /// Moves the device to another address of its space.
    pub fn move_to(&self, addr: u64) -> Result<(), Error> {
        let mut conflict = sys::bf_io_conflict::default();
        // SAFETY: the handle is valid, here and below.
        let ret =
            unsafe { sys::bf_io_move_range(self.bus.as_ptr(), self.raw, addr, &mut conflict) };
        check_conflict(ret, &conflict)
    }

    /// The uses of the device while [`Bus::count`] was on.
    pub fn stats(&self) -> sys::bf_io_stats {
        let mut stats = sys::bf_io_stats::default();
        unsafe { sys::bf_io_range_stats(self.raw, &mut stats) };
        stats
    }
}

impl DoorbellHandle {
    /// How often the doorbell was signalled.
    pub fn signals(&self) -> u64 {
        unsafe { sys::bf_io_doorbell_signals(self.raw) }
    }

    /// The uses of the doorbell while [`Bus::count`] was on.
    pub fn stats(&self) -> sys::bf_io_stats {
        let mut stats = sys::bf_io_stats::default();
        unsafe { sys::bf_io_doorbell_stats(self.raw, &mut stats) };
        stats
    }
}
