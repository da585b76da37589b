//! `svidex bridge --once`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use svidex_emulator::{Fault, Leg};

use super::run_bridge;
use crate::common::emulator;
use crate::running::{
    Running, directory, keeping, kill_process_of, names, pair, subdirectory, text, until,
};

#[test]
fn once_has_a_status_for_each_cause() {
    let emulator = emulator();
    let directory = directory();
    let (svid, token) = pair(directory.path());
    let args = [&["--once"], &keeping(&svid, &token)[..]].concat();
    let soon = ["--call-timeout-seconds", "1"];
    assert_eq!(run_bridge(&emulator, &args).0, Some(0));
    assert_eq!(names(directory.path()), ["svid", "token"]);

    emulator.settings(json!({"identities": []}));
    let (status, said) = run_bridge(&emulator, &[&args[..], &soon].concat());
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("permission_denied"), "{said}");
    emulator.reset_settings();

    emulator.settings(json!({"allowed_subjects": ["spiffe://example.org/nobody"]}));
    let (status, said) = run_bridge(&emulator, &args);
    assert_eq!(status, Some(4), "{said}");
    emulator.reset_settings();

    let hang = Fault {
        hang: true,
        ..Fault::default()
    };
    emulator.fault(Leg::WorkloadApi, hang);
    let (status, said) = run_bridge(&emulator, &[&args[..], &soon].concat());
    assert_eq!(status, Some(5), "{said}");
    emulator.clear_faults();

    let busy = Fault {
        status: Some(503),
        ..Fault::default()
    };
    emulator.fault(Leg::TokenEndpoint, busy);
    let (status, said) = run_bridge(&emulator, &[&args[..], &soon].concat());
    assert_eq!(status, Some(4), "{said}");
    emulator.clear_faults();

    let nobody = directory.path().join("agent.sock");
    let nobody = format!("unix://{}", text(&nobody));
    let at = ["--endpoint-socket", &nobody];
    let (status, said) = run_bridge(&emulator, &[&args[..], &soon, &at].concat());
    assert_eq!(status, Some(3), "{said}");

    let source = directory.path().join("source");
    fs::write(&source, "no SVID").expect("it is written");
    let from = ["--identity-token-file", text(&source)];
    let only = ["--once", "--svid-file", text(&svid)];
    let (status, said) = run_bridge(&emulator, &[&only[..], &soon, &from].concat());
    assert_eq!(status, Some(3), "{said}");

    if !rustix::process::geteuid().is_root() {
        let closed = subdirectory(&directory, "closed");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).expect("its mode");
        let file = closed.join("svid");
        let (status, said) = run_bridge(&emulator, &["--once", "--svid-file", text(&file)]);
        assert_eq!(status, Some(6), "{said}");
    }
}

/// A pod starts before its registration reaches the agent.
#[test]
fn once_waits_for_the_registration() {
    let emulator = emulator();
    let identities = emulator.current_settings().identities;
    emulator.settings(json!({"identities": []}));
    let directory = directory();
    let svid = directory.path().join("svid");
    let bridge = Running::start(&emulator, &["--once", "--svid-file", text(&svid)]);
    until("it asks", || emulator.counters().fetch_jwt_svid >= 2);
    assert!(names(directory.path()).is_empty());
    emulator.settings(json!({"identities": identities}));
    assert_eq!(bridge.wait().code(), Some(0));
    assert_eq!(names(directory.path()), ["svid"]);
}

/// The files are there; who was told of them has its time.
#[test]
fn once_does_not_wait_for_ever_for_its_command() {
    let emulator = emulator();
    let directory = directory();
    let (svid, pid) = (directory.path().join("svid"), directory.path().join("pid"));
    let exec = format!("echo $$ > {}; exec sleep 600 > /dev/null 2>&1", text(&pid));
    let args = ["--once", "--svid-file", text(&svid), "--exec", &exec];
    let (status, said) = run_bridge(
        &emulator,
        &[&args[..], &["--call-timeout-seconds", "2"]].concat(),
    );
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("still runs after 2 s"), "{said}");
    kill_process_of(&pid);
}

/// Whoever waits for it would wait for ever.
#[test]
fn once_fails_without_its_ready_file() {
    let emulator = emulator();
    let directory = directory();
    let (kept, told) = (
        subdirectory(&directory, "kept"),
        subdirectory(&directory, "told"),
    );
    let (svid, ready) = (kept.join("svid"), told.join("ready"));
    let exec = format!("rmdir {}", text(&told));
    let args = [
        "--once",
        "--svid-file",
        text(&svid),
        "--ready-file",
        text(&ready),
    ];
    let args = [&args[..], &["--exec", &exec]].concat();
    let (status, said) = run_bridge(&emulator, &args);
    assert_eq!(status, Some(6), "{said}");
    assert!(said.contains(text(&ready)), "{said}");
    assert!(svid.exists());
}
