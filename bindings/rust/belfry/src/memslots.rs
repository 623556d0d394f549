// SPDX-License-Identifier: MIT
//! Guest memory: `belfry/memslots.h`.
//!
//! A map has slots, which put memory of this process at guest-physical
//! addresses.  A reader takes a [`Snapshot`], and what it finds there stays good
//! until it drops the snapshot.  An addition waits for no reader.
//!
//! ```
//! use belfry::memslots::{Backing, Change, Config, Memslots, Slot};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), belfry::Error> {
//! let map = Memslots::new(Config::default())?;
//! let ram = Arc::new(Backing::new(1 << 20)?);
//! map.commit(&[Change::Set(Slot::new(0, 0x10_0000, ram))])?;
//!
//! assert_eq!(map.write(0, 0x10_0ffe, b"test"), 4);
//! let snapshot = map.read_side();
//! let span = snapshot.span(0, 0x10_0ffe, 4, false).expect("memory");
//! let mut data = [0; 4];
//! span.read(0, &mut data);
//! assert_eq!(&data, b"test");
//! drop(snapshot);
//!
//! map.commit(&[Change::Remove { space: 0, number: 0 }])?; // waits for snapshots
//! assert_eq!(map.write(0, 0x10_0ffe, b"test"), 0);
//! # Ok(())
//! # }
//! ```
//!
//! The guest and other threads write to the memory at any time, so there is no
//! reference to it: a [`Span`] copies, and has atomic integers.
//!
//! A span does not outlive its snapshot, nor a snapshot its map:
//!
//! ```compile_fail,E0505
//! # fn late(map: belfry::memslots::Memslots) {
//! let snapshot = map.read_side();
//! let span = snapshot.span(0, 0, 8, false).unwrap();
//! drop(snapshot);
//! span.read(0, &mut [0]);
//! # }
//! ```
//!
//! ```compile_fail,E0505
//! # fn late(map: belfry::memslots::Memslots) {
//! let snapshot = map.read_side();
//! drop(map);
//! snapshot.read(0, 0, &mut [0]);
//! # }
//! ```
//!
//! A device that keeps an address for longer pins it, and the memory stays as
//! long as the pin:
//!
//! ```compile_fail,E0505
//! # fn late(map: &belfry::memslots::Memslots) -> Result<(), belfry::Error> {
//! let queue = map.pin(0, 0x1000, 4096, true, || ())?;
//! let span = queue.span();
//! drop(queue);
//! span.write(0, &[1]);
//! # Ok(())
//! # }
//! ```
//!
//! Memory is the map's as long as a slot, a snapshot or a pin uses it, so a slot
//! does not borrow it:
//!
//! ```compile_fail,E0308
//! # use belfry::memslots::{Backing, Slot};
//! let ram = Backing::new(1 << 20).unwrap();
//! Slot::new(0, 0, &ram);
//! ```
//!
//! Any memory of the program can be a slot's, if the program promises that it
//! stays where it is:
//!
//! ```compile_fail,E0200
//! struct Mapping(*mut u8, usize);
//! # unsafe impl Send for Mapping {}
//! # unsafe impl Sync for Mapping {}
//! impl belfry::memslots::GuestMemory for Mapping {
//!     fn as_ptr(&self) -> *mut u8 { self.0 }
//!     fn len(&self) -> usize { self.1 }
//! }
//! ```

use std::os::raw::c_void;
use std::os::unix::io::{AsFd, AsRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::{mpsc, Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use belfry_sys as sys;

use crate::callback;
use crate::error::{self, check, Error};

mod backing;
mod change;
mod dirty;
mod listener;
mod pin;
mod snapshot;

pub use backing::{Backing, BackingConfig};
pub use change::{Change, Slot};
use change::{Plan, Slots, Tag, KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY};
pub use listener::{Listener, ListenerHandle};
pub use pin::Pinned;
pub use snapshot::{AtomicCell, Region, Snapshot, Span, Spans};

/// Memory that a slot puts in front of a guest: a [`Backing`], or the program's
/// own.
///
/// # Safety
/// From `as_ptr()` on `len()` bytes are mapped, readable and writable, as long
/// as the value lives; both functions always return the same.  Any thread, the
/// guest and the kernel may read and write them at any time.
#[allow(clippy::len_without_is_empty)]
pub unsafe trait GuestMemory: Send + Sync + 'static {
    /// The address of the memory, page-aligned.
    fn as_ptr(&self) -> *mut u8;
    /// The number of bytes.
    fn len(&self) -> usize;
}

/// Keeps vCPUs out of the guest during changes of a KVM VM that would otherwise
/// show it a hole.
///
/// Other changes wait meanwhile, so `pause()` must not wait for a vCPU thread
/// that makes a change.
pub trait Pauses: Send + Sync + 'static {
    /// Returns when no vCPU runs the guest.
    fn pause(&self);
    /// The vCPUs may run again.
    fn resume(&self);
}

