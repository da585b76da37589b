//! What a bridge keeps, and for how long.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use svidex_emulator::{Fault, Leg};

use super::{end, mode, run_bridge};
use crate::common::{against, emulator, program, report, run};
use crate::running::{
    Running, directory, keeping, names, pair, subdirectory, succeed_at_once, text, until,
};

#[test]
fn it_keeps_both_and_other_programs_take_them() {
    let emulator = emulator();
    let directory = directory();
    let (svid, token) = pair(directory.path());
    let args = keeping(&svid, &token);
    let bridge = Running::written(&emulator, &args);
    assert_eq!(names(directory.path()), ["svid", "token"]);
    assert_eq!((mode(&svid), mode(&token)), (0o600, 0o600));
    let found = fs::read_to_string(&svid).expect("text");
    assert_eq!(found.split('.').count(), 3);
    assert!(!found.contains(char::is_whitespace));
    let access = fs::read_to_string(&token).expect("text");
    assert!(access.starts_with("emulator-access-"));

    let file = ("SVIDEX_ACCESS_TOKEN_FILE", text(&token));
    let taken = run(&[file], &["token"]);
    assert_eq!((taken.status, taken.stdout.trim_end()), (0, &access[..]));
    let exchanges = emulator.counters().exchanges;
    assert_eq!(exchanges, 1);
    end(bridge);
    // What it wrote stays, and is good until it ends.
    assert_eq!(names(directory.path()), ["svid", "token"]);
}

#[test]
fn modes_and_owners_are_those_that_were_asked_for_whatever_the_umask() {
    let emulator = emulator();
    let directory = directory();
    let is_root = rustix::process::geteuid().is_root();
    for (umask, wanted) in [("0000", 0o600), ("0777", 0o640), ("0027", 0o444)] {
        let file = directory.path().join(umask);
        let wanted_text = format!("{wanted:04o}");
        let mut shell = Command::new("sh");
        shell
            .args([
                "-c",
                "umask $1; shift; exec \"$@\"",
                "sh",
                umask,
                program(),
                "bridge",
                "--once",
            ])
            .args(["--svid-file", text(&file), "--mode", &wanted_text])
            .args(["--owner", "12345:54321"].into_iter().filter(|_| is_root))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(emulator.info().environment());
        let output = shell.output().expect("a shell");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(mode(&file), wanted, "{umask}");
        if is_root {
            let there = fs::metadata(&file).expect("it is there");
            assert_eq!((there.uid(), there.gid()), (12345, 54321));
        }
    }
}

#[test]
fn several_audiences_have_a_file_each_and_one_connection() {
    let emulator = emulator();
    let directory = directory();
    let sockets = |bridge: &Running| {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", bridge.pid())).expect("its own");
        let links = descriptors.filter_map(|it| fs::read_link(it.ok()?.path()).ok());
        links
            .filter(|link| text(link).starts_with("socket:"))
            .count()
    };
    let mut counted = Vec::new();
    for count in [1, 5] {
        let config = directory.path().join(format!("bridge-{count}.toml"));
        let kept = subdirectory(&directory, &format!("kept-{count}"));
        let mut toml = String::from("mode = \"0640\"\nlog_format = \"json\"\n");
        for number in 0..count {
            toml += &format!(
                "[[svid]]\npath = {:?}\naudience = \"https://audience-{number}\"\n",
                kept.join(number.to_string())
            );
        }
        fs::write(&config, toml).expect("written");
        let bridge = Running::written(&emulator, &["--config", text(&config)]);
        for number in 0..count {
            let file = kept.join(number.to_string());
            assert_eq!(mode(&file), 0o640);
            let inspected = against(&emulator, &["inspect", text(&file), "--json"]);
            assert!(
                inspected
                    .stdout
                    .contains(&format!("https://audience-{number}"))
            );
        }
        counted.push(sockets(&bridge));
        for line in bridge.log() {
            let line: Value = serde_json::from_str(&line).expect("one object a line");
            assert!(
                line["level"].is_string() && line["message"].is_string(),
                "{line}"
            );
        }
        end(bridge);
    }
    assert_eq!(counted[0], counted[1], "connections");
}

