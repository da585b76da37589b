//! What this process holds, as the kernel counts it, and what the provider did.

use svidex::Provider;

/// One look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauge {
    pub(crate) rss_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    fetches: (u64, u64),
    exchanges: (u64, u64),
}

impl Gauge {
    pub(crate) const HEAD: &str =
        "          RSS KiB  threads  descriptors  fetches (failed)  exchanges (failed)";

    pub(crate) fn read(provider: &Provider) -> Self {
        let text = std::fs::read_to_string("/proc/self/status").expect("procfs");
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).expect("a number")
        };
        let status = provider.status();
        Self {
            rss_kib: number("VmRSS:"),
            threads: number("Threads:"),
            // One of them is for this look.
            descriptors: std::fs::read_dir("/proc/self/fd").expect("procfs").count() as u64 - 1,
            fetches: (status.fetches, status.fetch_failures),
            exchanges: (status.exchanges, status.exchange_failures),
        }
    }

    pub(crate) fn max(self, other: Self) -> Self {
        self.join(other, u64::max)
    }

    pub(crate) fn min(self, other: Self) -> Self {
        self.join(other, u64::min)
    }

    fn join(self, other: Self, choose: fn(u64, u64) -> u64) -> Self {
        Self {
            rss_kib: choose(self.rss_kib, other.rss_kib),
            threads: choose(self.threads, other.threads),
            descriptors: choose(self.descriptors, other.descriptors),
            ..other
        }
    }

    pub(crate) fn row(&self, when: &str) -> String {
        format!(
            "{when:<8} {:>8} {:>8} {:>12} {:>9} {:>7} {:>10} {:>8}",
            self.rss_kib,
            self.threads,
            self.descriptors,
            self.fetches.0,
            format!("({})", self.fetches.1),
            self.exchanges.0,
            format!("({})", self.exchanges.1),
        )
    }
}
