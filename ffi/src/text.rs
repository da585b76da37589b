//! Strings over the boundary: in, they are checked and copied; out, they are
//! borrowed from the handle that owns them.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

/// Why a string from C cannot be taken. What its text may hold is for core to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadText {
    Null,
    ImpossibleLength,
    NotUtf8,
}

impl BadText {
    /// The words that follow the name of the argument.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Null => "is NULL",
            Self::ImpossibleLength => "has a length that no string can have",
            Self::NotUtf8 => "is not valid UTF-8",
        }
    }
}

/// The text of a NUL-terminated string.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that lives and does not
/// change for `'a`.
pub(crate) unsafe fn borrow<'a>(text: *const c_char) -> Result<&'a str, BadText> {
    if text.is_null() {
        return Err(BadText::Null);
    }
    // SAFETY: not NULL; the rest is the caller's word.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| BadText::NotUtf8)
}

/// The text of `length` bytes, NULs and all.
///
/// # Safety
/// `text` is NULL or points to `length` bytes that live and do not change for `'a`.
pub(crate) unsafe fn borrow_counted<'a>(
    text: *const c_char,
    length: usize,
) -> Result<&'a str, BadText> {
    if text.is_null() {
        return Err(BadText::Null);
    }
    // No object is larger than isize::MAX: this was a negative number once.
    if isize::try_from(length).is_err() {
        return Err(BadText::ImpossibleLength);
    }
    // SAFETY: not NULL and not too long; the rest is the caller's word.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    std::str::from_utf8(bytes).map_err(|_| BadText::NotUtf8)
}

/// A copy for C to borrow. A NUL within would end the text early for C: it goes.
pub(crate) fn owned(text: &str) -> CString {
    CString::new(text)
        .unwrap_or_else(|_| CString::new(text.replace('\0', "")).expect("no NUL is left"))
}

/// What C borrows for text that may be missing: NULL if it is.
pub(crate) fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}
