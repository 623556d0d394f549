// SPDX-License-Identifier: MIT
//! The vCPU table: `belfry/vcpus.h`.
//!
//! A table has values of the program, one for each vCPU, found by id and by
//! index without a lock.  A reader holds a [`Section`], and may sleep with it:
//!
//! ```
//! use belfry::vcpus::{Config, Vcpus};
//! use std::sync::atomic::{AtomicU32, Ordering};
//!
//! struct Vcpu {
//!     pending: AtomicU32,
//! }
//!
//! # fn main() -> Result<(), belfry::Error> {
//! let vcpus = Vcpus::new(&Config::default())?;
//! let vcpu = vcpus.add(7, Vcpu { pending: AtomicU32::new(0) })?;
//!
//! let section = vcpus.read();
//! let target = section.by_id(7).expect("a vCPU");
//! target.pending.fetch_or(1, Ordering::Relaxed);
//! assert_eq!(target.index(), 0);
//! drop(section);
//!
//! vcpu.remove(); // waits for sections
//! assert!(vcpus.read().by_id(7).is_none());
//! # Ok(())
//! # }
//! ```
//!
//! Creation may have two phases, as in the kernel: a [`Reservation`] has the id,
//! and [`Reservation::publish`] cannot fail.
//!
//! What a section found does not outlive it:
//!
//! ```compile_fail,E0505
//! # fn late(vcpus: &belfry::vcpus::Vcpus<u32>) {
//! let section = vcpus.read();
//! let vcpu = section.by_index(0);
//! drop(section);
//! println!("{}", vcpu.is_some());
//! # }
//! ```
//!
//! A section belongs to its thread:
//!
//! ```compile_fail,E0277
//! fn sent_to_a_thread<T: Send>() {}
//! sent_to_a_thread::<belfry::vcpus::Section<u32>>();
//! ```
//!
//! Many threads see a vCPU, so it is [`Sync`]:
//!
//! ```compile_fail,E0277
//! use belfry::vcpus::{Config, Vcpus};
//! Vcpus::<std::cell::Cell<u32>>::new(&Config::default());
//! ```
//!
//! A removal would wait for the lock of its own vCPU, so the lock borrows the
//! handle; and a reservation is published once:
//!
//! ```compile_fail,E0505
//! # fn locked(vcpu: belfry::vcpus::Handle<u32>) -> Result<(), belfry::Error> {
//! let locked = vcpu.lock()?;
//! vcpu.remove();
//! drop(locked);
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail,E0382
//! # fn twice(reservation: belfry::vcpus::Reservation<u32>) {
//! let vcpu = reservation.publish(1);
//! let again = reservation.publish(2);
//! # }
//! ```

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::os::raw::c_int;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use belfry_sys as sys;

use crate::callback;
use crate::error::{check, Error};

/// The options of a table.  All zero is a good default.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Ids are below; 0 or more than 2^32: 2^32.
    pub max_ids: u64,
    /// vCPUs at a time; 0: as many as ids.
    pub max_vcpus: u64,
    /// A new vCPU gets the index that was freed last.
    pub reuse_index: bool,
}

/// A vCPU of a table, which is the program's value.
#[repr(C)]
pub struct Vcpu<T> {
    /// The first member, so that a pointer to it is one to the vCPU.
    entry: UnsafeCell<sys::bf_vcpu_entry>,
    value: T,
}

// SAFETY: the library guards the entry, and any thread may use the value.
unsafe impl<T: Send + Sync> Sync for Vcpu<T> {}

impl<T> Vcpu<T> {
    /// The id, which the program chose.
    pub fn id(&self) -> u32 {
        // SAFETY: the vCPU is published, here and below.
        unsafe { sys::bf_vcpu_entry_id(self.entry.get()) }
    }

    /// The index: 0 for the first vCPU that was published, and so on.
    pub fn index(&self) -> u32 {
        unsafe { sys::bf_vcpu_entry_index(self.entry.get()) }
    }

