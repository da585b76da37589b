//! Files of a bridge while it is killed, starved and swapping: a reader sees a whole
//! token with life left, or no file.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use serde_json::json;
use svidex::Jwt;
use svidex_emulator::{Emulator, Fault, Leg};

use crate::common::{emulator, program, report};
use crate::running::{
    Running, command, directory, keeping, names, now_ms, pair, subdirectory, text, until,
};

fn is_long() -> bool {
    std::env::var_os("SVIDEX_LONG").is_some_and(|value| value == "1")
}

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    absent: AtomicU64,
    /// Of these, those where the last token that was there had life left.
    missed: AtomicU64,
    torn: AtomicU64,
    /// Tokens that were read after their end, by the file and that end.
    expired: Mutex<BTreeMap<(usize, i64), Expired>>,
}

/// The reads of one token after its end.
#[derive(Clone, Copy, Debug)]
struct Expired {
    reads: u64,
    last: i64,
}

/// A bridge's time, by this machine's clock in milliseconds.
struct Life {
    pid: u32,
    /// It has looked at what the one before it left.
    started: i64,
    /// From when on it may be dead.
    killed: i64,
    log: Vec<String>,
}

impl Life {
    /// Whether it was there, and at work, while a token that had ended could be read.
    /// (Where it was not, nobody lived who could have taken the file away.)
    fn is_at_fault(&self, end: i64, expired: Expired) -> bool {
        self.killed > end && self.started <= expired.last
    }
}

/// When a file that is not there is no fault: nobody withdraws the identity here, and so
/// it goes with its token alone, of which the last second is not given out.
const LAST_USE: Duration = Duration::from_secs(2);

/// The ends of what a reader saw last in the two files, in milliseconds since the epoch.
type Ends = [i64; 2];

