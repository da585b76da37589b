//! Chance, for jitter.

/// From 0 to 1. Asked of the system each time: a generator's state would be copied by
/// a fork, and a fleet of children would then march in step.
pub(crate) fn random() -> f64 {
    // Without entropy, no jitter: the middle.
    bytes().map_or(0.5, |bytes| {
        f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    })
}

/// Without waiting: early in a boot there may be none yet.
#[cfg(target_os = "linux")]
fn bytes() -> Option<[u8; 4]> {
    use rustix::rand::{GetRandomFlags, getrandom};

    let mut bytes = [0; 4];
    (getrandom(&mut bytes, GetRandomFlags::NONBLOCK) == Ok(4)).then_some(bytes)
}

#[cfg(not(target_os = "linux"))]
fn bytes() -> Option<[u8; 4]> {
    let mut bytes = [0; 4];
    let source = rustls::crypto::ring::default_provider().secure_random;
    source.fill(&mut bytes).ok().map(|()| bytes)
}
