//! Out of threads, out of descriptors, and denied a system call.

use std::io::{Read as _, Seek as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use svidex::{Error, ErrorKind, Provider, TokenKind};
use svidex_emulator::Info;

use super::child::Child;
use super::support::{emulator, report, short_or_long};
use super::{HANG_GUARD, call, one_at_a_time, provider};

const KINDS: [TokenKind; 2] = [TokenKind::Subject, TokenKind::Access];
/// Nobody else's, so that its threads are ours.
const STRANGER: u32 = 54_321;

/// From now on all panics of this process are counted, wherever they are caught.
pub(super) fn count_panics() -> impl Fn() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    PANICS.store(0, Ordering::SeqCst);
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
    || PANICS.load(Ordering::SeqCst)
}

/// Standard error of this process goes to a file from now on.
fn capture_stderr() -> std::fs::File {
    let file = tempfile::tempfile().expect("a file");
    // SAFETY: two descriptors of this process.
    assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), 2) }, 2);
    file
}

fn said(mut file: &std::fs::File) -> String {
    let mut text = String::new();
    file.rewind().expect("a file");
    file.read_to_string(&mut text).expect("text");
    text
}

fn limit(resource: Resource, soft: u64) {
    let now = getrlimit(resource);
    let limit = Rlimit {
        current: Some(soft),
        maximum: now.maximum,
    };
    setrlimit(resource, limit).expect("a lower limit");
}

fn lift(resource: Resource) {
    let now = getrlimit(resource);
    let limit = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    setrlimit(resource, limit).expect("the limit it may have");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count() - 1
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("procfs")
        .count()
}

/// Bytes that the allocator has given out.
fn allocated() -> usize {
    // SAFETY: plain data of this process's.
    unsafe { libc::mallinfo2() }.uordblks
}

/// One call of each way, and its error if it failed.
fn one_of_each(provider: &Provider, kinds: &[TokenKind], timeout: Duration) -> Vec<Error> {
    let mut errors = Vec::new();
    for &kind in kinds {
        errors.extend(call(provider, kind, timeout).err());
        errors.extend(provider.try_get(kind).err());
        let (done, ended) = channel();
        provider.start(kind, Some(timeout), move |result| {
            let _ = done.send(result.err());
        });
        errors.extend(ended.recv_timeout(HANG_GUARD).expect("the call hangs"));
    }
    errors
}

fn check(errors: &[Error], words: &str) -> Result<(), String> {
    for error in errors {
        let is_typed = matches!(
            error.kind(),
            ErrorKind::SourceUnavailable | ErrorKind::ExchangeUnavailable | ErrorKind::Timeout
        );
        if !is_typed || !error.is_retryable() || !error.message().contains(words) {
            return Err(format!("{}: {error}", error.kind()));
        }
    }
    Ok(())
}

/// The emulator's files, for a stranger too.
fn open_to_all(info: &Info) {
    let socket = info.endpoint_socket.trim_start_matches("unix://");
    for path in [socket, &info.ca_file] {
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
                .expect("a file of ours");
        };
        mode(Path::new(path), 0o777);
        for above in Path::new(path).ancestors().skip(1) {
            if above == Path::new("/tmp") || above == Path::new("/") {
                break;
            }
            mode(above, 0o755);
        }
    }
}

/// In a process at a limit: calls end typed, nothing is printed, leaked or left
/// behind, and the first call after it is lifted works.
fn at_the_limit(
    provider: &Provider,
    words: &str,
    enter: impl FnOnce(),
    leave: impl FnOnce(),
) -> Result<String, String> {
    let stderr = capture_stderr();
    let panics = count_panics();
    enter();
    let rounds = short_or_long(40, 200);
    let timeout = Duration::from_millis(200);
    let before = std::cell::Cell::new(0);
    for round in 0..rounds {
        if round == rounds / 2 {
            // What is made once is made by now.
            before.set(allocated());
        }
        let errors = one_of_each(provider, &KINDS, timeout);
        if errors.len() != 6 {
            return Err(format!("{} errors of 6 calls", errors.len()));
        }
        check(&errors, words)?;
    }
    let grown = allocated().saturating_sub(before.get());
    leave();
    let errors = call(provider, TokenKind::Access, HANG_GUARD).err();
    if let Some(error) = errors {
        return Err(format!("after the limit was lifted: {error}"));
    }
    if grown > 16 << 10 {
        return Err(format!("{grown} bytes more"));
    }
    match (panics(), said(&stderr)) {
        (0, text) if text.is_empty() => Ok(format!("{} calls, {grown} bytes more", 6 * rounds)),
        (panics, text) => Err(format!("{panics} panics; {text}")),
    }
}

#[test]
fn at_the_limit_of_threads() {
    let _turn = one_at_a_time();
    if !rustix::process::geteuid().is_root() {
        return report("skipped: root alone can become a user without threads");
    }
    let emulator = emulator(&json!({}));
    open_to_all(emulator.info());
    let child = Child::fork(|| {
        let provider = provider(emulator.info());
        let before = descriptors();
        let enter = || {
            limit(Resource::Nproc, 0);
            // SAFETY: a call that takes a number, in a process of its own.
            assert_eq!(unsafe { libc::setuid(STRANGER) }, 0);
        };
        let leave = || {
            assert_eq!(descriptors(), before + 1, "standard error is one");
            lift(Resource::Nproc);
        };
        at_the_limit(&provider, "limit of threads", enter, leave)
    });
    report(&child.join().0);
}

