// SPDX-License-Identifier: MIT
//! The front: `belfry/front.h`.
//!
//! The VMM owns its KVM descriptors and its run loop.  The front answers
//! KVM_IOEVENTFD, installs doorbells in the kernel later, and serves the exits
//! of those that the kernel does not have:
//!
//! ```no_run
//! use belfry::front::{Config, Front, Ioeventfd};
//! use std::os::unix::io::{AsFd, OwnedFd};
//!
//! # fn kvm_run(vcpu: &OwnedFd) -> i32 { 0 }
//! # fn handle_exit() {}
//! # fn vmm(kvm: OwnedFd, vm: OwnedFd, vcpu: OwnedFd, queue: OwnedFd) -> Result<(), belfry::Error> {
//! let front = Front::attach(&vm, &Config::default())?;
//! front.assign(&Ioeventfd::mmio(0xd000_0000, 4), &queue)?;
//! let mut front_vcpu = front.attach_vcpu(&kvm, &vcpu)?;
//! loop {
//!     front_vcpu.before_run();
//!     let ret = kvm_run(&vcpu); // ioctl(KVM_RUN): 0 or -1
//!     if !front_vcpu.after_run(ret) {
//!         handle_exit();
//!     }
//! }
//! # }
//! ```
//!
//! The front and its vCPUs hold duplicates of the descriptors and a mapping of
//! each run page, so the VM lives at least as long as its front.
//!
//! A vCPU of a front belongs to one thread at a time, and a run changes it:
//!
//! ```compile_fail,E0277
//! fn shared_between_threads<T: Sync>() {}
//! shared_between_threads::<belfry::front::Vcpu>();
//! ```
//!
//! ```compile_fail,E0382
//! # use belfry::front::{Front, Vcpu};
//! # fn end(vcpu: Vcpu) {
//! drop(vcpu);
//! vcpu.before_run();
//! # }
//! ```

use std::io;
use std::mem::ManuallyDrop;
use std::os::raw::{c_int, c_ulong, c_void};
use std::os::unix::io::{AsFd, AsRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use belfry_sys as sys;

use crate::bus::Bus;
use crate::callback;
use crate::error::{check, Error};
use crate::memslots::Memslots;

const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;
const KVM_GET_VCPU_MMAP_SIZE: c_ulong = 0xae04;
const KVM_REGISTER_COALESCED_MMIO: c_ulong = 0x4010_ae67;
const KVM_UNREGISTER_COALESCED_MMIO: c_ulong = 0x4010_ae68;
const KVM_IOEVENTFD_FLAG_DATAMATCH: u32 = 1;
const KVM_IOEVENTFD_FLAG_PIO: u32 = 2;
const KVM_IOEVENTFD_FLAG_DEASSIGN: u32 = 4;

const EBUSY: c_int = 16;

extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn mmap(
        addr: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn munmap(addr: *mut c_void, len: usize) -> c_int;
}

/// When the kernel gets a doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// After many signals, in a quiet moment.
    Lazy,
    /// At the first run, and later ones at the next run.
    FirstRun,
    /// Never.
    Never,
    /// In the call itself.
    Eager,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy::Lazy
    }
}

/// The description of a front.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// When the kernel gets a doorbell.
    pub policy: Policy,
    /// `Lazy`: the signals before an install; 0: 1,000.
    pub install_after: u32,
    /// `Lazy`: milliseconds without a change before an install; 0: 10.
    pub quiet_ms: u32,
    /// Install zones in the call that registers them, for a VMM that reads the
    /// ring without an exit before.
    pub zones_at_once: bool,
    /// The map whose changes go to the VM: the front installs nothing for a
    /// while after a change of it.  Without it the VMM brackets its changes
    /// ([`Front::around`]).
    pub memslots: Option<Memslots>,
}

/// A doorbell of KVM_IOEVENTFD.
#[derive(Clone, Copy)]
pub struct Ioeventfd(sys::kvm_ioeventfd);

impl Ioeventfd {
    /// A doorbell in memory: any write of that length; 0: of any length.
    pub fn mmio(addr: u64, len: u32) -> Ioeventfd {
        Ioeventfd(sys::kvm_ioeventfd {
            addr,
            len,
            ..Default::default()
        })
    }

    /// A doorbell at a port.
    pub fn pio(port: u16, len: u32) -> Ioeventfd {
        Ioeventfd(sys::kvm_ioeventfd {
            addr: port.into(),
            len,
            flags: KVM_IOEVENTFD_FLAG_PIO,
            ..Default::default()
        })
    }

