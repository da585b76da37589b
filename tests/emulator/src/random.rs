//! Names and tokens that nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};

/// `bytes` random bytes as base64url text.
///
/// # Panics
/// The operating system has no randomness to give.
pub(crate) fn text(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    SystemRandom::new()
        .fill(&mut buffer)
        .expect("the operating system's random source");
    URL_SAFE_NO_PAD.encode(buffer)
}
