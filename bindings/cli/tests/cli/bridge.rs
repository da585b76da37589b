//! `svidex bridge`: what it keeps, whom it tells, how it fails and how it ends.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use svidex_emulator::{Emulator, Fault, Leg};

use crate::common::{against, emulator, program, run};
use crate::running::{HANG_GUARD, Running, command, directory, names, subdirectory, until};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o7777
}

/// Ends within a second, and says so.
fn end(bridge: Running) {
    let begun = Instant::now();
    bridge.signal(Signal::TERM);
    let status = bridge.wait();
    assert_eq!(status.code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn it_keeps_both_and_other_programs_take_them() {
    let emulator = emulator();
    let directory = directory();
    let (svid, token) = (
        directory.path().join("svid"),
        directory.path().join("token"),
    );
    let args = [
        "--svid-file",
        text(&svid),
        "--access-token-file",
        text(&token),
    ];
    let bridge = Running::start(&emulator, &args);
    bridge.wait_for_line(&["all files are written"]);
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
        let bridge = Running::start(&emulator, &["--config", text(&config)]);
        bridge.wait_for_line(&["all files are written"]);
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

/// Whatever is wrong is named, and nothing was written.
#[test]
fn what_is_wrong_is_refused_by_its_name_before_anything_is_written() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let open = subdirectory(&directory, "open");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("its mode");
    symlink("elsewhere", directory.path().join("link")).expect("a link");
    let svid = kept.join("svid");
    let svid = ["--svid-file", text(&svid)];
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlc2lnbmF0dXJl";
    let in_open = open.join("svid");
    let link = directory.path().join("link");
    let nowhere = directory.path().join("nowhere/svid");
    for (args, names) in [
        (&[][..], &["--svid-file", "--config"][..]),
        (&["--svid-file", text(&in_open)], &["--svid-file", "0777"]),
        (
            &["--svid-file", text(&link)],
            &["--svid-file", "symbolic link"],
        ),
        (&["--svid-file", text(&kept)], &["--svid-file", "directory"]),
        (
            &["--svid-file", text(&nowhere)],
            &["--svid-file", "--make-directory"],
        ),
        (&["--svid-file", token], &["--svid-file", "not repeated"]),
        (&["--svid-file", "$HOME/svid"], &["--svid-file", "variable"]),
        (&["--svid-file", ""], &["--svid-file", "empty"]),
        (
            &[svid[0], svid[1], "--access-token-file", svid[1]],
            &["--svid-file", "--access-token-file", "same file"],
        ),
        (&[svid[0], svid[1], "--mode", "0602"], &["--mode", "others"]),
        (&[svid[0], svid[1], "--mode", "0700"], &["--mode"]),
        (&[svid[0], svid[1], "--mode", "600x"], &["--mode", "octal"]),
        (&[svid[0], svid[1], "--mode", "0000"], &["--mode"]),
        (
            &[svid[0], svid[1], "--owner", "nobody-of-that-name"],
            &["--owner", "user"],
        ),
        (
            &[svid[0], svid[1], "--owner", "0:no-such-group"],
            &["--owner", "group"],
        ),
        (&[svid[0], svid[1], "--exec", " "], &["--exec"]),
        (
            &[svid[0], svid[1], "--signal", svid[1]],
            &["signal_pid_file", "same file"],
        ),
        (
            &[
                svid[0],
                svid[1],
                "--signal",
                "/run/p",
                "--signal-name",
                "KILL",
            ],
            &["--signal-name", "HUP"],
        ),
        (
            &[svid[0], svid[1], "--ready-file", svid[1]],
            &["ready_file", "same file"],
        ),
        (&[svid[0], svid[1], "--audience", " "], &["audience"]),
        (
            &[svid[0], svid[1], "--config", "/run/b.toml"],
            &["--config", "--svid-file"],
        ),
        (
            &[svid[0], svid[1], "--log-format", "yaml"],
            &["--log-format"],
        ),
    ] {
        let refused = run_bridge(&emulator, args);
        assert_eq!(refused.0, Some(2), "{args:?}: {}", refused.1);
        for name in names {
            assert!(refused.1.contains(name), "{args:?}: {}", refused.1);
        }
        assert!(!refused.1.contains("eyJ"), "{}", refused.1);
        assert!(crate::running::names(&kept).is_empty(), "{args:?}");
    }
    let config = directory.path().join("bridge.toml");
    let entry = format!("[[svid]]\npath = {:?}\n", svid[1]);
    for (toml, names) in [
        (String::new(), &["--svid-file"][..]),
        ("frobnicate = 1\n".to_owned() + &entry, &["frobnicate"]),
        (
            "mode = 0o600\n".to_owned() + &entry,
            &["mode", "text in quotes"],
        ),
        ("mode = \"0777\"\n".to_owned() + &entry, &["mode"]),
        ("owner = 5\n".to_owned() + &entry, &["owner"]),
        (
            "keep_on_denial = \"yes\"\n".to_owned() + &entry,
            &["keep_on_denial", "true or false"],
        ),
        (
            "remove_on_exit = 1\n".to_owned() + &entry,
            &["remove_on_exit"],
        ),
        (
            "make_directory = 1\n".to_owned() + &entry,
            &["make_directory"],
        ),
        ("exec = []\n".to_owned() + &entry, &["exec"]),
        ("exec = [1]\n".to_owned() + &entry, &["exec"]),
        (
            "signal = \"HUP\"\n".to_owned() + &entry,
            &["signal", "signal_pid_file"],
        ),
        ("ready_file = 1\n".to_owned() + &entry, &["ready_file"]),
        (
            "status_socket = true\n".to_owned() + &entry,
            &["status_socket"],
        ),
        (
            "log_format = \"xml\"\n".to_owned() + &entry,
            &["log_format", "text or json"],
        ),
        ("audience = 1\n".to_owned() + &entry, &["audience"]),
        (
            "refresh_buffer_seconds = \"1\"\n".to_owned() + &entry,
            &["refresh_buffer_seconds"],
        ),
        (
            "refresh_buffer_seconds = -1\n".to_owned() + &entry,
            &["refresh_buffer_seconds"],
        ),
        (
            "token_endpoint = \"http://example.org\"\n".to_owned() + &entry,
            &["token_endpoint"],
        ),
        (entry.clone() + "audience = 5\n", &["svid[1].audience"]),
        (entry.clone() + "audience = \"\"\n", &["svid[1].audience"]),
        (entry.clone() + "mode = \"0666\"\n", &["svid[1].mode"]),
        (
            entry.clone() + "owner = \"no-such-user\"\n",
            &["svid[1].owner"],
        ),
        (entry.clone() + "format = \"xml\"\n", &["svid[1].format"]),
        (entry.clone() + "color = \"red\"\n", &["svid[1].color"]),
        (
            entry.clone() + &entry,
            &["svid[1].path", "svid[2].path", "same file"],
        ),
        ("[[svid]]\n".to_owned(), &["svid[1].path"]),
        (
            "[svid]\npath = \"/run/x\"\n".to_owned(),
            &["svid", "[[svid]]"],
        ),
        (
            "[[access_token]]\npath = 5\n".to_owned(),
            &["access_token[1].path"],
        ),
        (
            "[[access_token]]\npath = \"/run/x\"\naudience = \"a\"\n".to_owned(),
            &["access_token[1].audience"],
        ),
        (format!("audience = \"{token}\"\n") + &entry, &["audience"]),
        (format!("{token}\n") + &entry, &["TOML", "line 1"]),
        (
            "mode = \"0600\"\nmode = \"0640\"\n".to_owned() + &entry,
            &["TOML", "line"],
        ),
    ] {
        fs::write(&config, &toml).expect("written");
        let refused = run_bridge(&emulator, &["--config", text(&config)]);
        assert_eq!(refused.0, Some(2), "{toml}: {}", refused.1);
        for name in names {
            assert!(refused.1.contains(name), "{toml}: {}", refused.1);
        }
        assert!(!refused.1.contains("eyJ"), "{}", refused.1);
        assert!(crate::running::names(&kept).is_empty(), "{toml}");
    }
    assert_eq!(names(&open), [""; 0]);
}

fn run_bridge(emulator: &Emulator, args: &[&str]) -> (Option<i32>, String) {
    let output = command(emulator, args).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

#[test]
fn check_config_says_what_would_be_done_and_does_nothing() {
    let emulator = emulator();
    let directory = directory();
    let (svid, token) = (
        directory.path().join("svid"),
        directory.path().join("token"),
    );
    let args = [
        "--svid-file",
        text(&svid),
        "--access-token-file",
        text(&token),
    ];
    let checked = command(&emulator, &[&args[..], &["--check-config"]].concat());
    let checked = { checked }.output().expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for words in [
        text(&svid),
        text(&token),
        "0600",
        "https://api.openai.com/v1",
        "agent.sock",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(names(directory.path()).is_empty());
    assert_eq!(emulator.counters().fetch_jwt_svid, 0);
    // An access token needs what an exchange needs.
    let socket = ("SPIFFE_ENDPOINT_SOCKET", "unix:///run/agent.sock");
    let refused = run(
        &[socket],
        &[
            "bridge",
            "--access-token-file",
            text(&token),
            "--check-config",
        ],
    );
    let message = refused.assert_error(2, "invalid_config");
    assert!(message.contains("OPENAI_IDENTITY_PROVIDER_ID"), "{message}");
}

#[test]
fn once_has_a_status_for_each_cause() {
    let emulator = emulator();
    let directory = directory();
    let (svid, token) = (
        directory.path().join("svid"),
        directory.path().join("token"),
    );
    let args = [
        "--once",
        "--svid-file",
        text(&svid),
        "--access-token-file",
        text(&token),
    ];
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

#[test]
fn an_identity_that_is_withdrawn_takes_its_files_along() {
    let emulator = emulator();
    emulator.settings(json!({"svid_ttl_seconds": 100, "svid_repeat": false}));
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let paths = ["svid", "token"].map(|it| directory.path().join(it));
    let others = ["svid", "token"].map(|it| kept.join(it));
    let args = |paths: &[std::path::PathBuf; 2]| {
        [
            "--svid-file",
            text(&paths[0]),
            "--access-token-file",
            text(&paths[1]),
        ]
        .map(str::to_owned)
    };
    // Soon enough, and often, so that a denial is met at once.
    let soon = ["--refresh-buffer-seconds", "118"];
    let (one, other) = (args(&paths), args(&others));
    let borrowed = |it: &'static str, all: &[String; 4]| -> Vec<String> {
        all.iter()
            .cloned()
            .chain(soon.map(str::to_owned))
            .chain([it.to_owned()])
            .collect()
    };
    let start = |args: Vec<String>| {
        let args: Vec<_> = args
            .iter()
            .map(String::as_str)
            .filter(|it| !it.is_empty())
            .collect();
        Running::start(&emulator, &args)
    };
    let bridge = start(borrowed("", &one));
    let keeping = start(borrowed("--keep-on-denial", &other));
    for it in [&bridge, &keeping] {
        it.wait_for_line(&["all files are written"]);
    }
    emulator.settings(json!({"identities": []}));
    for path in &paths {
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
    for path in &others {
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
    let bridge = Running::start(&emulator, &["--svid-file", text(&svid)]);
    bridge.wait_for_line(&["all files are written"]);
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

#[test]
fn files_that_somebody_takes_away_come_back() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let svid = kept.join("svid");
    let bridge = Running::start(&emulator, &["--svid-file", text(&svid)]);
    bridge.wait_for_line(&["all files are written"]);
    let text_of = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let token = text_of(&svid);
    fs::remove_file(&svid).expect("removed");
    until("it does not come back", || text_of(&svid) == token);
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
fn a_directory_is_made_if_it_may_be() {
    let emulator = emulator();
    let directory = directory();
    let svid = directory.path().join("made/svid");
    let args = ["--once", "--make-directory", "--svid-file", text(&svid)];
    assert_eq!(run_bridge(&emulator, &args).0, Some(0));
    assert_eq!(mode(&directory.path().join("made")) & 0o022, 0);
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
    fs::write(&config, toml).expect("written");
    let down = Fault {
        reset: true,
        ..Fault::default()
    };
    emulator.fault(Leg::WorkloadApi, down);
    let bridge = Running::start(&emulator, &["--config", text(&config)]);
    bridge.wait_for_line(&["Workload API"]);
    assert_eq!(names(directory.path()), ["bridge.toml", "good"]);
    emulator.clear_faults();
    bridge.wait_for_line(&["all files are written"]);
    end(bridge);
}

#[test]
fn a_command_is_run_and_a_process_gets_a_signal_after_a_change() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, told) = (kept.join("svid"), directory.path().join("told"));
    let (got, pid) = (directory.path().join("got"), directory.path().join("pid"));
    let script = format!(
        "trap 'echo got >> {}' USR1; echo $$ > {}; while :; do sleep 0.05; done",
        text(&got),
        text(&pid)
    );
    let mut receiver = Command::new("sh")
        .args(["-c", &script])
        .spawn()
        .expect("a shell");
    until("no process ID", || {
        fs::read_to_string(&pid).is_ok_and(|it| it.ends_with('\n'))
    });
    let exec = format!(
        "/bin/cat \"$SVIDEX_CHANGED_FILES\" > {}; exit 3",
        text(&told)
    );
    let args = [
        "--svid-file",
        text(&svid),
        "--exec",
        &exec,
        "--signal",
        text(&pid),
        "--signal-name",
        "usr1",
    ];
    let bridge = Running::start(&emulator, &args);
    until("no command", || {
        fs::read_to_string(&told).is_ok_and(|it| it.split('.').count() == 3)
    });
    until("no signal", || got.exists());
    bridge.wait_for_line(&["warning", "exit status: 3"]);
    fs::write(&pid, "-1").expect("written");
    fs::remove_file(&svid).expect("removed");
    bridge.wait_for_line(&["warning", text(&pid), "ID of a process"]);
    end(bridge);
    let _ = receiver.kill();
    let _ = receiver.wait();
}

/// A command that hangs holds up nothing, the end included.
#[test]
fn a_command_that_hangs_holds_up_nothing() {
    let emulator = emulator();
    let directory = directory();
    let svid = directory.path().join("svid");
    let pid = directory.path().join("pid");
    let exec = format!("echo $$ > {}; exec sleep 600", text(&pid));
    let bridge = Running::start(&emulator, &["--svid-file", text(&svid), "--exec", &exec]);
    until("no command", || {
        fs::read_to_string(&pid).is_ok_and(|it| it.ends_with('\n'))
    });
    for _ in 0..3 {
        fs::remove_file(&svid).expect("removed");
        until("it does not come back", || svid.exists());
    }
    end(bridge);
    let pid = fs::read_to_string(&pid).expect("text");
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().expect("a number"));
    let _ = rustix::process::kill_process(pid.expect("a process"), Signal::KILL);
}

#[test]
fn a_service_manager_and_a_file_say_that_it_is_ready() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, ready) = (kept.join("svid"), kept.join("ready"));
    let address = directory.path().join("notify");
    let manager = UnixDatagram::bind(&address).expect("a socket");
    manager.set_read_timeout(Some(HANG_GUARD)).expect("set");
    fs::write(&ready, "").expect("written");
    emulator.hold(Leg::WorkloadApi, true);
    let args = ["--svid-file", text(&svid), "--ready-file", text(&ready)];
    let bridge = Running::of(command(&emulator, &args).env("NOTIFY_SOCKET", &address));
    until("the old one stays", || !ready.exists());
    emulator.hold(Leg::WorkloadApi, false);
    let receive = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length = manager.recv(&mut buffer).expect("a message");
            if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                return;
            }
        }
    };
    receive("READY=1");
    assert!(svid.exists() && ready.exists());
    receive("WATCHDOG=1");
    bridge.signal(Signal::TERM);
    receive("STOPPING=1");
    assert_eq!(bridge.wait().code(), Some(0));
    assert!(!ready.exists());
}