/// The options of a map.  Zero and `None` are good defaults.
#[derive(Default)]
pub struct Config {
    /// Address spaces; 0: as many as the VM has, or one.
    pub spaces: u32,
    /// Slots of each address space; 0: as many as the VM or KVM has.
    pub slots: u32,
    /// The map refuses slots beyond 2^gpa_bits; 0: no limit.
    pub gpa_bits: u32,
    /// Without it the map refuses changes that need it, with `EBUSY`.
    pub pauses: Option<Box<dyn Pauses>>,
    /// [`Memslots::clear_dirty_log`] alone takes pages out of the logs.
    pub manual_dirty_log: bool,
}

/// The map, and all that the library uses of it.
struct Parts {
    raw: NonNull<sys::bf_memslots>,
    /// Locked around each change.
    slots: Mutex<Slots>,
    pauses: *mut Box<dyn Pauses>,
    _vm: Option<OwnedFd>,
}

// SAFETY: any thread may use a map at any time.
unsafe impl Send for Parts {}
unsafe impl Sync for Parts {}

impl Parts {
    /// Removes the slots, waits for sections, and frees the map.  A section that
    /// was forgotten is waited for without end.
    fn end(self) {
        let slots = mem::take(&mut *lock(&self.slots));
        let removals: Vec<_> = slots
            .keys()
            .map(|&slot| sys::kvm_userspace_memory_region {
                slot,
                ..Default::default()
            })
            .collect();
        let raw = self.raw.as_ptr();
        // SAFETY: nothing refers to the map any more.
        unsafe {
            let ret = sys::bf_memslots_commit(
                raw,
                removals.as_ptr(),
                ptr::null(),
                removals.len(),
                ptr::null_mut(),
            );
            if ret < 0 {
                mem::forget(slots); // KVM may still have them
            }
            sys::bf_srcu_synchronize_expedited(ptr::addr_of_mut!((*raw).srcu));
            sys::bf_memslots_destroy(raw);
            if !self.pauses.is_null() {
                drop(Box::from_raw(self.pauses));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Inner(Option<Parts>);

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(parts) = self.0.take() {
            callback::end(move || parts.end());
        }
    }
}

/// A map of guest memory.  A clone is the same map; the last reference removes
/// its slots and ends it.
#[derive(Clone)]
pub struct Memslots {
    inner: Arc<Inner>,
}

impl fmt::Debug for Memslots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memslots").field(&self.as_ptr()).finish()
    }
}

fn check_commit(
    ret: i32,
    conflict: &sys::bf_memslots_conflict,
    plan: &mut Plan,
) -> Result<(), Error> {
    const ENOTRECOVERABLE: i32 = 131;
    if ret == -ENOTRECOVERABLE {
        mem::forget(mem::take(&mut plan.changed)); // KVM may have the memory
    }
    error::check_conflict(ret, |text, size| {
        // SAFETY: the buffer has that size.
        unsafe { sys::bf_memslots_conflict_format(conflict, text, size) }
    })
}

impl Memslots {
    /// Makes an empty map.
    ///
    /// Fails with [`Error::INVALID`] if a number is out of range, and without
    /// memory.
    pub fn new(config: Config) -> Result<Memslots, Error> {
        Memslots::create(None, config)
    }

