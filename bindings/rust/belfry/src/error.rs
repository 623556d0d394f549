// SPDX-License-Identifier: MIT

use std::os::raw::{c_char, c_int};
use std::{fmt, io};

/// The errno of a call, and for a collision the two entries that collide.
///
/// Errors with the same errno are equal.
#[derive(Clone, Debug)]
pub struct Error {
    errno: c_int,
    conflict: Option<String>,
}

impl Error {
    /// No entry took the access; or a device refuses it (`EOPNOTSUPP`).
    pub const NOT_TAKEN: Error = Error::from_errno(95);
    /// The call would wait for its own caller (`EDEADLK`).
    pub const DEADLOCK: Error = Error::from_errno(35);
    /// Another entry has the place (`EEXIST`).
    pub const EXISTS: Error = Error::from_errno(17);
    /// An argument is not valid (`EINVAL`).
    pub const INVALID: Error = Error::from_errno(22);
    /// The device failed (`EIO`).
    pub const IO: Error = Error::from_errno(5);

    /// Makes an error of a positive errno.
    pub const fn from_errno(errno: c_int) -> Error {
        Error {
            errno,
            conflict: None,
        }
    }

    /// The errno, positive.
    pub fn errno(&self) -> c_int {
        self.errno
    }
}

/// Takes the result of a function of the library.
pub(crate) fn check(ret: c_int) -> Result<c_int, Error> {
    if ret < 0 {
        Err(Error::from_errno(-ret))
    } else {
        Ok(ret)
    }
}

/// Takes the result of a change.  A collision has a text, which the closure
/// formats as snprintf() does.
pub(crate) fn check_conflict(
    ret: c_int,
    format: impl FnOnce(*mut c_char, usize) -> c_int,
) -> Result<(), Error> {
    let mut error = match check(ret) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    if error == Error::EXISTS {
        let mut text = [0u8; 256];
        let len = format(text.as_mut_ptr() as *mut c_char, text.len());
        let len = usize::try_from(len).unwrap_or(0).min(text.len() - 1);
        error.conflict = Some(String::from_utf8_lossy(&text[..len]).into_owned());
    }
    Err(error)
}

impl PartialEq for Error {
    fn eq(&self, other: &Error) -> bool {
        self.errno == other.errno
    }
}

impl Eq for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.conflict {
            Some(text) => f.write_str(text),
            None => io::Error::from_raw_os_error(self.errno).fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::from_raw_os_error(error.errno)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::from_errno(error.raw_os_error().unwrap_or(Error::IO.errno))
    }
}