    /// Locks the vCPU, as KVM's `vcpu->mutex` does.  It protects nothing of the
    /// table, and no other thread locks it or all vCPUs until the guard is
    /// dropped.  Sleeps.
    ///
    /// Fails with `EINTR` if a signal handler without SA_RESTART ran.
    pub fn lock(&self) -> Result<Locked<'_, T>, Error> {
        check(unsafe { sys::bf_vcpu_entry_lock(self.entry.get()) })?;
        Ok(Locked(self))
    }

    /// Locks the vCPU; fails with `EBUSY` if it is locked.
    pub fn try_lock(&self) -> Result<Locked<'_, T>, Error> {
        check(unsafe { sys::bf_vcpu_entry_trylock(self.entry.get()) })?;
        Ok(Locked(self))
    }
}

impl<T> Deref for Vcpu<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A locked vCPU.  Another thread may drop it.
pub struct Locked<'v, T>(&'v Vcpu<T>);

impl<T> Deref for Locked<'_, T> {
    type Target = Vcpu<T>;

    fn deref(&self) -> &Vcpu<T> {
        self.0
    }
}

impl<T> Drop for Locked<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the vCPU is locked by this value.
        unsafe { sys::bf_vcpu_entry_unlock(self.0.entry.get()) }
    }
}

/// The table of the library.
struct Table(NonNull<sys::bf_vcpus>);

// SAFETY: any thread may use a table at any time.
unsafe impl Send for Table {}
unsafe impl Sync for Table {}

impl Table {
    fn raw(&self) -> *mut sys::bf_vcpus {
        self.0.as_ptr()
    }

    /// Waits for sections, without end for one that was forgotten.
    fn end(&self) {
        // SAFETY: nothing refers to the table.
        unsafe {
            sys::bf_srcu_synchronize_expedited(sys::bf_vcpus_srcu(self.raw()));
            sys::bf_vcpus_destroy(self.raw());
        }
    }
}

struct Inner(ManuallyDrop<Table>);

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the table is not used again.
        let table = unsafe { ManuallyDrop::take(&mut self.0) };
        callback::end(move || table.end());
    }
}

/// A table of vCPUs.  A clone is the same table; the last reference to it, of
/// a handle or a reservation too, ends it and drops its vCPUs.
pub struct Vcpus<T: Send + Sync + 'static> {
    inner: Arc<Inner>,
    flags: u32,
    values: PhantomData<T>,
}

impl<T: Send + Sync + 'static> Clone for Vcpus<T> {
    fn clone(&self) -> Self {
        Vcpus {
            inner: self.inner.clone(),
            flags: self.flags,
            values: PhantomData,
        }
    }
}

