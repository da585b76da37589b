//! The one result type of all calls that can fail.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use svidex::ErrorKind;

use crate::guard::guard;

/// How a call ended. New members come at the end of their group and numbers
/// never change, so treat a number that you do not know as a failure.
///
/// 0 to 3 are about the call itself; from 100 on they are the closed set of
/// errors that svidex has in every language, by the same names.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum svidex_result {
    /// It worked; the outputs are written.
    Ok = 0,
    /// No token is at hand yet, and the call was told not to wait. One is being
    /// fetched in the background. If attempts are failing, the error object says why.
    NotReady = 1,
    /// A pointer that may not be NULL is NULL, or a number is out of its range.
    InvalidArgument = 2,
    /// A call that may block was made from inside a callback. Use a timeout of 0
    /// or the asynchronous form there.
    CalledFromCallback = 3,
    /// A setting is missing or has a wrong value; the message names it.
    InvalidConfig = 100,
    /// The Workload API or the token file could not be reached or read.
    SourceUnavailable = 101,
    /// The Workload API issues no identity to this process.
    PermissionDenied = 102,
    /// The source answered, but not with a usable JWT-SVID.
    InvalidSubjectToken = 103,
    /// The token endpoint refused the exchange.
    ExchangeRejected = 104,
    /// The token endpoint could not be reached, or could not answer.
    ExchangeUnavailable = 105,
    /// The deadline passed before any attempt had ended.
    Timeout = 106,
    /// The call was cancelled.
    Cancelled = 107,
    /// The provider was closed.
    Closed = 108,
    /// A defect in svidex.
    Internal = 109,
}

impl From<ErrorKind> for svidex_result {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidConfig => Self::InvalidConfig,
            ErrorKind::SourceUnavailable => Self::SourceUnavailable,
            ErrorKind::PermissionDenied => Self::PermissionDenied,
            ErrorKind::InvalidSubjectToken => Self::InvalidSubjectToken,
            ErrorKind::ExchangeRejected => Self::ExchangeRejected,
            ErrorKind::ExchangeUnavailable => Self::ExchangeUnavailable,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Closed => Self::Closed,
            // `Internal`; for a kind that has no number yet the test below is waiting.
            _ => Self::Internal,
        }
    }
}

/// The names in the order of the numbers; the second group is `ErrorKind::as_str`.
const NAMES: [(svidex_result, &CStr); 14] = [
    (svidex_result::Ok, c"ok"),
    (svidex_result::NotReady, c"not_ready"),
    (svidex_result::InvalidArgument, c"invalid_argument"),
    (svidex_result::CalledFromCallback, c"called_from_callback"),
    (svidex_result::InvalidConfig, c"invalid_config"),
    (svidex_result::SourceUnavailable, c"source_unavailable"),
    (svidex_result::PermissionDenied, c"permission_denied"),
    (svidex_result::InvalidSubjectToken, c"invalid_subject_token"),
    (svidex_result::ExchangeRejected, c"exchange_rejected"),
    (svidex_result::ExchangeUnavailable, c"exchange_unavailable"),
    (svidex_result::Timeout, c"timeout"),
    (svidex_result::Cancelled, c"cancelled"),
    (svidex_result::Closed, c"closed"),
    (svidex_result::Internal, c"internal"),
];

const UNKNOWN: &CStr = c"unknown";

/// The name of a result, such as `exchange_rejected`: the same word in every
/// language of svidex and in its logs.
///
/// Any number may be passed; one that is no result is `unknown`. The string is
/// constant and never freed.
#[unsafe(no_mangle)]
pub extern "C" fn svidex_result_name(result: MaybeUninit<svidex_result>) -> *const c_char {
    guard("svidex_result_name", UNKNOWN.as_ptr(), || {
        // C may pass any number, and a Rust enum may not hold any number.
        // SAFETY: C enums are ints, and C initialised its argument.
        let number = unsafe { result.as_ptr().cast::<i32>().read() };
        let found = NAMES.iter().find(|(known, _)| *known as i32 == number);
        found.map_or(UNKNOWN, |(_, name)| name).as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_number_and_its_name() {
        for &kind in ErrorKind::ALL {
            let result = svidex_result::from(kind);
            let name = svidex_result_name(MaybeUninit::new(result));
            // SAFETY: the function gives constant strings.
            assert_eq!(unsafe { CStr::from_ptr(name) }.to_str(), Ok(kind.as_str()));
        }
        let numbers: Vec<i32> = ErrorKind::ALL
            .iter()
            .map(|kind| svidex_result::from(*kind) as i32)
            .collect();
        assert_eq!(numbers, (100..110).collect::<Vec<_>>());
    }
}
