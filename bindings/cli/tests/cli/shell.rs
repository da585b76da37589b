//! What scripts use: the forms of a token, a program with one, the cache, the forms to
//! fill in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use svidex_emulator::Emulator;

use crate::common::{Run, against, emulator, program, run};
use crate::running::{Running, directory, names, subdirectory, succeed_at_once, until};

const SPIFFE_ID: &str = "spiffe://example.org/ns/inference/sa/worker";

#[test]
fn json_says_what_a_token_is() {
    let emulator = emulator();
    emulator.settings(json!({"access_token": "the-access-token"}));
    for (arguments, is_svid) in [
        (&["token", "--json"][..], false),
        (&["svid", "--json"], true),
        (&["token", "--format", "json"], false),
    ] {
        let given = against(&emulator, arguments);
        assert_eq!(given.status, 0, "{}", given.stderr);
        let given = given.json();
        assert_eq!(given["spiffe_id"], SPIFFE_ID);
        assert_eq!(given["audience"], "https://api.openai.com/v1");
        let end = given["expires_at"].as_str().expect("a date");
        assert!(end.starts_with("20") && end.ends_with('Z'), "{end}");
        let token = given["token"].as_str().expect("text");
        match is_svid {
            true => assert_eq!(token.split('.').count(), 3),
            false => assert_eq!(token, "the-access-token"),
        }
    }
}

/// What is printed is what a provider takes from a file.
#[test]
fn json_is_what_access_token_file_takes() {
    let emulator = emulator();
    let directory = directory();
    let file = directory.path().join("token");
    let given = against(&emulator, &["token", "--json"]);
    fs::write(&file, &given.stdout).expect("written");
    let file = ("SVIDEX_ACCESS_TOKEN_FILE", file.to_str().expect("UTF-8"));
    let taken = run(&[file], &["token", "--json"]);
    assert_eq!(taken.json()["token"], given.json()["token"]);
    assert_eq!(taken.json()["spiffe_id"], SPIFFE_ID);
    assert_eq!(taken.json()["expires_at"], given.json()["expires_at"]);
}

#[test]
fn a_header_is_one_line_for_curl() {
    let emulator = emulator();
    emulator.settings(json!({"access_token": "the-access-token"}));
    let given = against(&emulator, &["token", "--header"]);
    assert_eq!(given.stdout, "Authorization: Bearer the-access-token\n");
    let svid = against(&emulator, &["svid", "--header"]);
    assert!(svid.stdout.starts_with("Authorization: Bearer eyJ"));
}

