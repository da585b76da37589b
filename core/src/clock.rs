//! Time, behind one trait so that tests own it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::future::BoxFuture;

/// One look at both clocks.
///
/// Neither is enough alone. The wall clock can be set, either way; `Instant`
/// stops while the machine is suspended, so the second one is the boot-time clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, serde::Deserialize))]
pub struct Now {
    /// Milliseconds since the Unix epoch, as the host believes.
    #[cfg_attr(test, serde(rename = "wall_ms"))]
    pub(crate) wall: i64,
    /// Milliseconds since boot, suspend included; never goes back.
    #[cfg_attr(test, serde(rename = "boot_ms"))]
    pub(crate) boot: i64,
}

impl Now {
    /// What the wall clock says, in milliseconds since the Unix epoch, and the
    /// boot-time clock, in milliseconds since any moment.
    #[must_use]
    pub const fn new(wall_unix_ms: i64, boot_ms: i64) -> Self {
        Self {
            wall: wall_unix_ms,
            boot: boot_ms,
        }
    }

    /// The wall clock: milliseconds since the Unix epoch.
    #[must_use]
    pub const fn wall_unix_ms(self) -> i64 {
        self.wall
    }

    /// The boot-time clock: milliseconds that never go back, suspend included.
    #[must_use]
    pub const fn boot_ms(self) -> i64 {
        self.boot
    }
}

pub(crate) type Sleep = BoxFuture<'static, ()>;

/// The time that a provider lives by: the life of tokens, renewals, retries and the
/// deadlines of calls and attempts. (What a connection waits for is the machine's
/// time.) See [`Builder::clock`](crate::Builder::clock).
///
/// ```
/// use std::time::{Duration, Instant, SystemTime};
///
/// use svidex::extend::{BoxFuture, Clock, Now};
/// use svidex::{Config, Provider};
///
/// /// For a machine whose wall clock is known to be wrong, and which is never suspended.
/// struct Corrected {
///     behind: Duration,
///     made: Instant,
/// }
///
/// impl Clock for Corrected {
///     fn now(&self) -> Now {
///         let wall = (SystemTime::now() + self.behind).duration_since(SystemTime::UNIX_EPOCH);
///         let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
///         Now::new(
///             milliseconds(wall.unwrap_or_default()),
///             milliseconds(self.made.elapsed()),
///         )
///     }
///
///     fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
///         Box::pin(tokio::time::sleep(duration))
///     }
/// }
///
/// # fn main() -> Result<(), svidex::Error> {
/// let config = Config::new().endpoint_socket("unix:///run/spire/sockets/agent.sock");
/// let provider = Provider::builder(config)
///     .clock(Corrected { behind: Duration::from_secs(3_600), made: Instant::now() })
///     .build()?;
/// # assert!(provider.cached(svidex::TokenKind::Subject).is_none());
/// # Ok(())
/// # }
/// ```
///
/// Asked by all threads, at each read of a token, and by children that are forked:
/// it must neither block nor take a lock. Should it panic, the system's clock stands in.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks now.
    fn now(&self) -> Now;

    /// Ready after that time. Polled on the thread that does the I/O (see
    /// [the module](crate::extend)).
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// For deadlines of threads that wait: never goes back. On Linux it stops in suspend, as
    /// `sleep` does; on macOS a wait that a suspend outlasted has ended when it is over. By
    /// default the boot-time clock.
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now().boot.unsigned_abs())
    }
}

#[cfg(target_os = "linux")]
#[path = "clock/linux.rs"]
mod system;

/// macOS: its monotonic clock runs on while the machine sleeps (clock_gettime(3)).
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{ClockId, Now, milliseconds};

    #[inline]
    pub(super) fn now() -> Now {
        Now {
            wall: milliseconds(ClockId::Realtime),
            boot: milliseconds(ClockId::Monotonic),
        }
    }
}

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Now {
        system::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn monotonic(&self) -> Duration {
        // Whole: a deadline that is cut to milliseconds is early.
        let time = clock_gettime(ClockId::Monotonic);
        Duration::try_from(time).unwrap_or_default()
    }
}

