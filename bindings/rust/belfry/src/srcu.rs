// SPDX-License-Identifier: MIT
//! Sleepable RCU: `belfry/srcu.h`.
//!
//! A reader holds a guard, and may sleep with it.  An updater waits until every
//! guard that existed before has gone, or defers a call until then.
//!
//! ```
//! use belfry::srcu::{Domain, Published};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), belfry::Error> {
//! let domain: Arc<Domain> = Arc::new(Domain::new("config")?);
//! let config = Published::new(&domain, String::from("old"));
//!
//! let guard = domain.read();
//! let seen = config.get(&guard);
//! config.replace(String::from("new")); // does not wait for the guard
//! assert_eq!(seen, "old"); // and the guard keeps the old value
//! drop(guard);
//! assert_eq!(*config.read(), "new");
//! # Ok(())
//! # }
//! ```
//!
//! A guard belongs to its thread, as a section of `bf_srcu_read_lock()` does:
//!
//! ```compile_fail,E0277
//! use belfry::srcu::{Domain, Fenced};
//! let domain = Domain::<Fenced>::new("config").unwrap();
//! let guard = domain.read();
//! std::thread::scope(|scope| {
//!     scope.spawn(move || drop(guard)); // a guard is not Send
//! });
//! ```
//!
//! [`Domain::read_anywhere`] returns one that another thread may end:
//!
//! ```
//! use belfry::srcu::{Domain, Fenced};
//! let domain = Domain::<Fenced>::new("config").unwrap();
//! let guard = domain.read_anywhere();
//! std::thread::scope(|scope| {
//!     scope.spawn(move || drop(guard));
//! });
//! ```
//!
//! A guard does not outlive its domain, and neither does a reference that a
//! guard protects outlive the guard:
//!
//! ```compile_fail,E0505
//! use belfry::srcu::{Domain, Fenced};
//! let domain = Domain::<Fenced>::new("config").unwrap();
//! let guard = domain.read();
//! drop(domain);
//! drop(guard);
//! ```
//!
//! ```compile_fail,E0505
//! use belfry::srcu::{Domain, Fenced, Published};
//! use std::sync::Arc;
//! let domain = Arc::new(Domain::<Fenced>::new("config").unwrap());
//! let config = Published::new(&domain, 1);
//! let guard = domain.read();
//! let seen = config.get(&guard);
//! drop(guard);
//! println!("{}", seen);
//! ```
//!
//! A deferred call runs on another thread, and possibly later than the caller's
//! data lives:
//!
//! ```compile_fail,E0277
//! use belfry::srcu::{Domain, Fenced};
//! let domain = Domain::<Fenced>::new("config").unwrap();
//! let shared = std::rc::Rc::new(1);
//! domain.call(move || drop(shared)); // an Rc is not Send
//! ```
//!
//! ```compile_fail,E0597
//! use belfry::srcu::{Domain, Fenced};
//! let domain = Domain::<Fenced>::new("config").unwrap();
//! let local = 1;
//! let borrowed = &local;
//! domain.call(move || println!("{}", borrowed));
//! ```

use std::cell::UnsafeCell;
use std::ffi::CString;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::raw::{c_char, c_int};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use belfry_sys as sys;

use crate::callback;
use crate::error::{check, Error};

mod sealed {
    use super::*;

    pub trait Sealed: Send + Sync + 'static {
        type Token: Copy;
        unsafe fn init(ssp: *mut sys::bf_srcu, name: *const c_char) -> c_int;
        unsafe fn lock(ssp: *mut sys::bf_srcu) -> Self::Token;
        unsafe fn unlock(ssp: *mut sys::bf_srcu, token: Self::Token);
    }
}

use sealed::Sealed;

/// The flavour of a domain: [`Fenced`] or [`Fast`].
pub trait Flavour: Sealed {}

/// Readers execute a fence, and updaters interrupt no thread.
#[derive(Debug)]
pub enum Fenced {}