#[test]
fn a_running_bridge_says_how_it_is() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let (svid, socket) = (kept.join("svid"), directory.path().join("status"));
    let ask = || {
        run(
            &[],
            &["bridge", "--status", "--status-socket", text(&socket)],
        )
    };
    let nobody = ask();
    assert_eq!(nobody.status, 1);
    assert!(nobody.stderr.contains(text(&socket)), "{}", nobody.stderr);

    let args = ["--svid-file", text(&svid), "--status-socket", text(&socket)];
    let bridge = Running::start(&emulator, &args);
    bridge.wait_for_line(&["all files are written"]);
    let mut answer = ask();
    until("it is never healthy", || {
        answer = ask();
        answer.status == 0
    });
    answer.assert_no_token();
    let status = answer.json();
    assert_eq!(
        (&status["healthy"], &status["ready"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(status["files"][0]["path"], json!(text(&svid)));
    assert_eq!(status["files"][0]["state"], "written");
    assert_eq!(status["tokens"][0]["fetches"], 1);
    assert_eq!(mode(&socket), 0o600);
    // Another one does not take its place.
    let other = kept.join("other");
    let args = [
        "--svid-file",
        text(&other),
        "--status-socket",
        text(&socket),
    ];
    let (code, said) = run_bridge(&emulator, &args);
    assert_eq!(code, Some(6), "{said}");
    // One that was killed leaves a socket that the next one replaces.
    bridge.signal(Signal::KILL);
    bridge.wait();
    assert!(socket.exists());
    assert_eq!(ask().status, 1);
    let args = ["--svid-file", text(&svid), "--status-socket", text(&socket)];
    let bridge = Running::start(&emulator, &args);
    bridge.wait_for_line(&["all files are written"]);
    until("the next one is not asked", || ask().status == 0);
    end(bridge);
    assert!(!socket.exists());
}

#[test]
fn files_may_go_with_the_bridge() {
    let emulator = emulator();
    let directory = directory();
    let svid = directory.path().join("svid");
    let bridge = Running::start(&emulator, &["--svid-file", text(&svid), "--remove-on-exit"]);
    bridge.wait_for_line(&["all files are written"]);
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
        let processes: Vec<_> = (0..PROCESSES)
            .map(|_| {
                Command::new(program())
                    .arg("token")
                    .args(arguments)
                    .env_clear()
                    .envs(emulator.info().environment())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("it starts")
            })
            .collect();
        for process in processes {
            let output = process.wait_with_output().expect("it ends");
            assert!(output.status.success());
        }
        emulator.counters().exchanges - before
    };
    assert_eq!(count(&[]), 64);
    let before = emulator.counters().exchanges;
    let bridge = Running::start(&emulator, &["--access-token-file", text(&token)]);
    bridge.wait_for_line(&["all files are written"]);
    assert_eq!(count(&["--access-token-file", text(&token)]), 0);
    assert_eq!(emulator.counters().exchanges - before, 1);
    end(bridge);
}