#[inline]
fn milliseconds(id: ClockId) -> i64 {
    let time = clock_gettime(id);
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

/// A time of the wall clock in milliseconds, as RFC 3339 has it, in whole seconds.
#[must_use]
pub fn rfc3339(wall_ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp(wall_ms.div_euclid(1_000))
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{wall_ms} ms after 1970"))
}

/// Milliseconds since 1970, of a date that has its offset with it.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
pub(crate) use test_clock::TestClock;

#[cfg(test)]
mod test_clock {
    use super::{Clock, Now, Sleep};
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;
    use tokio::sync::oneshot;

    /// A clock that stands still until a test moves it.
    #[derive(Clone)]
    pub(crate) struct TestClock(Arc<(Mutex<Inner>, Condvar)>);

    struct Inner {
        now: Now,
        sleepers: Vec<(i64, oneshot::Sender<()>)>,
    }

    impl TestClock {
        pub(crate) fn at(wall: i64) -> Self {
            let now = Now {
                wall,
                boot: 1_000_000,
            };
            Self(Arc::new((
                Mutex::new(Inner {
                    now,
                    sleepers: Vec::new(),
                }),
                Condvar::new(),
            )))
        }

        /// Time passes on both clocks; whoever sleeps until then wakes.
        pub(crate) fn advance(&self, milliseconds: i64) {
            self.jump(milliseconds, milliseconds);
        }

        /// Moves the clocks apart: a wall clock that is set, or a suspend
        /// (which moves both, but wakes nobody before the machine does).
        pub(crate) fn jump(&self, wall: i64, boot: i64) {
            let mut inner = self.0.0.lock().unwrap();
            inner.now.wall += wall;
            inner.now.boot += boot;
            let boot = inner.now.boot;
            for (_, wake) in inner.sleepers.extract_if(.., |(until, _)| *until <= boot) {
                let _ = wake.send(());
            }
        }

        /// Waits until somebody sleeps for a time that `wanted` accepts, and
        /// says for how long (milliseconds from now).
        pub(crate) fn wait_for_sleep(&self, wanted: impl Fn(i64) -> bool) -> i64 {
            let give_up = std::time::Instant::now() + Duration::from_secs(20);
            let (lock, slept) = &*self.0;
            let mut inner = lock.lock().unwrap();
            loop {
                inner.sleepers.retain(|(_, wake)| !wake.is_closed());
                let boot = inner.now.boot;
                let sleeps = inner.sleepers.iter().map(|(until, _)| until - boot);
                if let Some(sleep) = sleeps.filter(|sleep| wanted(*sleep)).min() {
                    return sleep;
                }
                assert!(
                    std::time::Instant::now() < give_up,
                    "nobody sleeps as expected"
                );
                // Sleepers also go away, which nobody announces.
                inner = slept
                    .wait_timeout(inner, Duration::from_millis(5))
                    .unwrap()
                    .0;
            }
        }
    }

    impl Clock for TestClock {
        fn now(&self) -> Now {
            self.0.0.lock().unwrap().now
        }

        fn sleep(&self, duration: Duration) -> Sleep {
            let (wake, woken) = oneshot::channel();
            let mut inner = self.0.0.lock().unwrap();
            let until =
                inner.now.boot + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2);
            if duration.is_zero() {
                let _ = wake.send(());
            } else {
                inner.sleepers.push((until, wake));
                self.0.1.notify_all();
            }
            Box::pin(async move {
                let _ = woken.await;
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(
            parse_rfc3339("2000-02-29T12:34:56.789Z"),
            Some(951_827_696_789)
        );
        assert_eq!(
            parse_rfc3339(" 2000-02-29T13:34:56+01:00\n"),
            Some(951_827_696_000)
        );
        assert_eq!(parse_rfc3339("2000-02-30T12:34:56Z"), None);
        assert_eq!(parse_rfc3339("2000-02-29 12:34:56"), None);
        assert_eq!(rfc3339(951_827_696_789), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(i64::MAX), "9223372036854775807 ms after 1970");
        assert_eq!(rfc3339(-1_000), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn the_system_clock_tells_this_century() {
        let now = SystemClock.now();
        assert!(now.wall > 1_700_000_000_000, "{now:?}");
        assert!(now.boot > 0, "{now:?}");
    }
}