/// Readers execute no fence; each grace period interrupts the threads of the
/// process instead, by membarrier(2).
#[derive(Debug)]
pub enum Fast {}

impl Flavour for Fenced {}
impl Flavour for Fast {}

impl Sealed for Fenced {
    type Token = c_int;
    unsafe fn init(ssp: *mut sys::bf_srcu, name: *const c_char) -> c_int {
        sys::bf_srcu_init(ssp, name)
    }
    unsafe fn lock(ssp: *mut sys::bf_srcu) -> c_int {
        sys::bf_srcu_read_lock(ssp)
    }
    unsafe fn unlock(ssp: *mut sys::bf_srcu, token: c_int) {
        sys::bf_srcu_read_unlock(ssp, token)
    }
}

impl Sealed for Fast {
    type Token = *mut sys::bf_srcu_ctr;
    unsafe fn init(ssp: *mut sys::bf_srcu, name: *const c_char) -> c_int {
        sys::bf_srcu_init_fast(ssp, name)
    }
    unsafe fn lock(ssp: *mut sys::bf_srcu) -> Self::Token {
        sys::bf_srcu_read_lock_fast(ssp)
    }
    unsafe fn unlock(ssp: *mut sys::bf_srcu, token: Self::Token) {
        sys::bf_srcu_read_unlock_fast(ssp, token)
    }
}

/// The memory of a domain, which does not move.
struct Memory {
    ssp: UnsafeCell<sys::bf_srcu>,
    name: CString,
}

/// The only owner of a domain's memory.  A pointer, because a box that moves
/// would claim that nothing else points into it.
struct Owner(NonNull<Memory>);

// SAFETY: any thread may call any function on a domain at any time.
unsafe impl Send for Owner {}
unsafe impl Sync for Owner {}

impl Owner {
    fn ssp(&self) -> *mut sys::bf_srcu {
        // SAFETY: the memory lives until end().
        unsafe { self.0.as_ref() }.ssp.get()
    }

    /// Runs the calls that are left, and ends the domain.  A section that was
    /// forgotten keeps the memory for ever.
    fn end(self) {
        // SAFETY: the domain is initialized, and no reference to it is left.
        unsafe {
            sys::bf_srcu_barrier(self.ssp());
            if sys::bf_srcu_cleanup(self.ssp()) == 0 {
                drop(Box::from_raw(self.0.as_ptr()));
            }
        }
    }
}

/// A domain: readers of one domain delay no other domain.
///
/// Its end runs the deferred calls that are left, and so waits for the readers
/// before them.
pub struct Domain<F: Flavour = Fenced> {
    owner: ManuallyDrop<Owner>,
    flavour: PhantomData<F>,
}

/// A domain of the fast flavour.
pub type FastDomain = Domain<Fast>;

impl<F: Flavour> Domain<F> {
    /// Makes a domain; reports show the name.
    ///
    /// Fails without memory, or if the name contains a zero byte.
    pub fn new(name: &str) -> Result<Self, Error> {
        let name = CString::new(name).map_err(|_| Error::INVALID)?;
        let memory = Box::leak(Box::new(Memory {
            ssp: UnsafeCell::new(sys::bf_srcu::default()),
            name,
        }));
        // SAFETY: the domain and the name stay where they are until the end.
        let ret = unsafe { F::init(memory.ssp.get(), memory.name.as_ptr()) };
        let owner = Owner(NonNull::from(memory));
        if ret < 0 {
            // SAFETY: the library does not know the memory.
            drop(unsafe { Box::from_raw(owner.0.as_ptr()) });
        }
        check(ret)?;
        Ok(Domain {
            owner: ManuallyDrop::new(owner),
            flavour: PhantomData,
        })
    }

    fn ssp(&self) -> *mut sys::bf_srcu {
        self.owner.ssp()
    }

