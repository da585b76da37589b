//! Calls in destructors of thread-local storage, which run when that of Rust's
//! standard library has gone already.

use std::ffi::c_void;
use std::sync::mpsc::{Sender, channel};

use serde_json::json;
use svidex::{Provider, TokenKind};

use super::child::Child;
use super::support::emulator;
use super::{HANG_GUARD, one_at_a_time, provider};

type Work = Box<dyn FnOnce() + Send>;

extern "C" fn run(work: *mut c_void) {
    // SAFETY: what `late` put there; a destructor is called once for each value.
    let work = unsafe { Box::from_raw(work.cast::<Work>()) };
    work();
}

/// Runs `work` after all destructors of Rust's, at the end of a thread.
fn late(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let mut key = 0;
        let work: Box<Work> = Box::new(Box::new(work));
        // SAFETY: a key of our own, and a value that its destructor takes.
        unsafe {
            assert_eq!(libc::pthread_key_create(&raw mut key, Some(run)), 0);
            libc::pthread_setspecific(key, Box::into_raw(work).cast());
        }
    });
    thread.join().expect("no panic");
}

fn look(provider: &Provider, told: &Sender<String>) {
    let say = |what: &str, outcome: Result<(), String>| {
        let _ = told.send(format!("{what}: {outcome:?}"));
    };
    // std says nothing of a thread any more. (A panic may not leave a destructor.)
    let is_late = std::panic::catch_unwind(|| {
        thread_local!(static GONE: String = const { String::new() });
        GONE.try_with(|_| ()).is_err()
    });
    let _ = is_late;
    for kind in [TokenKind::Subject, TokenKind::Access] {
        let cached = provider.cached(kind).map(drop).ok_or_else(String::new);
        say("cached", cached);
        let waited = provider.wait(kind, None).wait_for(HANG_GUARD);
        let waited = waited.unwrap_or_else(|| panic!("the call hangs"));
        say("wait", waited.map(drop).map_err(|error| error.to_string()));
        let (done, ended) = channel();
        provider.start(kind, None, move |result| {
            let _ = done.send(result.map(drop).map_err(|error| error.to_string()));
        });
        // Not `recv`, which wants to know its thread.
        let ended = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            ended.try_recv()
        });
        let mut ended = ended.take(60_000).filter_map(Result::ok);
        say("start", ended.next().unwrap_or_else(|| Err("hangs".into())));
    }
    let _ = provider.try_get(TokenKind::Subject);
    let _ = provider.status();
}

/// What calls say there, in a process that has no runtime yet.
fn outcomes(warm: bool) -> Vec<String> {
    let emulator = emulator(&json!({}));
    let provider = provider(emulator.info());
    if warm {
        for kind in [TokenKind::Subject, TokenKind::Access] {
            super::support::get(&provider, kind).expect("a token");
        }
    }
    let child = Child::fork(|| {
        let panics = super::limits::count_panics();
        let (told, all) = channel();
        let there = provider.clone();
        late(move || look(&there, &told));
        let all: Vec<_> = all.iter().collect();
        match panics() {
            0 => Ok(all.join("|")),
            panics => Err(format!("{panics} panics: {all:?}")),
        }
    });
    child.join().0.split('|').map(str::to_owned).collect()
}

#[test]
fn held_tokens_are_served_in_late_destructors() {
    let _turn = one_at_a_time();
    let all = outcomes(true);
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|it| it.ends_with("Ok(())")), "{all:?}");
}

#[test]
fn tokens_are_fetched_in_late_destructors() {
    let _turn = one_at_a_time();
    let all = outcomes(false);
    assert_eq!(all[0], "cached: Err(\"\")");
    assert!(all[1..].iter().all(|it| !it.contains("defect")), "{all:?}");
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!(all[1], "wait: Ok(())");
}