impl<T: Send + Sync + 'static> Vcpus<T> {
    const OPS: sys::bf_vcpu_entry_ops = sys::bf_vcpu_entry_ops {
        release: Some(release::<T>),
        kick: None,
    };

    /// Makes an empty table.  Fails without memory.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let desc = sys::bf_vcpus_config {
            max_ids: config.max_ids,
            max_vcpus: config.max_vcpus,
            ..Default::default()
        };
        let mut raw = ptr::null_mut();
        // SAFETY: raw takes the table.
        check(unsafe { sys::bf_vcpus_create(&desc, &mut raw) })?;
        let table = Table(NonNull::new(raw).expect("a table"));
        Ok(Vcpus {
            inner: Arc::new(Inner(ManuallyDrop::new(table))),
            flags: if config.reuse_index {
                sys::BF_VCPUS_REUSE_INDEX
            } else {
                0
            },
            values: PhantomData,
        })
    }

    fn raw(&self) -> *mut sys::bf_vcpus {
        self.inner.0.raw()
    }

    /// Takes an id for a vCPU that the program then sets up.  No lookup finds it
    /// yet.  Sleeps while all vCPUs are locked.
    ///
    /// Fails with [`Error::EXISTS`] while a vCPU has the id, and with
    /// [`Error::INVALID`] beyond a maximum.
    pub fn reserve(&self, id: u64) -> Result<Reservation<T>, Error> {
        let vcpu = Box::into_raw(Box::new(Vcpu {
            entry: UnsafeCell::new(sys::bf_vcpu_entry::default()),
            value: MaybeUninit::<T>::uninit(),
        }));
        // SAFETY: the memory is the table's until the release or the cancel.
        // A pointer to the entry alone would not lead back to the vCPU.
        let entry = vcpu as *mut sys::bf_vcpu_entry;
        let ret = unsafe { sys::bf_vcpus_reserve(self.raw(), entry, id, &Self::OPS, self.flags) };
        if let Err(error) = check(ret) {
            // SAFETY: the table does not have it.
            drop(unsafe { Box::from_raw(vcpu) });
            return Err(error);
        }
        Ok(Reservation {
            vcpu,
            table: ManuallyDrop::new(self.clone()),
        })
    }

    /// Takes an id and publishes its vCPU.
    pub fn add(&self, id: u64, value: T) -> Result<Handle<T>, Error> {
        Ok(self.reserve(id)?.publish(value))
    }

    /// Begins a section that this thread ends.  What it finds stays until then.
    /// Never blocks.
    pub fn read(&self) -> Section<'_, T> {
        // SAFETY: the table exists, here and below.
        let idx = unsafe { sys::bf_srcu_read_lock(sys::bf_vcpus_srcu(self.raw())) };
        Section {
            table: self,
            idx,
            thread: PhantomData,
        }
    }

    /// The vCPUs that have an id: those of [`Vcpus::online`], those reserved,
    /// and those whose removal is not complete.
    pub fn created(&self) -> u32 {
        unsafe { sys::bf_vcpus_created(self.raw()) }
    }

    /// The vCPUs that lookups find.
    pub fn online(&self) -> u32 {
        unsafe { sys::bf_vcpus_online(self.raw()) }
    }

    /// Locks all vCPUs, in the order of their indices.  Until the guard is
    /// dropped no other thread locks one, reservations sleep, and removals do
    /// not complete.  The caller must not hold the lock of a vCPU.
    ///
    /// Fails with `EBUSY` if a vCPU is reserved, with `EINTR` as
    /// [`Vcpu::lock`] does.
    pub fn lock_all(&self) -> Result<AllLocked<'_, T>, Error> {
        check(unsafe { sys::bf_vcpus_lock_all(self.raw()) })?;
        Ok(AllLocked(self))
    }

    /// The same without sleeping; fails if a vCPU is locked.
    pub fn try_lock_all(&self) -> Result<AllLocked<'_, T>, Error> {
        check(unsafe { sys::bf_vcpus_trylock_all(self.raw()) })?;
        Ok(AllLocked(self))
    }
}

/// The removal of a vCPU is complete.
unsafe extern "C" fn release<T>(entry: *mut sys::bf_vcpu_entry) {
    callback::enter(|| drop(Box::from_raw(entry as *mut Vcpu<T>)));
}

/// All vCPUs of a table are locked.
pub struct AllLocked<'t, T: Send + Sync + 'static>(&'t Vcpus<T>);

impl<T: Send + Sync + 'static> Drop for AllLocked<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this value locked them.
        unsafe { sys::bf_vcpus_unlock_all(self.0.raw()) }
    }
}

/// An id without a vCPU yet.  Its end gives up the creation.
pub struct Reservation<T: Send + Sync + 'static> {
    vcpu: *mut Vcpu<MaybeUninit<T>>,
    table: ManuallyDrop<Vcpus<T>>,
}

// SAFETY: any thread may publish or cancel.
unsafe impl<T: Send + Sync> Send for Reservation<T> {}

