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

/// Seeded, so that a failing history can be replayed and shrunk: for tests.
#[cfg(test)]
pub(crate) struct Seeded(pub(crate) u64);

#[cfg(test)]
impl Seeded {
    /// From 0 to 1. (Marsaglia's xorshift of 64 bits; the state is never 0.)
    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
        let number = (self.0 >> 11) as f64;
        number / (1u64 << 53) as f64
    }
}

#[cfg(test)]
impl Default for Seeded {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}