impl Counts {
    /// What a reader found in a file: when the token there ends, if it is whole.
    fn found(&self, file: usize, end: Option<i64>, now: i64, ends: &mut Ends) {
        match end {
            None => drop(self.torn.fetch_add(1, Ordering::Relaxed)),
            Some(end) if end <= now => {
                let mut expired = self.expired.lock().expect("no panic");
                let entry = expired.entry((file, end));
                let it = entry.or_insert(Expired {
                    reads: 0,
                    last: now,
                });
                it.reads += 1;
                it.last = it.last.max(now);
            }
            Some(end) => {
                ends[file] = end;
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// One read of each file.
    fn read(&self, svid: &Path, token: &Path, ends: &mut Ends) -> (Option<String>, Option<String>) {
        // The clock first: a token may end while it is looked at.
        let now = now_ms();
        let svid = fs::read_to_string(svid).ok();
        if let Some(svid) = &svid {
            let end = Jwt::decode(svid).ok().and_then(|jwt| jwt.exp);
            self.found(0, end, now, ends);
        }
        // Its end goes with the file that is open, and not with its name.
        let opened = fs::File::open(token).ok();
        let token = opened.and_then(|mut file| {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut file, &mut text).ok()?;
            Some((text, file.metadata().ok()?.modified().ok()?))
        });
        if let Some((token, modified)) = &token {
            let end = modified
                .duration_since(SystemTime::UNIX_EPOCH)
                .expect("a time");
            let end = i64::try_from(end.as_millis()).expect("a time");
            self.found(1, is_access_token(token).then_some(end), now, ends);
        }
        for (is_there, end) in [svid.is_some(), token.is_some()].into_iter().zip(*ends) {
            self.absent
                .fetch_add(u64::from(!is_there), Ordering::Relaxed);
            let last_use = i64::try_from(LAST_USE.as_millis()).expect("a time");
            let is_missed = !is_there && end > now_ms() + last_use;
            self.missed
                .fetch_add(u64::from(is_missed), Ordering::Relaxed);
        }
        (svid, token.map(|it| it.0))
    }

    fn all(&self) -> [u64; 4] {
        let all = [&self.reads, &self.absent, &self.missed, &self.torn];
        all.map(|it| it.load(Ordering::Relaxed))
    }

    /// The reads after a token's end while a bridge was up, and those while there was
    /// none; each of the former with what is known of it.
    fn expired(&self, lives: &[Life]) -> [u64; 2] {
        let (mut up, mut down) = (0, 0);
        for ((file, end), it) in &*self.expired.lock().expect("no panic") {
            let mut lives = lives.iter().filter(|life| life.is_at_fault(*end, *it));
            let Some(life) = lives.next() else {
                down += it.reads;
                continue;
            };
            up += it.reads;
            report(&format!(
                "{} that ended at {end} was read {} times, until {} ms after; the bridge {} was \
                 up from {} ms before the end to {} ms after it; its last words:\n  {}",
                ["an SVID", "an access token"][*file],
                it.reads,
                it.last - end,
                life.pid,
                end - life.started,
                life.killed - end,
                life.log.join("\n  ")
            ));
        }
        [up, down]
    }
}

fn is_access_token(text: &str) -> bool {
    text.len() == "emulator-access-".len() + 43 && text.starts_with("emulator-access-")
}

fn memory_and_threads(pid: u32) -> (u64, usize, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok());
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
    (resident.unwrap_or(0), count("task"), count("fd"))
}

/// Five-second tokens, faults and kills at random, and many readers: 30 minutes in the
/// long suite.
#[test]
fn no_reader_sees_a_torn_or_an_expired_token() {
    // Many readers look less often each: it is one machine.
    let (duration, readers, pause) = match is_long() {
        true => (Duration::from_secs(1_800), 50, Duration::from_millis(40)),
        false => (Duration::from_secs(20), 8, Duration::from_millis(1)),
    };
    let emulator = emulator();
    emulator.settings(json!({
        "svid_ttl_seconds": 5, "access_token_ttl_seconds": 5, "svid_repeat": false,
    }));
    let directory = directory();
    let (svid, token) = pair(directory.path());
    let args = keeping(&svid, &token);
    // With the moment from which on it answers for the files, and how long that took.
    let start = || {
        let begun = now_ms();
        let bridge = Running::start(&emulator, &args);
        bridge.wait_for_line(&["keeps 2 files"]);
        let started = now_ms();
        bridge.wait_for_line(&["all files are written"]);
        (bridge, started, started - begun)
    };
    let (mut bridge, mut started, mut slowest) = start();
    let mut lives = Vec::new();
    let life = |bridge: &Running, started| Life {
        pid: bridge.pid(),
        started,
        killed: now_ms(),
        log: bridge.log(),
    };
    let (counts, stop) = (
        Arc::new(Counts::default()),
        Arc::new(AtomicBool::new(false)),
    );
    let threads: Vec<_> = (0..readers)
        .map(|_| {
            let (counts, stop) = (Arc::clone(&counts), Arc::clone(&stop));
            let (svid, token) = (svid.clone(), token.clone());
            std::thread::spawn(move || {
                let (mut seen, mut ends) = (HashSet::new(), Ends::default());
                while !stop.load(Ordering::Relaxed) {
                    let (svid, token) = counts.read(&svid, &token, &mut ends);
                    seen.extend(svid);
                    seen.extend(token);
                    std::thread::sleep(pause);
                }
                seen.len()
            })
        })
        .collect();
    let (mut faults, mut figures) = (0, Vec::new());
    let (begun, mut turn) = (Instant::now(), 0_u32);
    while begun.elapsed() < duration {
        turn += 1;
        // Of any length below three seconds, in an order that nobody planned.
        let wait = u64::from(turn.wrapping_mul(2_654_435_761) % 1_500);
        std::thread::sleep(Duration::from_millis(wait));
        let fault = |status| Fault {
            status: Some(status),
            times: Some(1),
            ..Fault::default()
        };
        match turn % 5 {
            0 => {
                lives.push(life(&bridge, started));
                bridge.signal(Signal::KILL);
                bridge.wait();
                // Its tokens last for as long as it takes to start another one.
                let took;
                (bridge, started, took) = start();
                slowest = slowest.max(took);
            }
            1 => emulator.fault(Leg::TokenEndpoint, fault(503)),
            2 => emulator.fault(
                Leg::WorkloadApi,
                Fault {
                    reset: true,
                    times: Some(1),
                    ..Fault::default()
                },
            ),
            3 => figures.push(memory_and_threads(bridge.pid())),
            _ => emulator.fault(
                Leg::TokenEndpoint,
                Fault {
                    delay_ms: 300,
                    times: Some(1),
                    ..Fault::default()
                },
            ),
        }
        faults += u64::from([1, 2, 4].contains(&(turn % 5)));
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = threads
        .into_iter()
        .map(|it| it.join().expect("no panic"))
        .max();
    let kills = lives.len();
    lives.push(life(&bridge, started));
    let [reads, absent, missed, torn] = counts.all();
    let [expired, orphaned] = counts.expired(&lives);
    let most = figures.iter().fold((0, 0, 0), |most, it| {
        (most.0.max(it.0), most.1.max(it.1), most.2.max(it.2))
    });
    report(&format!(
        "{} tokens seen, {reads} reads, {torn} torn, {expired} after the token's end while a \
         bridge was up, {orphaned} while none was; {absent} without a file, {missed} of them while \
         its token had life left; {kills} kills, {slowest} ms at most until the next one answers \
         for the files, {faults} faults; at most {} kB, {} threads, {} descriptors",
        swaps.unwrap_or(0),
        most.0,
        most.1,
        most.2
    ));
    assert_eq!((torn, expired, missed), (0, 0, 0));
    assert!(reads > 100 && swaps > Some(3));
    assert!(most.1 <= 16 && most.2 <= 32, "{figures:?}");
    assert_eq!(
        names(directory.path())
            .iter()
            .filter(|it| it.starts_with('.'))
            .count() as u64,
        0,
        "litter: {:?}",
        names(directory.path())
    );
}

/// strace holds the knife: whoever has none goes without (and CI has one).
fn has_strace() -> bool {
    let found = Command::new("strace")
        .args(["-qq", "-e", "trace=none", "true"])
        .output();
    let has = found.is_ok_and(|output| output.status.success());
    if !has {
        report("no strace that may trace: not tried");
    }
    has
}

/// `svidex bridge --once` under strace, with something that happens at a system call.
fn traced(emulator: &Emulator, inject: &str, svid: &Path, token: &Path) -> std::process::Output {
    let calls = inject.split(':').next().unwrap_or_default();
    let mut strace = Command::new("strace");
    strace
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
        ])
        .args([
            "-e",
            &format!("inject={inject}"),
            program(),
            "bridge",
            "--once",
        ])
        .args(keeping(svid, token))
        .args(["--mode", "0640"])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(emulator.info().environment());
    strace.output().expect("strace runs")
}