    /// Begins a section that this thread ends.  Never blocks.
    pub fn read(&self) -> Guard<'_, F> {
        Guard {
            domain: self,
            // SAFETY: the domain is initialized, here and below.
            token: unsafe { F::lock(self.ssp()) },
            thread: PhantomData,
        }
    }

    /// Begins a section that any thread may end.  Never blocks.
    pub fn read_anywhere(&self) -> AnywhereGuard<'_, F> {
        AnywhereGuard {
            domain: self,
            idx: unsafe { sys::bf_srcu_down_read(self.ssp()) },
        }
    }

    /// Waits until each guard that exists now has gone.
    ///
    /// A thread that waits with a guard of the same domain waits for ever.
    pub fn synchronize(&self) {
        unsafe { sys::bf_srcu_synchronize(self.ssp()) }
    }

    /// The same, in a grace period that begins at once.
    pub fn synchronize_expedited(&self) {
        unsafe { sys::bf_srcu_synchronize_expedited(self.ssp()) }
    }

    /// Calls a closure once each guard that exists now has gone, on the
    /// library's worker thread.  Does not wait for readers.
    pub fn call<C: FnOnce() + Send + 'static>(&self, call: C) {
        let deferred = Deferred::new(call);
        // SAFETY: the head is the first member of the box, which run() frees.
        unsafe { sys::bf_srcu_call(self.ssp(), deferred, Some(Deferred::<C>::run)) }
    }

    /// The same after an expedited grace period.
    pub fn call_expedited<C: FnOnce() + Send + 'static>(&self, call: C) {
        let deferred = Deferred::new(call);
        // SAFETY: as above.
        unsafe { sys::bf_srcu_call_expedited(self.ssp(), deferred, Some(Deferred::<C>::run)) }
    }

    /// Waits until the calls deferred so far have returned.  Must not be called
    /// by such a call.
    pub fn barrier(&self) {
        unsafe { sys::bf_srcu_barrier(self.ssp()) }
    }

    /// The counters of the domain.
    pub fn stats(&self) -> sys::bf_srcu_stats {
        let mut stats = sys::bf_srcu_stats::default();
        unsafe { sys::bf_srcu_get_stats(self.ssp(), &mut stats) };
        stats
    }
}

impl<F: Flavour> Drop for Domain<F> {
    fn drop(&mut self) {
        // SAFETY: the domain is not used again.
        let owner = unsafe { ManuallyDrop::take(&mut self.owner) };
        callback::end(move || owner.end());
    }
}

#[repr(C)]
struct Deferred<C> {
    head: sys::bf_srcu_head,
    call: C,
}

impl<C: FnOnce() + Send + 'static> Deferred<C> {
    fn new(call: C) -> *mut sys::bf_srcu_head {
        let head = sys::bf_srcu_head::default();
        Box::into_raw(Box::new(Deferred { head, call })) as *mut sys::bf_srcu_head
    }

    unsafe extern "C" fn run(head: *mut sys::bf_srcu_head) {
        let deferred = Box::from_raw(head as *mut Deferred<C>);
        callback::enter(move || (deferred.call)());
    }
}

/// A section of a domain that its thread ends.
pub struct Guard<'d, F: Flavour = Fenced> {
    domain: &'d Domain<F>,
    token: F::Token,
    thread: PhantomData<*mut ()>,
}

impl<F: Flavour> Drop for Guard<'_, F> {
    fn drop(&mut self) {
        // SAFETY: this thread began the section, and it is open.
        unsafe { F::unlock(self.domain.ssp(), self.token) }
    }
}

/// A section of a domain that any thread ends.
pub struct AnywhereGuard<'d, F: Flavour = Fenced> {
    domain: &'d Domain<F>,
    idx: c_int,
}

impl<F: Flavour> Drop for AnywhereGuard<'_, F> {
    fn drop(&mut self) {
        // SAFETY: the section is open.
        unsafe { sys::bf_srcu_up_read(self.domain.ssp(), self.idx) }
    }
}