    /// Only this value rings the doorbell.
    pub fn datamatch(mut self, value: u64) -> Ioeventfd {
        self.0.datamatch = value;
        self.0.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
        self
    }
}

/// A coalesced zone of KVM_REGISTER_COALESCED_MMIO.
#[derive(Clone, Copy)]
pub struct Zone(sys::kvm_coalesced_mmio_zone);

impl Zone {
    /// A zone in memory.
    pub fn mmio(addr: u64, size: u32) -> Zone {
        Zone(sys::kvm_coalesced_mmio_zone { addr, size, pio: 0 })
    }

    /// A zone of ports.
    pub fn pio(port: u16, size: u32) -> Zone {
        Zone(sys::kvm_coalesced_mmio_zone {
            addr: port.into(),
            size,
            pio: 1,
        })
    }
}

/// A front, and what the library uses of it, which goes after it.
struct Parts {
    raw: NonNull<sys::bf_front>,
    _vm: OwnedFd,
    _memslots: Option<Memslots>,
}

// SAFETY: any thread may call any function of a front.
unsafe impl Send for Parts {}
unsafe impl Sync for Parts {}

impl Parts {
    fn end(self) {
        // SAFETY: each vCPU and each handle on the bus has a reference.
        unsafe { sys::bf_front_destroy(self.raw.as_ptr()) };
    }
}

struct Inner(ManuallyDrop<Parts>);

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        let parts = unsafe { ManuallyDrop::take(&mut self.0) };
        callback::end(move || parts.end());
    }
}

/// A front of a VM.  A clone is the same front; the last reference ends it.
#[derive(Clone)]
pub struct Front {
    inner: Arc<Inner>,
}

impl Front {
    /// Puts a front before a VM, of KVM_CREATE_VM.
    ///
    /// Fails with `ENOTTY` if the descriptor is not a VM, `EIO` if the VM
    /// belongs to another process, and without memory or descriptors.
    pub fn attach(vm: impl AsFd, config: &Config) -> Result<Front, Error> {
        let vm = vm.as_fd().try_clone_to_owned()?;
        let desc = sys::bf_front_config {
            policy: match config.policy {
                Policy::Lazy => sys::BF_POLICY_LAZY,
                Policy::FirstRun => sys::BF_POLICY_FIRST_RUN,
                Policy::Never => sys::BF_POLICY_NEVER,
                Policy::Eager => sys::BF_POLICY_EAGER,
            },
            install_after: config.install_after,
            quiet_ms: config.quiet_ms,
            zones_at_once: config.zones_at_once,
            memslots: config
                .memslots
                .as_ref()
                .map_or(ptr::null_mut(), Memslots::as_ptr),
            ..Default::default()
        };
        let mut raw = ptr::null_mut();
        // SAFETY: the duplicate and the map stay until the front is gone.
        check(unsafe { sys::bf_front_attach(vm.as_raw_fd(), &desc, &mut raw) })?;
        let raw = NonNull::new(raw).expect("a front");
        let parts = Parts {
            raw,
            _vm: vm,
            _memslots: config.memslots.clone(),
        };
        Ok(Front {
            inner: Arc::new(Inner(ManuallyDrop::new(parts))),
        })
    }

    /// The front for a function of `belfry_sys`; valid while a reference to
    /// this front exists.
    pub fn as_ptr(&self) -> *mut sys::bf_front {
        self.inner.0.raw.as_ptr()
    }

    /// The bus that gets the accesses which come out as exits.  A device on it
    /// serves them before the run loop sees them.
    pub fn bus(&self) -> Bus {
        // SAFETY: the front exists, here and below.
        let bus = unsafe { sys::bf_front_bus(self.as_ptr()) };
        Bus::of_front(bus, self.inner.clone())
    }

    /// Registers a doorbell, as KVM_IOEVENTFD does.
    pub fn assign(&self, doorbell: &Ioeventfd, eventfd: impl AsFd) -> Result<(), Error> {
        self.ioeventfd(doorbell, eventfd, 0)
    }

    /// Removes a doorbell.  After that it does not signal.
    pub fn deassign(&self, doorbell: &Ioeventfd, eventfd: impl AsFd) -> Result<(), Error> {
        self.ioeventfd(doorbell, eventfd, KVM_IOEVENTFD_FLAG_DEASSIGN)
    }

