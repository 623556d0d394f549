// SPDX-License-Identifier: MIT
//! belfry/log.h and belfry/version.h

use std::os::raw::{c_char, c_void};

pub type bf_log_fn = Option<unsafe extern "C" fn(opaque: *mut c_void, text: *const c_char)>;

extern "C" {
    pub fn bf_set_log(log: bf_log_fn, opaque: *mut c_void);
    pub fn bf_version() -> *const c_char;
}