/// A section of a domain: [`Guard`] or [`AnywhereGuard`].
pub trait Section<F: Flavour>: private::Section<F> {}

mod private {
    use super::*;

    pub trait Section<F: Flavour> {
        fn domain(&self) -> &Domain<F>;
    }
}

impl<F: Flavour> private::Section<F> for Guard<'_, F> {
    fn domain(&self) -> &Domain<F> {
        self.domain
    }
}

impl<F: Flavour> private::Section<F> for AnywhereGuard<'_, F> {
    fn domain(&self) -> &Domain<F> {
        self.domain
    }
}

impl<F: Flavour> Section<F> for Guard<'_, F> {}
impl<F: Flavour> Section<F> for AnywhereGuard<'_, F> {}

/// A value that readers of a domain see, and that an updater replaces without
/// waiting for them.
pub struct Published<T: Send + Sync + 'static, F: Flavour = Fenced> {
    domain: Arc<Domain<F>>,
    value: AtomicPtr<T>,
    owns: PhantomData<T>,
}

impl<T: Send + Sync + 'static, F: Flavour> Published<T, F> {
    /// Publishes a first value for the readers of a domain.
    pub fn new(domain: &Arc<Domain<F>>, value: T) -> Self {
        Published {
            domain: domain.clone(),
            value: AtomicPtr::new(Box::into_raw(Box::new(value))),
            owns: PhantomData,
        }
    }

    /// The present value, for as long as the section lasts.  Never blocks.
    ///
    /// # Panics
    /// If the section is one of another domain.
    pub fn get<'g>(&'g self, section: &'g impl Section<F>) -> &'g T {
        assert!(
            std::ptr::eq(section.domain(), &*self.domain),
            "the section is one of another domain"
        );
        // SAFETY: the value goes only after the section, and not before self.
        unsafe { &*self.value.load(Ordering::Acquire) }
    }

    /// Begins a section, and returns the present value.  Never blocks.
    pub fn read(&self) -> Ref<'_, T, F> {
        let guard = self.domain.read();
        Ref {
            // SAFETY: as in get().
            value: unsafe { &*self.value.load(Ordering::Acquire) },
            _guard: guard,
        }
    }

    /// Publishes another value, and drops the old one after its last reader, on
    /// the library's worker thread.  Does not wait.
    pub fn replace(&self, value: T) {
        let old = self.publish(value);
        self.domain.call(move || drop(old));
    }

    /// Publishes another value, waits for the readers of the old one, and
    /// returns that.  Must not be called with a guard of the domain.
    pub fn swap(&self, value: T) -> T {
        let old = self.publish(value);
        self.domain.synchronize_expedited();
        old.into_inner()
    }

    fn publish(&self, value: T) -> Old<T> {
        let value = Box::into_raw(Box::new(value));
        Old(self.value.swap(value, Ordering::AcqRel))
    }
}

impl<T: Send + Sync + 'static, F: Flavour> Drop for Published<T, F> {
    fn drop(&mut self) {
        // SAFETY: no reference to the value outlives self.
        drop(unsafe { Box::from_raw(*self.value.get_mut()) });
    }
}

/// A value that is not published any more.  Readers may have references to it
/// until a grace period has ended, so it is a pointer, not a box.
struct Old<T>(*mut T);

// SAFETY: it owns a T.
unsafe impl<T: Send> Send for Old<T> {}

impl<T> Old<T> {
    fn into_inner(self) -> T {
        let value = ManuallyDrop::new(self).0;
        // SAFETY: the readers have gone.
        *unsafe { Box::from_raw(value) }
    }
}

impl<T> Drop for Old<T> {
    fn drop(&mut self) {
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// A published value inside a section of its own.
pub struct Ref<'p, T, F: Flavour = Fenced> {
    value: &'p T,
    _guard: Guard<'p, F>,
}

impl<T, F: Flavour> Deref for Ref<'_, T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}