/// For whoever may read the file, whatever the umask.
#[test]
fn a_directory_is_made_if_it_may_be() {
    let emulator = emulator();
    let directory = directory();
    // As Kubernetes makes a volume: what is in it has its group.
    let is_root = std::os::unix::fs::chown(directory.path(), None, Some(54321)).is_ok();
    let inherits = fs::Permissions::from_mode(0o2755);
    fs::set_permissions(directory.path(), inherits).expect("its mode");
    for umask in ["0000", "0077"] {
        let made = directory.path().join(umask);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "umask $1; shift; exec \"$@\"", "sh", umask, program()])
            .args(["bridge", "--once", "--make-directory", "--svid-file"])
            .arg(made.join("svid"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(emulator.info().environment());
        assert!(shell.status().expect("a shell").success());
        assert_eq!(mode(&made) & 0o777, 0o755, "{umask}");
        let group = fs::metadata(made.join("svid")).expect("it is there").gid();
        assert!(!is_root || group == 54321, "{umask}: {group}");
    }
}

#[test]
fn files_that_somebody_takes_away_come_back() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let svid = kept.join("svid");
    let bridge = Running::written(&emulator, &["--svid-file", text(&svid)]);
    let text_of = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let token = text_of(&svid);
    fs::remove_file(&svid).expect("removed");
    until("it does not come back", || text_of(&svid) == token);
    bridge.wait_for_line(&["warning", text(&svid), "another bridge"]);
    // Nor does it stay what somebody else makes of it.
    fs::write(&svid, "nonsense").expect("written");
    until("it stays nonsense", || text_of(&svid) == token);

    fs::rename(&kept, directory.path().join("gone")).expect("moved");
    bridge.wait_for_line(&["error", text(&svid), "directory"]);
    subdirectory(&directory, "kept");
    until("the directory is not found again", || {
        text_of(&svid) == token
    });
    assert_eq!(emulator.counters().fetch_jwt_svid, 1);

    fs::remove_file(&svid).expect("removed");
    symlink("elsewhere", &svid).expect("a link");
    bridge.wait_for_line(&["error", text(&svid), "symbolic link"]);
    fs::remove_file(&svid).expect("removed");
    until("it is not written after a link", || text_of(&svid) == token);
    end(bridge);
}

#[test]
fn what_an_earlier_life_left_is_kept_while_it_is_good() {
    let emulator = emulator();
    let directory = directory();
    let [good, foreign, ended, empty] =
        ["good", "foreign", "ended", "empty"].map(|it| directory.path().join(it));
    let once = |file: &Path, audience: &str| {
        let args = ["--once", "--svid-file", text(file), "--audience", audience];
        assert_eq!(run_bridge(&emulator, &args).0, Some(0));
    };
    once(&good, "https://a");
    once(&foreign, "https://b");
    emulator.settings(json!({"svid_ttl_seconds": 1}));
    once(&ended, "https://c");
    fs::write(&empty, "").expect("written");
    fs::write(
        directory.path().join(".good.0123456789abcdef.svidex"),
        "half",
    )
    .expect("written");
    std::thread::sleep(Duration::from_millis(1_100));
    let config = directory.path().join("bridge.toml");
    let mut toml = String::new();
    for path in [&good, &foreign, &ended, &empty] {
        toml += &format!("[[svid]]\npath = {path:?}\naudience = \"https://a\"\n");
    }
    emulator.reset_settings();
    for (name, kind, audience, command) in [
        ("good.json", "svid", "https://a", "svid"),
        ("foreign.json", "svid", "https://b", "svid"),
        (
            "token.json",
            "access_token",
            "https://api.openai.com/v1",
            "token",
        ),
        ("others.json", "access_token", "https://b", "token"),
    ] {
        let path = directory.path().join(name);
        let of_svid = ["--audience", audience];
        let of_svid = &of_svid[..if kind == "svid" { 2 } else { 0 }];
        let printed = against(&emulator, &[&[command, "--json"], of_svid].concat());
        let mut printed = printed.json();
        printed["audience"] = json!(audience);
        fs::write(&path, printed.to_string()).expect("written");
        toml += &format!("[[{kind}]]\npath = {path:?}\nformat = \"json\"\n");
        if kind == "svid" {
            toml += "audience = \"https://a\"\n";
        }
    }
    // Its time says that it is good, and there is nothing in it.
    let hollow = directory.path().join("hollow");
    let file = fs::File::create(&hollow).expect("made");
    file.set_modified(SystemTime::now() + Duration::from_secs(600))
        .expect("its time");
    toml += &format!("[[access_token]]\npath = {hollow:?}\n");
    fs::write(&config, toml).expect("written");
    let down = Fault {
        reset: true,
        ..Fault::default()
    };
    emulator.fault(Leg::WorkloadApi, down);
    let bridge = Running::start(&emulator, &["--config", text(&config)]);
    bridge.wait_for_line(&["Workload API"]);
    assert_eq!(
        names(directory.path()),
        ["bridge.toml", "good", "good.json", "token.json"]
    );
    emulator.clear_faults();
    bridge.wait_for_line(&["all files are written"]);
    end(bridge);
}

