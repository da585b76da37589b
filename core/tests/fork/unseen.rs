//! Births that no handler sees: `_Fork`, the system call, and either of them in a
//! signal handler while a thread waits for a token.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use svidex::{Error, ErrorKind, Provider, TokenKind};
use svidex_emulator::Leg;

use super::child::{Birth, Child, HANG_GUARD};
use super::support::{emulator, report, short_or_long};
use super::{KINDS, one_at_a_time, provider, serve_and_fetch, tokens, wait_at_the_barrier};

#[test]
fn children_that_no_handler_saw_serve_and_fetch() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({"svid_repeat": false}));
    let warm = provider(emulator.info());
    let cold = provider(emulator.info());
    tokens(&warm).expect("a warm parent");
    for birth in Birth::ALL {
        for _ in 0..short_or_long(5, 100) {
            Child::born(birth, || serve_and_fetch(&warm)).join();
            Child::born(birth, || tokens(&cold).map(|_| String::new())).join();
            // And their children.
            let grandchild = || {
                Child::born(Birth::Clone, || serve_and_fetch(&warm))
                    .outcome()
                    .0
            };
            Child::born(birth, grandchild).join();
        }
    }
    for kind in KINDS {
        assert!(warm.cached(kind).is_some(), "the parent's");
    }
    assert_eq!(cold.status().fetches, 0);
}

#[test]
fn a_call_in_such_a_child_ends_at_its_deadline() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    let provider = provider(emulator.info());
    emulator.hold(Leg::WorkloadApi, true);
    let timeout = Duration::from_millis(300);
    for birth in Birth::ALL {
        let child = Child::born(birth, || {
            let begun = Instant::now();
            let waiter = provider.wait(TokenKind::Access, Some(timeout));
            match waiter.wait_for(HANG_GUARD) {
                Some(Err(error)) if error.kind() == ErrorKind::Timeout => {
                    Ok(begun.elapsed().as_micros().to_string())
                }
                other => Err(format!("{other:?}")),
            }
        });
        let took = Duration::from_micros(child.join().0.parse().expect("microseconds"));
        report(&format!("{birth:?}: {took:?} of {timeout:?}"));
        assert!(took < timeout + short_or_long(2_000, 200) * Duration::from_millis(1));
    }
    emulator.hold(Leg::WorkloadApi, false);
}

/// What the handler does, and what it got: set by one test at a time.
static BIRTH: AtomicI32 = AtomicI32::new(0);
static BORN: AtomicI32 = AtomicI32::new(-1);

extern "C" fn give_birth(_: libc::c_int) {
    let birth = match BIRTH.load(Ordering::SeqCst) {
        0 => Birth::PlainFork,
        _ => Birth::Clone,
    };
    BORN.store(birth.give(), Ordering::SeqCst);
}

/// In the middle of a wait, by a signal. The result of the parent's call, and what
/// the child says of its own, which began before it did.
fn born_while_waiting(
    provider: &Provider,
    timeout: Option<Duration>,
    meanwhile: impl FnOnce() + Send,
) -> (Result<(), Error>, String) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
    BORN.store(-1, Ordering::SeqCst);
    // SAFETY: a handler that makes system calls only, for a signal that nobody else uses.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = give_birth as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut());
    }
    // SAFETY: names this thread, which outlives the other one.
    let thread = unsafe { libc::pthread_self() };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // It waits once its fetch is at the barrier, and then sleeps soon.
            std::thread::sleep(Duration::from_millis(50));
            // SAFETY: the thread is alive: it joins this one.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR2) };
            meanwhile();
        });
        let waiter = provider.wait(TokenKind::Subject, timeout);
        let result = waiter.wait_for(HANG_GUARD).expect("the call hangs");
        if BORN.load(Ordering::SeqCst) == 0 {
            use std::io::Write as _;
            let word = match &result {
                Ok(_) => "a token".to_owned(),
                Err(error) => error.kind().to_string(),
            };
            let _ = (&ours).write_all(format!("{word}\n").as_bytes());
            // SAFETY: ends the child, without destructors of what is the parent's.
            unsafe { libc::_exit(0) }
        }
        drop(ours);
        let mut answer = String::new();
        theirs
            .set_read_timeout(Some(HANG_GUARD))
            .expect("a duration");
        let read = std::io::BufRead::read_line(&mut std::io::BufReader::new(&theirs), &mut answer);
        read.expect("a child hangs");
        // SAFETY: waits for that child.
        unsafe { libc::waitpid(BORN.load(Ordering::SeqCst), std::ptr::null_mut(), 0) };
        (result.map(drop), answer.trim().to_owned())
    })
}

#[test]
fn a_child_born_in_a_signal_handler_goes_on_with_the_call() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    for birth in 0..2 {
        BIRTH.store(birth, Ordering::SeqCst);
        emulator.hold(Leg::WorkloadApi, true);
        let waits = provider(emulator.info());
        let (result, child) = born_while_waiting(&waits, None, || {
            wait_at_the_barrier(&emulator, 2);
            emulator.hold(Leg::WorkloadApi, false);
        });
        result.expect("the parent's call");
        assert_eq!(child, "a token");

        emulator.hold(Leg::WorkloadApi, true);
        let gives_up = provider(emulator.info());
        let timeout = Some(Duration::from_millis(500));
        let (result, child) = born_while_waiting(&gives_up, timeout, || ());
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(child, "timeout");
        emulator.hold(Leg::WorkloadApi, false);
    }
}
