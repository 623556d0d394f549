// SPDX-License-Identifier: MIT
//! Calls from the library into Rust.

use std::any::Any;
use std::cell::Cell;
use std::os::raw::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

thread_local! {
    /// How many calls of the library into Rust this thread is in.
    static DEPTH: Cell<usize> = Cell::new(0);
}

/// Calls a closure for the library.  Returns `None` if it panics.
pub(crate) fn enter<R>(call: impl FnOnce() -> R) -> Option<R> {
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(call)).ok();
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    result
}

/// Ends an object of the library.  In a callback the end would wait for the
/// callback itself, so a thread of its own does it.
pub(crate) fn end(object: impl FnOnce() + Send + 'static) {
    let inside = DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(true);
    if inside {
        std::thread::spawn(object);
    } else {
        object();
    }
}

/// The `done` function of a removal: drops the closure behind a handle.
///
/// # Safety
/// `opaque` comes from `Box::into_raw` of a `Box<T>`, and no thread uses it.
pub(crate) unsafe extern "C" fn drop_box<T>(opaque: *mut c_void) {
    enter(|| drop(Box::from_raw(opaque as *mut T)));
}

/// A closure of a call in progress: the library calls it on the thread that
/// made the call.  A panic of the closure goes on behind the call.
pub(crate) struct Relay<F> {
    closure: F,
    panic: Option<Box<dyn Any + Send>>,
}

impl<F> Relay<F> {
    pub(crate) fn new(closure: F) -> Relay<F> {
        Relay {
            closure,
            panic: None,
        }
    }

    pub(crate) fn opaque(&mut self) -> *mut c_void {
        self as *mut Relay<F> as *mut c_void
    }

    /// Returns `None` if the closure panics, or has panicked before.
    pub(crate) fn call<R>(&mut self, call: impl FnOnce(&mut F) -> R) -> Option<R> {
        if self.panic.is_some() {
            return None;
        }
        let closure = &mut self.closure;
        match catch_unwind(AssertUnwindSafe(|| call(closure))) {
            Ok(result) => Some(result),
            Err(panic) => {
                self.panic = Some(panic);
                None
            }
        }
    }

    /// Call it when the library's function has returned.
    pub(crate) fn finish(self) {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
    }
}