#[test]
fn files_may_go_with_the_bridge() {
    let emulator = emulator();
    let directory = directory();
    let svid = directory.path().join("svid");
    let bridge = Running::written(&emulator, &["--svid-file", text(&svid), "--remove-on-exit"]);
    end(bridge);
    assert!(names(directory.path()).is_empty());
}

/// One exchange for a host: 64 programs take what one bridge keeps.
#[test]
fn sixty_four_processes_and_one_exchange() {
    const PROCESSES: usize = 64;
    let emulator = emulator();
    let directory = directory();
    let token = directory.path().join("token");
    let count = |arguments: &[&str]| {
        let before = emulator.counters().exchanges;
        succeed_at_once(PROCESSES, || {
            let mut command = Command::new(program());
            command
                .arg("token")
                .args(arguments)
                .env_clear()
                .envs(emulator.info().environment());
            command
        });
        emulator.counters().exchanges - before
    };
    assert_eq!(count(&[]), 64);
    let before = emulator.counters().exchanges;
    let bridge = Running::written(&emulator, &["--access-token-file", text(&token)]);
    assert_eq!(count(&["--access-token-file", text(&token)]), 0);
    assert_eq!(emulator.counters().exchanges - before, 1);
    end(bridge);
}

/// Two bridges that keep one file would fill a disk with what they say of it.
#[test]
fn who_else_writes_is_said_ever_more_rarely() {
    let emulator = emulator();
    let directory = directory();
    let svid = directory.path().join("svid");
    let bridge = Running::written(&emulator, &["--svid-file", text(&svid)]);
    for _ in 0..8 {
        fs::remove_file(&svid).expect("removed");
        until("it does not come back", || svid.exists());
    }
    bridge.wait_for_line(&["another bridge", "8 times"]);
    let lines = bridge.log();
    let count = |words| lines.iter().filter(|it| it.contains(words)).count();
    assert_eq!((count("another bridge"), count("wrote a")), (4, 1));
    end(bridge);
}

/// Kubernetes lets all containers of a pod write to its volumes.
#[test]
fn a_directory_is_made_in_a_volume_that_is_everybody_s() {
    let emulator = emulator();
    let directory = directory();
    let script = r#"
        mount -t tmpfs -o mode=0777 none "$DIRECTORY" || exit 77
        "$SVIDEX" bridge --once --make-directory --svid-file "$DIRECTORY/made/svid" || exit
        stat -c %a "$DIRECTORY" "$DIRECTORY/made/svid"
    "#;
    let mut shell = Command::new("unshare");
    shell
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("SVIDEX", program())
        .env("DIRECTORY", directory.path())
        .envs(emulator.info().environment());
    let Ok(output) = shell.output() else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || said.contains("unshare:") {
        report("nothing can be mounted here: not tried");
        return;
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "777\n600\n");
}