    /// Makes the map of a KVM VM that has no slots yet: each change is made in
    /// the VM as well.  The map keeps a duplicate of the descriptor.
    ///
    /// Fails also with the errno of KVM_CHECK_EXTENSION.
    pub fn of_vm(vm: impl AsFd, config: Config) -> Result<Memslots, Error> {
        let vm = vm.as_fd().try_clone_to_owned()?;
        Memslots::create(Some(vm), config)
    }

    fn create(vm: Option<OwnedFd>, config: Config) -> Result<Memslots, Error> {
        let has_pauses = config.pauses.is_some();
        let pauses = config
            .pauses
            .map_or(ptr::null_mut(), |pauses| Box::into_raw(Box::new(pauses)));
        let desc = sys::bf_memslots_config {
            forward: vm.is_some(),
            vm_fd: vm.as_ref().map_or(-1, |vm| vm.as_raw_fd()),
            spaces: config.spaces,
            slots: config.slots,
            gpa_bits: config.gpa_bits,
            pause: has_pauses.then(|| pause as unsafe extern "C" fn(*mut c_void)),
            resume: has_pauses.then(|| resume as unsafe extern "C" fn(*mut c_void)),
            opaque: pauses as *mut c_void,
            dirty_log: config.manual_dirty_log.into(), // KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
            ..Default::default()
        };
        let mut raw = ptr::null_mut();
        // SAFETY: the descriptor and the closures live as long as the map.
        let ret = check(unsafe { sys::bf_memslots_create(&desc, &mut raw) });
        if let Err(error) = ret {
            if has_pauses {
                // SAFETY: there is no map that would call them.
                drop(unsafe { Box::from_raw(pauses) });
            }
            return Err(error);
        }
        let parts = Parts {
            raw: NonNull::new(raw).expect("a map"),
            slots: Mutex::default(),
            pauses,
            _vm: vm,
        };
        Ok(Memslots {
            inner: Arc::new(Inner(Some(parts))),
        })
    }

    fn parts(&self) -> &Parts {
        self.inner.0.as_ref().expect("a map before its end")
    }

    /// The map for a function of `belfry_sys`; valid while a reference to this
    /// map exists.  Changes by other means are the caller's responsibility.
    pub fn as_ptr(&self) -> *mut sys::bf_memslots {
        self.parts().raw.as_ptr()
    }