impl<T: Send + Sync + 'static> Reservation<T> {
    /// Makes the vCPU visible to lookups.  Cannot fail, and does not wait.
    pub fn publish(self, value: T) -> Handle<T> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: no other thread uses the memory before the publication; the
        // table is moved out of a value that is not dropped.
        unsafe {
            (*this.vcpu).value.write(value);
            sys::bf_vcpu_entry_publish((*this.vcpu).entry.get());
            Handle {
                vcpu: this.vcpu as *mut Vcpu<T>,
                _table: ManuallyDrop::take(&mut this.table),
            }
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Reservation<T> {
    fn drop(&mut self) {
        // SAFETY: the vCPU is reserved, and no reader has found it.
        unsafe {
            sys::bf_vcpu_entry_cancel((*self.vcpu).entry.get());
            drop(Box::from_raw(self.vcpu));
            ManuallyDrop::drop(&mut self.table);
        }
    }
}

/// The right to remove a vCPU.  Its end removes the vCPU without waiting; the
/// value is dropped when no section and no lock of all vCPUs uses it any more.
pub struct Handle<T: Send + Sync + 'static> {
    vcpu: *mut Vcpu<T>,
    _table: Vcpus<T>,
}

// SAFETY: any thread may use a vCPU, and a removal takes the only handle.
unsafe impl<T: Send + Sync> Send for Handle<T> {}
unsafe impl<T: Send + Sync> Sync for Handle<T> {}

impl<T: Send + Sync + 'static> Handle<T> {
    /// Removes the vCPU, waits for the sections that may use it, and drops the
    /// value.  Must not be called in a section of the table, nor with a lock of
    /// one of its vCPUs or of all.
    pub fn remove(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: this is the only handle, and it is not used again.
        unsafe {
            sys::bf_vcpu_entry_remove((*this.vcpu).entry.get());
            ptr::drop_in_place(&mut this._table);
        }
    }

    /// Leaves the vCPU in the table as long as that exists.
    pub fn keep(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the handle is not used again.
        unsafe { ptr::drop_in_place(&mut this._table) };
    }
}

impl<T: Send + Sync + 'static> Deref for Handle<T> {
    type Target = Vcpu<T>;

    fn deref(&self) -> &Vcpu<T> {
        // SAFETY: the vCPU lives until the removal.
        unsafe { &*self.vcpu }
    }
}

impl<T: Send + Sync + 'static> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only handle.
        unsafe {
            sys::bf_vcpu_entry_remove_async((*self.vcpu).entry.get(), None, ptr::null_mut());
        }
    }
}

/// A section of a table.
pub struct Section<'t, T: Send + Sync + 'static> {
    table: &'t Vcpus<T>,
    idx: c_int,
    thread: PhantomData<*mut ()>,
}

impl<T: Send + Sync + 'static> Section<'_, T> {
    /// The vCPU with an id; any number, also a guest's.
    pub fn by_id(&self, id: u64) -> Option<&Vcpu<T>> {
        // SAFETY: this is a section of the table, here and below.
        unsafe { self.found(sys::bf_vcpus_by_id(self.table.raw(), id)) }
    }

    /// The vCPU with an index; any number, also a guest's.
    pub fn by_index(&self, index: u64) -> Option<&Vcpu<T>> {
        unsafe { self.found(sys::bf_vcpus_by_index(self.table.raw(), index)) }
    }

    /// The vCPUs that are online now and still at their turn, in the order of
    /// their indices.
    pub fn iter(&self) -> impl Iterator<Item = &Vcpu<T>> + '_ {
        let mut iter = sys::bf_vcpus_iter::default();
        unsafe { sys::bf_vcpus_iter_begin(&mut iter, self.table.raw(), 0, u64::MAX) };
        std::iter::from_fn(move || unsafe { self.found(sys::bf_vcpus_iter_next(&mut iter)) })
    }

    /// # Safety
    /// The entry is one of the table, found in this section, or null.
    unsafe fn found(&self, entry: *mut sys::bf_vcpu_entry) -> Option<&Vcpu<T>> {
        (entry as *const Vcpu<T>).as_ref()
    }
}

impl<T: Send + Sync + 'static> Drop for Section<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread began the section.
        unsafe { sys::bf_srcu_read_unlock(sys::bf_vcpus_srcu(self.table.raw()), self.idx) }
    }
}
