//! An identity that is withdrawn, an agent that is down.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use svidex::Jwt;
use svidex_emulator::{Fault, Leg};

use super::end;
use crate::common::emulator;
use crate::running::{Running, directory, keeping, now_ms, pair, subdirectory, text, until};

#[test]
fn an_identity_that_is_withdrawn_takes_its_files_along() {
    let emulator = emulator();
    emulator.settings(json!({"svid_ttl_seconds": 100, "svid_repeat": false}));
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (paths, others) = (pair(directory.path()), pair(&kept));
    let start = |(svid, token): &(PathBuf, PathBuf), more: &[&str]| {
        // Soon enough, and often, so that a denial is met at once.
        let soon = ["--refresh-buffer-seconds", "118"];
        let args = [&keeping(svid, token)[..], &soon, more].concat();
        Running::written(&emulator, &args)
    };
    let bridge = start(&paths, &[]);
    let keeping = start(&others, &["--keep-on-denial"]);
    emulator.settings(json!({"identities": []}));
    for path in [&paths.0, &paths.1] {
        // After half a life, and 30 seconds of denials.
        let give_up = Instant::now() + Duration::from_secs(240);
        while path.exists() {
            assert!(
                Instant::now() < give_up,
                "{} is still there",
                path.display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        bridge.wait_for_line(&["removed", text(path), "withdrawn"]);
    }
    for path in [&others.0, &others.1] {
        assert!(path.exists(), "{}", path.display());
    }
    end(bridge);
    end(keeping);
}

/// No agent: the files stay as long as their tokens are good, and no longer.
#[test]
fn an_agent_that_is_down_leaves_the_files_until_their_end() {
    let emulator = emulator();
    emulator.settings(json!({"svid_ttl_seconds": 8, "svid_repeat": false}));
    let directory = directory();
    let svid = directory.path().join("svid");
    let bridge = Running::written(&emulator, &["--svid-file", text(&svid)]);
    let down = Fault {
        reset: true,
        ..Fault::default()
    };
    emulator.fault(Leg::WorkloadApi, down);
    let said = bridge.wait_for_line(&["warning", "Workload API"]);
    assert!(said.contains(" s"), "how long it is good: {said}");
    assert!(svid.exists());
    until("the file outlives its token", || !svid.exists());
    bridge.wait_for_line(&["removed", text(&svid), "ended"]);
    emulator.clear_faults();
    until("the file comes back", || svid.exists());
    end(bridge);
}

/// Reads them until they are gone: each time with life left.
fn read_until_they_go(svids: &[PathBuf]) {
    let mut there: Vec<_> = svids.iter().collect();
    until("a file outlives its token", || {
        there.retain(|svid| {
            // The clock first: a token may end while it is looked at.
            let now = now_ms();
            let Ok(text) = fs::read_to_string(svid) else {
                return false;
            };
            let end = Jwt::decode(&text).ok().and_then(|jwt| jwt.exp);
            assert!(
                end > Some(now),
                "{} ended at {end:?}, and it is {now}",
                svid.display()
            );
            true
        });
        there.is_empty()
    });
}

/// An agent that hangs gives no reason to look before.
#[test]
fn a_file_goes_before_its_token_ends() {
    let emulator = emulator();
    emulator.settings(json!({"svid_ttl_seconds": 8, "svid_repeat": false}));
    let directory = directory();
    let svids: Vec<_> = (0..6)
        .map(|it| directory.path().join(it.to_string()))
        .collect();
    let bridges: Vec<_> = svids
        .iter()
        .map(|svid| Running::start(&emulator, &["--svid-file", text(svid)]))
        .collect();
    for bridge in &bridges {
        bridge.wait_for_line(&["all files are written"]);
    }
    let hang = Fault {
        hang: true,
        ..Fault::default()
    };
    emulator.fault(Leg::WorkloadApi, hang);
    read_until_they_go(&svids);
}

/// There is a next token, and no room for it.
#[test]
fn a_file_that_cannot_be_replaced_goes_before_its_token_ends() {
    let emulator = emulator();
    emulator.settings(json!({"svid_ttl_seconds": 8, "svid_repeat": false}));
    let directory = directory();
    let svid = directory.path().join("svid");
    let bridge = Running::written(&emulator, &["--svid-file", text(&svid)]);
    if !bridge.limit_file_size(Some(0)) {
        return;
    }
    read_until_they_go(std::slice::from_ref(&svid));
    bridge.wait_for_line(&["removed", text(&svid), "cannot be written"]);
    assert!(bridge.limit_file_size(None));
    until("it does not come back", || svid.exists());
    end(bridge);
}