    /// Makes all changes or none, in the order of KVM's rules, each checked
    /// against the result of those before it.
    ///
    /// Readers see all of them or none.  After a removal or a move the call
    /// returns when no snapshot and no pin uses the old place; so the thread
    /// must have neither.  It must not be in a [`Listener`], and not in a call
    /// of the library's worker thread.
    ///
    /// Fails with [`Error::EXISTS`] and the names of both if two slots overlap,
    /// with [`Error::INVALID`] for a place, a size or a change that KVM refuses,
    /// and with KVM's own errno.
    pub fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let (tell, wait) = mpsc::sync_channel(1);
        let mut slots = lock(&self.parts().slots);
        let plan = Plan::new(changes, &slots)?;
        if plan.additions_only {
            return self.commit_additions(plan, &mut slots);
        }
        self.commit_plan(plan, &mut slots, move || {
            let _ = tell.send(());
        })?;
        drop(slots);
        let _ = wait.recv();
        Ok(())
    }

    /// The same without waiting.  The closure runs on the library's worker
    /// thread when no snapshot and no pin uses the old places any more; it must
    /// not wait for a grace period of this map.
    pub fn commit_then<D>(&self, changes: &[Change], done: D) -> Result<(), Error>
    where
        D: FnOnce() + Send + 'static,
    {
        let mut slots = lock(&self.parts().slots);
        let plan = Plan::new(changes, &slots)?;
        self.commit_plan(plan, &mut slots, done)
    }

    fn commit_additions(&self, mut plan: Plan, slots: &mut Slots) -> Result<(), Error> {
        let mut conflict = sys::bf_memslots_conflict::default();
        // SAFETY: the tags keep the memory.
        let ret = unsafe {
            sys::bf_memslots_commit(
                self.as_ptr(),
                plan.regions.as_ptr(),
                plan.tags.as_ptr(),
                plan.regions.len(),
                &mut conflict,
            )
        };
        check_commit(ret, &conflict, &mut plan)?;
        plan.made(slots);
        Ok(())
    }

    fn commit_plan<D>(&self, mut plan: Plan, slots: &mut Slots, done: D) -> Result<(), Error>
    where
        D: FnOnce() + Send + 'static,
    {
        let mut conflict = sys::bf_memslots_conflict::default();
        let left = Box::into_raw(Box::new((mem::take(&mut plan.leaving), done)));
        // SAFETY: the tags keep the memory of the slots that stay, and the box
        // that of the others until removal_done().
        let ret = unsafe {
            sys::bf_memslots_commit_async(
                self.as_ptr(),
                plan.regions.as_ptr(),
                plan.tags.as_ptr(),
                plan.regions.len(),
                Some(removal_done::<D>),
                left as *mut c_void,
                &mut conflict,
            )
        };
        if ret < 0 {
            // SAFETY: the library does not call it.
            drop(unsafe { Box::from_raw(left) });
        }
        check_commit(ret, &conflict, &mut plan)?;
        plan.made(slots);
        Ok(())
    }

    /// The smallest slot number that an address space does not use.  It is not
    /// reserved.
    ///
    /// Fails with `ENOSPC` if all are used.
    pub fn free_slot(&self, space: u16) -> Result<u16, Error> {
        let mut slot = 0;
        // SAFETY: the map exists, here and below.
        check(unsafe { sys::bf_memslots_free_slot(self.as_ptr(), space.into(), &mut slot) })?;
        Ok(slot as u16)
    }

    /// Keeps the present slots for as long as the snapshot.  Never blocks.
    pub fn read_side(&self) -> Snapshot<'_> {
        Snapshot::take(self)
    }

    /// Copies out of guest memory, and returns the number of bytes: fewer than
    /// asked for if the guest has no memory there.
    pub fn read(&self, space: u16, gpa: u64, data: &mut [u8]) -> usize {
        let buffer = data.as_mut_ptr() as *mut c_void;
        // SAFETY: the buffer has that size, here and below.
        unsafe { sys::bf_memslots_read(self.as_ptr(), space.into(), gpa, buffer, data.len()) }
    }

    /// Copies into guest memory, and returns the number of bytes: fewer than
    /// asked for if the guest has no memory there, or read-only memory.
    pub fn write(&self, space: u16, gpa: u64, data: &[u8]) -> usize {
        let buffer = data.as_ptr() as *const c_void;
        unsafe { sys::bf_memslots_write(self.as_ptr(), space.into(), gpa, buffer, data.len()) }
    }

    /// Keeps memory within one slot beyond a snapshot, for a virtqueue for
    /// example.  A change that takes the memory away calls `revoke`, once, and
    /// waits until the pin is dropped.
    ///
    /// `revoke` runs under locks of the map, possibly before this call has
    /// returned: it should only set a flag or signal a thread.  A thread that
    /// waits for a removal must not be the one that is to drop the pin.
    ///
    /// Fails with `ENOENT` if the memory is not within one slot, or is read-only
    /// where the caller writes.
    pub fn pin<R>(
        &self,
        space: u16,
        gpa: u64,
        len: u64,
        write: bool,
        revoke: R,
    ) -> Result<Pinned, Error>
    where
        R: Fn() + Send + Sync + 'static,
    {
        Pinned::new(self, space, gpa, len, write, Box::new(revoke))
    }

    /// Tells a listener of the slots that exist and of all changes from now on,
    /// until the handle is dropped.
    pub fn listen(&self, listener: impl Listener) -> Result<ListenerHandle, Error> {
        ListenerHandle::new(self, Box::new(listener))
    }
}

unsafe extern "C" fn pause(opaque: *mut c_void) {
    let pauses = &*(opaque as *const Box<dyn Pauses>);
    callback::enter(|| pauses.pause());
}

unsafe extern "C" fn resume(opaque: *mut c_void) {
    let pauses = &*(opaque as *const Box<dyn Pauses>);
    callback::enter(|| pauses.resume());
}

unsafe extern "C" fn removal_done<D: FnOnce()>(opaque: *mut c_void) {
    let left = Box::from_raw(opaque as *mut (Vec<Arc<Tag>>, D));
    callback::enter(move || {
        let (memory, done) = *left;
        drop(memory);
        done();
    });
}