fn whole(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    Jwt::decode(&text).is_ok() || is_access_token(&text)
}

/// Killed at each system call that a write consists of: the old file or the new one is
/// there, whole, and after the next start there is nothing else.
#[test]
fn a_kill_at_any_system_call_leaves_a_whole_file_and_no_litter() {
    if !has_strace() {
        return;
    }
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, token) = pair(&kept);
    let once = || {
        let args = [&["--once"], &keeping(&svid, &token)[..]].concat();
        let output = command(&emulator, &args).output().expect("it runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    once();
    let (mut kills, mut litter) = (0, 0);
    for call in [
        "flock",
        "fchown",
        "fchmod",
        "utimensat",
        "fsync",
        "renameat,renameat2,rename",
        "unlinkat,unlink",
        "newfstatat,statx,fstat",
        "openat",
        "write",
    ] {
        // Calls with other business come in between, in an order that differs.
        let steps: Vec<usize> = match call {
            "openat" | "write" | "newfstatat,statx,fstat" => {
                (1..=if is_long() { 120 } else { 40 }).collect()
            }
            _ => (1..=4).collect(),
        };
        for step in steps {
            let inject = format!("{call}:signal=SIGKILL:when={step}");
            let output = traced(&emulator, &inject, &svid, &token);
            let was_killed = !output.status.success();
            kills += usize::from(was_killed);
            assert!(
                whole(&svid) && whole(&token),
                "{inject}: {:?}",
                names(&kept)
            );
            litter += usize::from(names(&kept).len() > 2);
            if !was_killed {
                break;
            }
        }
        once();
        assert_eq!(names(&kept), ["svid", "token"], "{call}");
    }
    report(&format!(
        "{kills} kills, {litter} with something left behind until the next start"
    ));
    assert!(kills >= 20, "{kills}");
}

/// No room, a file system that became read-only: the old file stays, nothing is left, and
/// it is said.
#[test]
fn a_write_that_fails_leaves_the_old_file() {
    if !has_strace() {
        return;
    }
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, token) = pair(&kept);
    let args = [&["--once"], &keeping(&svid, &token)[..]].concat();
    assert!(
        command(&emulator, &args)
            .status()
            .expect("it runs")
            .success()
    );
    let before = [&svid, &token].map(|it| fs::read_to_string(it).expect("text"));
    emulator.settings(json!({"svid_repeat": false}));
    for (inject, words) in [
        ("fsync:error=ENOSPC", "No space left"),
        ("fsync:error=EIO", "error"),
        ("fchmod:error=EPERM", "not permitted"),
        ("renameat,renameat2,rename:error=EROFS", "Read-only"),
        ("utimensat:error=EPERM", "not permitted"),
    ] {
        let output = traced(&emulator, inject, &svid, &token);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{inject}: {said}");
        assert!(said.contains(words), "{inject}: {said}");
        assert_eq!(names(&kept), ["svid", "token"], "{inject}");
        assert!(whole(&svid) && whole(&token));
        if inject.starts_with("fsync") {
            assert_eq!(fs::read_to_string(&svid).expect("text"), before[0]);
        }
        assert_eq!(
            fs::read_to_string(&token).expect("text"),
            before[1],
            "{inject}"
        );
    }
}

/// The same where no strace is needed: a bridge that runs out of room goes on, and
/// writes when there is some.
#[test]
fn room_that_comes_back_is_used() {
    let emulator = emulator();
    emulator.settings(json!({"svid_ttl_seconds": 4, "svid_repeat": false}));
    let directory = directory();
    let svid = directory.path().join("svid");
    let script = "ulimit -f 0; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            script,
            "sh",
            program(),
            "bridge",
            "--svid-file",
            text(&svid),
        ])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(emulator.info().environment());
    let bridge = Running::of(&mut shell);
    bridge.wait_for_line(&["error", text(&svid), "too large"]);
    assert!(names(directory.path()).is_empty());
    if bridge.limit_file_size(None) {
        until("it is never written", || whole(&svid));
    }
}