/// There is a runtime already; no thread to read a file.
#[test]
fn a_token_file_at_the_limit_of_threads() {
    let _turn = one_at_a_time();
    if !rustix::process::geteuid().is_root() {
        return report("skipped: root alone can become a user without threads");
    }
    let emulator = emulator(&json!({}));
    open_to_all(emulator.info());
    let child = Child::fork(|| {
        let stderr = capture_stderr();
        let panics = count_panics();
        // SAFETY: a call that takes a number, in a process of its own.
        assert_eq!(unsafe { libc::setuid(STRANGER) }, 0);
        let socket = provider(emulator.info());
        call(&socket, TokenKind::Subject, HANG_GUARD).map_err(|error| error.to_string())?;
        let file = Provider::new(svidex::Config::new().identity_token_file("/nonexistent/token"))
            .map_err(|error| error.to_string())?;
        // This thread and the one for I/O: those that looked at the paths are ending.
        let give_up = Instant::now() + HANG_GUARD;
        while threads() > 2 {
            assert!(Instant::now() < give_up, "{} threads", threads());
            std::thread::yield_now();
        }
        limit(Resource::Nproc, 2);
        let timeout = Duration::from_millis(300);
        let error = call(&file, TokenKind::Subject, timeout).expect_err("no such file");
        check(std::slice::from_ref(&error), "limit of threads")?;
        lift(Resource::Nproc);
        // Longer than the longest pause after a failure or two.
        let timeout = Duration::from_secs(3);
        let error = call(&file, TokenKind::Subject, timeout).expect_err("no such file");
        if !error.message().contains("No such file") {
            return Err(error.to_string());
        }
        match (panics(), said(&stderr)) {
            (0, text) if text.is_empty() => Ok(String::new()),
            (panics, text) => Err(format!("{panics} panics; {text}")),
        }
    });
    child.join();
}

#[test]
fn at_the_limit_of_descriptors() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    let child = Child::fork(|| {
        let provider = provider(emulator.info());
        let before = descriptors();
        let enter = || limit(Resource::Nofile, lowest_free());
        let leave = || {
            lift(Resource::Nofile);
            assert_eq!(descriptors(), before + 1, "standard error is one");
        };
        at_the_limit(&provider, "out of file descriptors", enter, leave)
    });
    report(&child.join().0);
}

fn lowest_free() -> u64 {
    let file = std::fs::File::open("/dev/null").expect("a file");
    u64::try_from(file.as_raw_fd()).expect("a descriptor")
}

/// Enough for a runtime, not for a connection; enough for one, not for two; …
#[test]
fn with_a_few_descriptors_left() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    for left in 1..=12 {
        let child = Child::fork(|| {
            let provider = provider(emulator.info());
            let stderr = capture_stderr();
            let panics = count_panics();
            limit(Resource::Nofile, lowest_free() + left);
            let mut all = Vec::new();
            for _ in 0..short_or_long(2, 20) {
                all.extend(one_of_each(&provider, &KINDS, Duration::from_millis(200)));
            }
            check(&all, "")?;
            lift(Resource::Nofile);
            call(&provider, TokenKind::Access, HANG_GUARD)
                .map_err(|error| format!("after the limit was lifted: {error}"))?;
            let mut words: Vec<_> = all
                .iter()
                .map(|it| it.message().replace('|', "/"))
                .collect();
            words.sort_unstable();
            words.dedup();
            match (panics(), said(&stderr)) {
                (0, text) if text.is_empty() => Ok(words.join("|")),
                (panics, text) => Err(format!("{panics} panics; {text}")),
            }
        });
        let (outcome, _) = child.outcome();
        report(&format!("{left} left: {outcome:?}"));
        outcome.expect("typed errors, and none after");
    }
}

/// Denies this thread and those it makes the calls with EPERM, for ever.
fn deny(calls: &[libc::c_long]) {
    let statement = |code: u32, jt: usize, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("a code"),
        jt: u8::try_from(jt).expect("a short program"),
        jf: 0,
        k,
    };
    // The number of the call, compared with each; the last two are what follows.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (at, call) in calls.iter().enumerate() {
        let number = u32::try_from(*call).expect("a number");
        let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program.push(statement(code, calls.len() - at, number));
    }
    let answer = libc::BPF_RET | libc::BPF_K;
    program.push(statement(answer, 0, libc::SECCOMP_RET_ALLOW));
    let denied = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).expect("a code");
    program.push(statement(answer, 0, denied));
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("a short program"),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: a program that lives until the call returns; the process is a test's.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program),
            0
        );
    }
}

#[test]
fn denied_a_system_call() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    for (what, calls) in [
        ("threads", &[libc::SYS_clone3, libc::SYS_clone][..]),
        ("a poller", &[libc::SYS_epoll_create1][..]),
        ("a waker", &[libc::SYS_eventfd2][..]),
    ] {
        let child = Child::fork(|| {
            let provider = provider(emulator.info());
            let before = descriptors();
            let stderr = capture_stderr();
            let panics = count_panics();
            deny(calls);
            for _ in 0..10 {
                let errors = one_of_each(&provider, &KINDS, Duration::from_millis(200));
                check(&errors, "seccomp")?;
                if errors.len() != 6 {
                    return Err(format!("{} errors of 6 calls", errors.len()));
                }
            }
            assert_eq!(descriptors(), before + 1, "standard error is one");
            match (panics(), said(&stderr)) {
                (0, text) if text.is_empty() => Ok(String::new()),
                (panics, text) => Err(format!("{panics} panics; {text}")),
            }
        });
        assert_eq!(child.outcome().0, Ok(String::new()), "{what}");
    }
}
