//! Callers, one worker for all of them, and a worker's end.

use std::sync::Arc;

use shuttle::future::block_on;
use shuttle::rand::{Rng as _, thread_rng};
use tokio::sync::oneshot;

use super::script::{HALF_A_LIFE, IMPATIENCE};
use super::{World, explore, join, text};
use crate::error::{Error, ErrorKind};
use crate::runtime;
use crate::snapshot::TokenKind::{Access, Subject};

#[test]
fn cold_callers_share_one_fetch_and_one_exchange() {
    explore(|| {
        let world = World::new();
        let tasks = [Access, Subject].map(|kind| (kind, world.caller(kind)));
        let threads = [Access, Subject].map(|kind| (kind, world.thread(kind)));
        assert_eq!(world.token(Access).as_deref(), Ok("access-1"));
        for (kind, caller) in tasks.into_iter().chain(threads) {
            let expected = match kind {
                Subject => "svid-1",
                Access => "access-1",
            };
            assert_eq!(join(caller).as_deref(), Ok(expected));
        }
        world.settle();
        assert_eq!(world.script.fetches.begun.get(), 1);
        assert_eq!(world.script.exchanges.begun.get(), 1);
        assert_eq!(world.script.workers.get(), 1);
    });
}

#[test]
fn those_who_only_ask_are_heard() {
    explore(|| {
        let world = World::new();
        let ask = |provider: &crate::Provider| match provider.try_get(Subject) {
            Ok(token) => assert!(token.is_none_or(|token| text(&token) == "svid-1")),
            Err(error) => panic!("{error}"),
        };
        let other = world.meanwhile(move |provider, _| ask(provider));
        ask(&world.provider);
        join(other);
        world.script.fetches.ended.wait_for(1);
        world.settle();
        assert_eq!(world.cached(Subject).as_deref(), Some("svid-1"));
        assert_eq!(world.script.fetches.begun.get(), 1);
    });
}

#[test]
fn callers_who_give_up_take_nothing_from_the_others() {
    explore(|| {
        let world = World::new();
        let call = |timeout| {
            let (done, result) = oneshot::channel();
            let on_done = move |result: Result<Arc<crate::Token>, Error>| {
                let _ = done.send(result.map(|token| text(&token)));
            };
            let operation = world.provider.start(Subject, timeout, on_done);
            (operation, result)
        };
        let (cancelled, cancelled_result) = call(None);
        let (_impatient, impatient_result) = call(Some(IMPATIENCE));
        let patient = world.caller(Subject);
        let canceller = world.meanwhile(move |_, _| cancelled.cancel());
        let time = world.meanwhile(|_, script| {
            script
                .clock
                .advance(IMPATIENCE.as_millis().try_into().unwrap());
        });
        for (result, expected) in [
            (cancelled_result, ErrorKind::Cancelled),
            (impatient_result, ErrorKind::Timeout),
        ] {
            match block_on(result).expect("each call settles") {
                Ok(token) => assert_eq!(token, "svid-1"),
                Err(error) => assert_eq!(error.kind(), expected, "{error}"),
            }
        }
        assert_eq!(join(patient).as_deref(), Ok("svid-1"));
        join(canceller);
        join(time);
        world.settle();
        assert_eq!(world.script.fetches.begun.get(), 1);
        assert_eq!(world.cached(Subject).as_deref(), Some("svid-1"));
    });
}

#[test]
fn a_panic_of_the_worker_leaves_nobody_waiting() {
    explore(|| {
        let world = World::new();
        world.script.inject_panics(thread_rng().gen_range(1..3));
        let tasks = [Access, Subject].map(|kind| (kind, world.caller(kind)));
        let thread = (Access, world.thread(Access));
        for (kind, caller) in tasks.into_iter().chain([thread]) {
            let mut result = join(caller);
            // Whoever calls again gets a new worker, which may panic too.
            while let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
                result = world.token(kind);
            }
        }
        let script = &world.script;
        // One is left, if a caller came after the last panic.
        let ended = script.workers_ended.get();
        assert!(ended <= script.panics(), "a worker ended without a panic");
        assert!(script.workers.get() - ended <= 1);
        // A token that came before a panic is not lost by it.
        assert_eq!(script.exchanges.ended.get(), 1);
    });
}

#[test]
fn a_runtime_that_could_not_be_had_is_asked_for_again() {
    explore(|| {
        let world = World::new();
        runtime::refuse(thread_rng().gen_range(1..3));
        let callers = [Subject, Subject].map(|kind| world.caller(kind));
        for caller in callers {
            let mut result = join(caller);
            while let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::SourceUnavailable, "{error}");
                result = world.token(Subject);
            }
        }
        runtime::refuse(0);
        assert_eq!(world.script.workers.get(), 1);
        assert_eq!(world.script.fetches.begun.get(), 1);
    });
}

#[test]
fn the_first_reader_of_a_due_token_wakes_the_worker() {
    explore(|| {
        let world = World::holding();
        let reader = world.meanwhile(|provider, _| {
            assert!(provider.cached(Subject).is_some(), "usable all the time");
        });
        // It becomes due before, while or after it is read for the first time.
        world.advance(HALF_A_LIFE);
        join(reader);
        world.script.fetches.ended.wait_for(1);
        world.settle();
        assert_eq!(world.cached(Subject).as_deref(), Some("svid-1"));
        assert_eq!(world.script.fetches.begun.get(), 1);
    });
}

#[test]
fn a_token_that_nobody_reads_is_left_alone() {
    explore(|| {
        let world = World::holding();
        world.advance(HALF_A_LIFE);
        world.settle();
        assert_eq!(world.script.fetches.begun.get(), 0);
    });
}