    fn ioeventfd(&self, doorbell: &Ioeventfd, eventfd: impl AsFd, flags: u32) -> Result<(), Error> {
        let mut arg = doorbell.0;
        arg.fd = eventfd.as_fd().as_raw_fd();
        arg.flags |= flags;
        check(unsafe { sys::bf_front_ioeventfd(self.as_ptr(), &arg) }).map(drop)
    }

    /// Registers a coalesced zone, as KVM_REGISTER_COALESCED_MMIO does.  Until
    /// the kernel gets it, a write inside it comes out as an exit.
    pub fn register_zone(&self, zone: &Zone) -> Result<(), Error> {
        self.zone(KVM_REGISTER_COALESCED_MMIO, zone)
    }

    /// Removes the zones inside a place, as KVM_UNREGISTER_COALESCED_MMIO does.
    pub fn unregister_zone(&self, zone: &Zone) -> Result<(), Error> {
        self.zone(KVM_UNREGISTER_COALESCED_MMIO, zone)
    }

    fn zone(&self, request: c_ulong, zone: &Zone) -> Result<(), Error> {
        check(unsafe { sys::bf_front_zone(self.as_ptr(), request, &zone.0) }).map(drop)
    }

    /// How often the front has signalled a doorbell, and whether the kernel has
    /// it, whose signals are not counted.
    ///
    /// Fails with `ENOENT` if the front has no such doorbell.
    pub fn signals(&self, doorbell: &Ioeventfd) -> Result<(u64, bool), Error> {
        let (mut signals, mut installed) = (0, false);
        check(unsafe {
            sys::bf_front_doorbell_signals(self.as_ptr(), &doorbell.0, &mut signals, &mut installed)
        })?;
        Ok((signals, installed))
    }

    /// Hands everything to the kernel, and ends the front: the VM goes on
    /// without it.
    ///
    /// Fails with `EBUSY` if a vCPU, a clone, or a handle on the bus refers to
    /// the front, and with the errno of a doorbell that the kernel refused.  The
    /// front is then returned, in the second case with [`Policy::Eager`].
    pub fn detach(self) -> Result<(), (Error, Front)> {
        let inner = Arc::try_unwrap(self.inner).map_err(|inner| {
            let front = Front { inner };
            (Error::from_errno(EBUSY), front)
        })?;
        // SAFETY: this is the only reference.
        if let Err(error) = check(unsafe { sys::bf_front_detach(inner.0.raw.as_ptr()) }) {
            let inner = Arc::new(inner);
            return Err((error, Front { inner }));
        }
        let mut inner = ManuallyDrop::new(inner);
        // SAFETY: the front is gone, and the rest is not used again.
        unsafe { ManuallyDrop::drop(&mut inner.0) };
        Ok(())
    }

    /// Makes another call on the VM, a memory slot change for example.  The
    /// front installs nothing beside it if it is one that would wait.
    pub fn around<R>(&self, request: u64, call: impl FnOnce() -> R) -> R {
        struct Ends<'f>(&'f Front, c_ulong);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                unsafe { sys::bf_front_call_ends(self.0.as_ptr(), self.1) }
            }
        }
        unsafe { sys::bf_front_call_begins(self.as_ptr(), request as c_ulong) };
        let _ends = Ends(self, request as c_ulong);
        call()
    }

    /// Makes any ioctl on the VM.
    ///
    /// # Safety
    /// The argument is one that the request takes.
    pub unsafe fn ioctl(&self, request: u64, arg: *mut c_void) -> Result<c_int, Error> {
        check(sys::bf_front_ioctl(self.as_ptr(), request as c_ulong, arg))
    }

    /// Starts the helper thread of [`Policy::Lazy`] now, for a VMM that may not
    /// start threads later.
    pub fn start_thread(&self) -> Result<(), Error> {
        check(unsafe { sys::bf_front_start_thread(self.as_ptr()) }).map(drop)
    }

    /// Gives the kernel everything, now and from now on.
    pub fn install_all(&self) -> Result<(), Error> {
        check(unsafe { sys::bf_front_install_all(self.as_ptr()) }).map(drop)
    }

    /// The counters of the front.
    pub fn stats(&self) -> sys::bf_front_stats {
        let mut stats = sys::bf_front_stats::default();
        unsafe { sys::bf_front_get_stats(self.as_ptr(), &mut stats) };
        stats
    }

    /// Tells the front about a vCPU.  The first descriptor is `/dev/kvm`, which
    /// knows the size of the run page; the second that of KVM_CREATE_VCPU.
    ///
    /// Fails with `EINVAL` if the second is not a vCPU.
    pub fn attach_vcpu(&self, kvm: impl AsFd, vcpu: impl AsFd) -> Result<Vcpu, Error> {
        let fd = vcpu.as_fd().try_clone_to_owned()?;
        let page = Page::map(kvm, &fd)?;
        let mut raw = ptr::null_mut();
        // SAFETY: the page and the duplicate stay until the vCPU is detached.
        check(unsafe {
            sys::bf_front_attach_vcpu(
                self.as_ptr(),
                fd.as_raw_fd(),
                page.run,
                ptr::null_mut(),
                &mut raw,
            )
        })?;
        let raw = NonNull::new(raw).expect("a vCPU");
        Ok(Vcpu {
            raw,
            page,
            _fd: fd,
            _front: self.clone(),
        })
    }
}

