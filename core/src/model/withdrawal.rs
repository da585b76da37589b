//! Tokens that are taken away while others come: `invalidate` and `close`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::script::HALF_A_LIFE;
use super::{World, explore, join, text};
use crate::error::ErrorKind;
use crate::snapshot::TokenKind::{Access, Subject};

#[test]
fn an_invalidated_token_is_gone_and_the_next_one_stays() {
    explore(|| {
        let world = World::holding();
        assert_eq!(world.cached(Subject).as_deref(), Some("svid-0"));
        let gone = Arc::new(AtomicBool::new(false));
        let invalidation = {
            let gone = Arc::clone(&gone);
            world.meanwhile(move |provider, _| {
                provider.invalidate("svid-0");
                gone.store(true, Ordering::Relaxed);
            })
        };
        let reader = world.meanwhile(move |provider, _| {
            let was_gone = gone.load(Ordering::Relaxed);
            let read = provider.cached(Subject).as_deref().map(text);
            assert!(!was_gone || read.as_deref() != Some("svid-0"));
        });
        // Meanwhile it is renewed.
        world.advance(HALF_A_LIFE);
        join(invalidation);
        join(reader);
        assert_eq!(world.token(Subject).as_deref(), Ok("svid-1"));
        world.settle();
        assert_eq!(world.cached(Subject).as_deref(), Some("svid-1"));
        assert_eq!(world.script.fetches.begun.get(), 1);
    });
}

#[test]
fn an_invalidated_svid_that_the_agent_repeats_comes_back() {
    explore(|| {
        let world = World::holding();
        assert_eq!(world.cached(Subject).as_deref(), Some("svid-0"));
        world.script.repeats.store(true, Ordering::Relaxed);
        let invalidation = world.meanwhile(|provider, _| provider.invalidate("svid-0"));
        world.advance(HALF_A_LIFE);
        join(invalidation);
        world.settle();
        world.advance(1_000);
        assert_eq!(world.token(Subject).as_deref(), Ok("svid-0"));
    });
}

#[test]
fn an_invalidated_access_token_is_exchanged_once_more() {
    explore(|| {
        let world = World::holding();
        let invalidations = [(), ()].map(|()| {
            world.meanwhile(|provider, _| {
                provider.invalidate("access-0");
                let read = provider.cached(Access).as_deref().map(text);
                assert_ne!(read.as_deref(), Some("access-0"));
            })
        });
        let caller = world.caller(Access);
        for invalidation in invalidations {
            join(invalidation);
        }
        assert!(join(caller).is_ok());
        assert_eq!(world.token(Access).as_deref(), Ok("access-1"));
        world.settle();
        assert_eq!(world.cached(Access).as_deref(), Some("access-1"));
        assert_eq!(world.script.exchanges.begun.get(), 1);
        assert_eq!(world.script.fetches.begun.get(), 0);
    });
}

#[test]
fn after_close_every_caller_is_told_and_no_token_is_left() {
    explore(|| {
        let world = World::new();
        let tasks = [Access, Subject].map(|kind| world.caller(kind));
        let thread = world.thread(Access);
        let close = world.meanwhile(|provider, _| provider.close());
        for caller in tasks.into_iter().chain([thread]) {
            if let Err(error) = join(caller) {
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
            }
        }
        join(close);
        let script = &world.script;
        script.workers_ended.wait_for(script.workers.get());
        assert!(world.cached(Subject).is_none());
        assert!(world.cached(Access).is_none());
        let closed = world.token(Subject).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed, "{closed}");
    });
}