#[test]
fn others_define_forms_too() {
    let emulator = emulator();
    emulator.settings(json!({"access_token": "the-access-token"}));
    let kubernetes = against(&emulator, &["token", "--format", "kubernetes"]).json();
    assert_eq!(kubernetes["kind"], "ExecCredential");
    assert_eq!(kubernetes["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(kubernetes["status"]["token"], "the-access-token");
    assert!(kubernetes["status"]["expirationTimestamp"].is_string());

    let google = against(&emulator, &["svid", "--format", "google"]).json();
    assert_eq!(
        (&google["version"], &google["success"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(google["token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert!(
        google["id_token"]
            .as_str()
            .is_some_and(|it| it.starts_with("eyJ"))
    );
    assert!(google["expiration_time"].is_u64());
    let wrong = against(&emulator, &["token", "--format", "google"]);
    wrong.assert_error(2, "invalid_config");
    for two in [["--json", "--header"], ["--header", "--format=json"]] {
        let both = against(&emulator, &["token", two[0], two[1]]);
        assert_eq!((both.status, both.stdout.as_str()), (2, ""), "{two:?}");
    }

    emulator.settings(json!({"identities": []}));
    let google = ["svid", "--format", "google", "--call-timeout-seconds", "3"];
    let refused = against(&emulator, &google);
    assert_eq!(refused.status, 3);
    assert_eq!(refused.json()["success"], false);
    assert_eq!(refused.json()["code"], "permission_denied");
}

#[test]
fn exec_runs_a_program_with_a_token_in_its_environment() {
    let emulator = emulator();
    emulator.settings(json!({"access_token": "the-access-token"}));
    let exec = |arguments: &[&str]| {
        let mut environment = emulator.info().environment();
        environment.push(("PATH", "/usr/bin:/bin".to_owned()));
        let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
        run(&environment, &[&["exec"], arguments].concat())
    };
    let said = exec(&["--", "sh", "-c", "echo $OPENAI_API_KEY"]);
    assert_eq!(
        (said.status, said.stdout.as_str()),
        (0, "the-access-token\n")
    );
    assert_eq!(said.stderr, "");
    let said = exec(&[
        "--env",
        "TOKEN",
        "--",
        "sh",
        "-c",
        "echo $TOKEN$OPENAI_API_KEY; exit 7",
    ]);
    assert_eq!(
        (said.status, said.stdout.as_str()),
        (7, "the-access-token\n")
    );
    // Options behind it are its own.
    let said = exec(&["--", "echo", "--env", "X"]);
    assert_eq!(said.stdout, "--env X\n");
    assert_eq!(exec(&["--", "sh", "-c", "kill -TERM $$"]).status, 128 + 15);
    assert_eq!(exec(&["--", "/nowhere/program"]).status, 127);
    assert_eq!(exec(&["--", "/etc/passwd"]).status, 126);
    exec(&["--env", "A=B", "--", "true"]).assert_error(2, "invalid_config");
    assert_eq!(exec(&["true"]).status, 2);
    assert_eq!(exec(&[]).status, 2);
}

/// `svidex exec` of a script that says when it is ready, by the file `ready` in `directory`,
/// and has `$DIRECTORY`. In a group of its own, as a shell starts it, with no signal ignored.
fn exec_script(emulator: &Emulator, directory: &Path, script: &str) -> Child {
    let mut command = Command::new(program());
    command
        .args(["exec", "--", "sh", "-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DIRECTORY", directory)
        .envs(emulator.info().environment())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    let heed_all = || {
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
            // SAFETY: async-signal-safe (signal-safety(7)).
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: it makes system calls alone.
    unsafe { command.pre_exec(heed_all) };
    let process = command.spawn().expect("it starts");
    until("it does not begin", || directory.join("ready").exists());
    process
}

const SENT: [(&str, Signal); 8] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("WINCH", Signal::WINCH),
    ("ALRM", Signal::ALARM),
];

#[test]
fn exec_passes_signals_on() {
    let emulator = emulator();
    let directory = directory();
    let traps = SENT.map(|(name, _)| format!("trap 'echo > \"$DIRECTORY/{name}\"' {name}; "));
    let script = traps.concat()
        + "echo > \"$DIRECTORY/ready\"; until test -e \"$DIRECTORY/end\"; do sleep 0.02; done; exit 9";
    let process = exec_script(&emulator, directory.path(), &script);
    for (name, signal) in SENT {
        kill_process(Pid::from_child(&process), signal).expect("it is there");
        until(name, || directory.path().join(name).exists());
    }
    fs::write(directory.path().join("end"), "").expect("written");
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(9));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn exec_ends_as_a_program_that_a_signal_ended() {
    let emulator = emulator();
    let ends = SENT.into_iter().take(6);
    for (name, signal) in ends.filter(|(name, _)| *name != "QUIT") {
        let directory = directory();
        let script = "echo > \"$DIRECTORY/ready\"; exec sleep 600";
        let process = exec_script(&emulator, directory.path(), script);
        kill_process(Pid::from_child(&process), signal).expect("it is there");
        let output = process.wait_with_output().expect("it ends");
        // Not of a signal of its own.
        assert_eq!(output.status.code(), Some(128 + signal.as_raw()), "{name}");
        // A host has opened no debugger, for one.
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
    }
}

#[test]
fn exec_says_when_the_program_outlives_its_token() {
    let emulator = emulator();
    emulator.settings(json!({"expires_in": 1}));
    let directory = directory();
    let done = directory.path().join("done");
    let mut command = Command::new(program());
    command
        .args([
            "exec",
            "--",
            "sh",
            "-c",
            "while ! test -e \"$DONE\"; do sleep 0.05; done",
        ])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DONE", &done)
        .envs(emulator.info().environment());
    let running = Running::of(&mut command);
    let line = running.wait_for_line(&["OPENAI_API_KEY", "ended"]);
    assert!(line.contains("svidex bridge"), "{line}");
    fs::write(&done, "").expect("written");
    assert_eq!(running.wait().code(), Some(0));
}

fn cached(emulator: &Emulator, runtime: Option<&str>, arguments: &[&str]) -> Run {
    let mut environment = emulator.info().environment();
    if let Some(runtime) = runtime {
        environment.push(("XDG_RUNTIME_DIR", runtime.to_owned()));
    }
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    run(&environment, &[&["token", "--cache"], arguments].concat())
}

#[test]
fn ten_calls_with_a_cache_make_one_exchange() {
    let emulator = emulator();
    let directory = directory();
    let runtime = directory.path().to_str();
    let first = cached(&emulator, runtime, &[]);
    assert_eq!(first.status, 0, "{}", first.stderr);
    for _ in 0..9 {
        let next = cached(&emulator, runtime, &[]);
        assert_eq!((next.status, &next.stdout), (0, &first.stdout));
        assert_eq!(next.stderr, "");
    }
    let json = cached(&emulator, runtime, &["--json"]).json();
    assert_eq!(json["token"], first.stdout.trim_end());
    assert_eq!(json["spiffe_id"], SPIFFE_ID);
    assert_eq!(emulator.counters().exchanges, 1);
    // Off by default.
    against(&emulator, &["token"]);
    assert_eq!(emulator.counters().exchanges, 2);
    // Another configuration is another token.
    cached(&emulator, runtime, &["--audience", "https://other.example"]);
    cached(
        &emulator,
        runtime,
        &["--spiffe-id", "spiffe://example.org/ns/batch/sa/worker"],
    );
    assert!(emulator.counters().fetch_jwt_svid >= 4);
    let kept = directory.path().join("svidex");
    for name in names(&kept) {
        let mode = fs::metadata(kept.join(&name))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn calls_that_come_together_make_one_exchange_too() {
    let emulator = emulator();
    let directory = directory();
    succeed_at_once(10, || {
        let mut command = Command::new(program());
        command
            .args(["token", "--cache"])
            .env_clear()
            .env("XDG_RUNTIME_DIR", directory.path())
            .envs(emulator.info().environment());
        command
    });
    assert_eq!(emulator.counters().exchanges, 1);
}

#[test]
fn a_cache_that_is_of_no_use_is_said_and_done_without() {
    let emulator = emulator();
    let directory = directory();
    let open = directory.path().join("svidex");
    fs::create_dir(&open).expect("made");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("its mode");
    let public = subdirectory(&directory, "public");
    fs::set_permissions(&public, fs::Permissions::from_mode(0o770)).expect("its mode");
    let foreign = subdirectory(&directory, "foreign");
    // Only root may give it away.
    let is_foreign = std::os::unix::fs::chown(&foreign, Some(12_345), None).is_ok();
    for runtime in [
        None,
        directory.path().to_str(),
        Some("/nowhere"),
        Some("relative"),
        public.to_str(),
        foreign.to_str().filter(|_| is_foreign),
    ] {
        let given = cached(&emulator, runtime, &[]);
        assert_eq!(given.status, 0, "{}", given.stderr);
        assert!(given.stderr.contains("--cache"), "{}", given.stderr);
        assert!(given.stdout.starts_with("emulator-access-"));
    }
    for untouched in [open, public, foreign] {
        assert!(names(&untouched).is_empty(), "{}", untouched.display());
    }
}

/// Somebody who holds it, and does not go on; what can be opened by nobody alone.
#[test]
fn a_cache_whose_lock_is_not_to_be_had_is_done_without() {
    let emulator = emulator();
    let directory = directory();
    let runtime = directory.path().to_str();
    let soon = ["--call-timeout-seconds", "2"];
    let first = cached(&emulator, runtime, &soon);
    assert_eq!(first.status, 0, "{}", first.stderr);
    let kept = directory.path().join("svidex");
    let named = |end: &str| {
        let name = names(&kept).into_iter().find(|it| it.ends_with(end));
        kept.join(name.expect("a file"))
    };
    let lock = named(".lock");
    let held = fs::File::open(&lock).expect("it opens");
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).expect("nobody has it");
    assert_eq!(cached(&emulator, runtime, &soon).stdout, first.stdout);
    drop(held);
    fs::remove_file(&lock).expect("it goes");
    let made = Command::new("mkfifo").arg(&lock).status().expect("it runs");
    assert!(made.success());
    assert_eq!(cached(&emulator, runtime, &soon).stdout, first.stdout);
}

#[test]
fn a_cached_token_that_is_due_is_replaced() {
    let emulator = emulator();
    let directory = directory();
    let runtime = directory.path().to_str();
    let first = cached(&emulator, runtime, &[]);
    let kept = directory.path().join("svidex");
    let file = names(&kept)
        .into_iter()
        .find(|it| it.ends_with(".json"))
        .expect("a file");
    let file = kept.join(file);
    let change = |name: &str, value: Value| {
        let text = fs::read_to_string(&file).expect("text");
        let mut entry: Value = serde_json::from_str(&text).expect("JSON");
        entry[name] = value;
        fs::write(&file, entry.to_string()).expect("written");
    };
    // What a run that was killed has left goes with the next write.
    let name = file.file_name().and_then(|it| it.to_str()).expect("a name");
    let litter = kept.join(format!(".{name}.0123456789abcdef.svidex"));
    fs::write(&litter, "half").expect("written");
    change("due_at_unix_ms", json!(0));
    let second = cached(&emulator, runtime, &[]);
    assert_ne!(second.stdout, first.stdout);
    assert!(!litter.exists());
    assert_eq!(cached(&emulator, runtime, &[]).stdout, second.stdout);
    change("expires_at_unix_ms", json!(0));
    let after = cached(&emulator, runtime, &[]);
    assert_ne!(after.stdout, second.stdout);
    let second = after;
    // Nor is it that of another configuration, or readable by others.
    change("key", json!("another"));
    let third = cached(&emulator, runtime, &[]);
    assert_ne!(third.stdout, second.stdout);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode");
    assert_ne!(cached(&emulator, runtime, &[]).stdout, third.stdout);
    fs::write(&file, "nonsense").expect("written");
    assert_eq!(cached(&emulator, runtime, &[]).status, 0);
}

#[test]
fn setup_says_what_to_type() {
    let emulator = emulator();
    let said = against(&emulator, &["setup"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    said.assert_no_token();
    for words in [
        emulator.info().issuer.as_str(),
        "https://api.openai.com/v1",
        SPIFFE_ID,
        "spiffe://example.org/ns/inference/sa/*",
        "WARNING",
        "sub",
        "SPIFFE_ENDPOINT_SOCKET=unix:///",
        "OPENAI_IDENTITY_PROVIDER_ID=",
        "OPENAI_SERVICE_ACCOUNT_ID=",
    ] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let json = against(&emulator, &["setup", "--json"]).json();
    let provider = &json["workload_identity_provider"];
    assert_eq!(provider["issuer"], emulator.info().issuer.as_str());
    assert_eq!(provider["audience"], "https://api.openai.com/v1");
    let mapping = &json["service_account_mapping"];
    assert_eq!(
        (&mapping["key"], &mapping["value"]),
        (&json!("sub"), &json!(SPIFFE_ID))
    );
    assert_eq!(
        mapping["wildcard_value"],
        "spiffe://example.org/ns/inference/sa/*"
    );
    assert!(mapping["wildcard_warning"].is_string());
    assert_eq!(emulator.counters().exchanges, 0);

    emulator.settings(json!({"omit_claims": ["iss"]}));
    let file = emulator.info().endpoint_socket.clone();
    let without = run(&[("SPIFFE_ENDPOINT_SOCKET", &file)], &["setup", "--json"]).json();
    assert!(without["notes"].to_string().contains("iss"), "{without}");
    // One `*` would be the whole trust domain.
    emulator.reset_settings();
    let short = json!([{"spiffe_id": "spiffe://example.org/worker"}]);
    emulator.settings(json!({"identities": short}));
    let endpoint = emulator.info().token_endpoint.clone();
    let environment = [
        ("SPIFFE_ENDPOINT_SOCKET", &file[..]),
        ("SVIDEX_TOKEN_ENDPOINT", &endpoint),
    ];
    let short = run(&environment, &["setup", "--json"]).json();
    assert!(short["service_account_mapping"]["wildcard_value"].is_null());
    assert!(
        short["notes"].to_string().contains("trust domain"),
        "{short}"
    );
    assert!(short["workload"].to_string().contains(&endpoint), "{short}");
    // The IDs are not known yet when this is needed.
    assert!(
        without["workload"]
            .to_string()
            .contains("OPENAI_SERVICE_ACCOUNT_ID")
    );
}

/// Arguments can be seen by every process of a host.
#[test]
fn no_document_puts_a_token_into_an_argument() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let mut folders = vec![
        root.join("docs"),
        root.join("bindings"),
        root.join("ffi"),
        root.join("deploy"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path
                .file_name()
                .and_then(|it| it.to_str())
                .unwrap_or_default();
            if path.is_dir()
                && !["node_modules", "target"].contains(&name)
                && !name.starts_with('.')
            {
                folders.push(path);
            } else if [".md", ".rs"].iter().any(|it| name.ends_with(it))
                && !path.ends_with("tests/cli/shell.rs")
            {
                documents.push(path);
            }
        }
    }
    for path in documents {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for line in text.lines() {
            let has_one = ["$(svidex token", "$(svidex svid", "`svidex token`\""]
                .iter()
                .any(|it| line.contains(it));
            let is_test = line.contains("test -n \"$(svidex");
            assert!(!has_one || is_test, "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_doctor_looks_at_the_file_that_access_tokens_come_from() {
    let emulator = emulator();
    let directory = directory();
    let file = directory.path().join("token");
    let path = file.to_str().expect("UTF-8");
    let alone = |arguments: &[&str]| {
        let file = ("SVIDEX_ACCESS_TOKEN_FILE", path);
        run(&[file], &[&["doctor", "--json"], arguments].concat())
    };
    let missing = alone(&[]);
    assert_eq!(missing.status, 1, "{}", missing.stdout);
    assert!(missing.stdout.contains("svidex bridge") && missing.stdout.contains(path));
    fs::write(&file, against(&emulator, &["token", "--json"]).stdout).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
    let exchanges = emulator.counters().exchanges;
    let alone = alone(&[]);
    assert_eq!(alone.status, 0, "{}", alone.stdout);
    alone.assert_no_token();
    let both = against(
        &emulator,
        &["doctor", "--json", "--access-token-file", path],
    );
    assert_eq!(both.status, 0, "{}", both.stdout);
    both.assert_no_token();
    for report in [alone.json(), both.json()] {
        let checks = report["checks"].as_array().expect("an array");
        let exchange = checks.last().expect("the last one");
        assert_eq!(
            (&exchange["id"], &exchange["outcome"]),
            (&json!("exchange"), &json!("ok"))
        );
    }
    assert_eq!(emulator.counters().exchanges, exchanges);
}