/// A mapping of the run page.
struct Page {
    run: *mut sys::kvm_run,
    size: usize,
}

impl Page {
    fn map(kvm: impl AsFd, vcpu: &OwnedFd) -> Result<Page, Error> {
        let kvm = kvm.as_fd().as_raw_fd();
        // SAFETY: the request takes no argument.
        let size = unsafe { ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0 as c_ulong) };
        let size = usize::try_from(size).map_err(|_| io::Error::last_os_error())?;
        // Another file might be shorter than the mapping, or be cut later.
        let link = std::fs::read_link(format!("/proc/self/fd/{}", vcpu.as_raw_fd()))?;
        if !link.to_string_lossy().starts_with("anon_inode:kvm-vcpu") {
            return Err(Error::INVALID);
        }
        // SAFETY: a new mapping at a place of the kernel's choice.
        let run = unsafe {
            mmap(
                ptr::null_mut(),
                size,
                PROT_READ_WRITE,
                MAP_SHARED,
                vcpu.as_raw_fd(),
                0,
            )
        };
        if run as isize == -1 {
            return Err(io::Error::last_os_error().into());
        }
        Ok(Page {
            run: run as *mut sys::kvm_run,
            size,
        })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's.
        unsafe { munmap(self.run as *mut c_void, self.size) };
    }
}

/// A vCPU of a front.  Its end forgets the vCPU; the kernel's vCPU stays.
pub struct Vcpu {
    // Dropped in this order, after drop().
    raw: NonNull<sys::bf_front_vcpu>,
    page: Page,
    _fd: OwnedFd,
    _front: Front,
}

// SAFETY: one thread at a time uses a vCPU, whichever it is.
unsafe impl Send for Vcpu {}

impl Vcpu {
    /// Call it before each KVM_RUN.
    pub fn before_run(&mut self) {
        // SAFETY: the vCPU is attached, here and below.
        unsafe { sys::bf_front_before_run(self.raw.as_ptr()) }
    }

    /// Call it after each KVM_RUN with its result, which is negative if it
    /// failed, and before reading the exit.
    ///
    /// Returns true if the exit is served: run again.  Otherwise the exit is the
    /// caller's.
    pub fn after_run(&mut self, ret: c_int) -> bool {
        unsafe { sys::bf_front_after_run(self.raw.as_ptr(), ret) }
    }

    /// Runs the vCPU until an exit that is the caller's.  The closure makes
    /// KVM_RUN and returns its result.
    pub fn run(&mut self, mut kvm_run: impl FnMut() -> c_int) -> c_int {
        loop {
            self.before_run();
            let ret = kvm_run();
            if !self.after_run(ret) {
                return ret;
            }
        }
    }

    /// Completes a served exit without running the guest.
    ///
    /// Returns true if the page has an exit for the caller, of the same
    /// instruction.
    pub fn complete(&mut self) -> Result<bool, Error> {
        const EINTR: c_int = 4;
        match unsafe { sys::bf_front_complete(self.raw.as_ptr()) } {
            ret if ret == -EINTR => Ok(false),
            ret => check(ret).map(|_| true),
        }
    }

    /// A debugger steps through the vCPU from now on, or has ended: call it
    /// before KVM_SET_GUEST_DEBUG with single stepping, and after one without.
    pub fn set_stepping(&mut self, stepping: bool) {
        unsafe { sys::bf_front_set_stepping(self.raw.as_ptr(), stepping) }
    }

    /// The run page.  The kernel, the library and the caller's other mappings
    /// write to it, so there is no reference to it.
    pub fn page(&self) -> *mut sys::kvm_run {
        self.page.run
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        // SAFETY: the vCPU does not run, because this value is borrowed then.
        unsafe { sys::bf_front_detach_vcpu(self.raw.as_ptr()) }
    }
}
