//! Options and keys that are wrong, and what a bridge says of those that are right.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::run_bridge;
use crate::common::{emulator, run};
use crate::running::{command, directory, keeping, names, pair, subdirectory, text};

/// Whatever is wrong is named, and nothing was written.
#[test]
fn what_is_wrong_is_refused_by_its_name_before_anything_is_written() {
    let emulator = emulator();
    let directory = directory();
    let kept = subdirectory(&directory, "kept");
    let open = subdirectory(&directory, "open");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("its mode");
    symlink("elsewhere", directory.path().join("link")).expect("a link");
    let shared = subdirectory(&directory, "shared");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o770)).expect("its mode");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&shared, None, Some(54321)).expect("another group");
    }
    let svid = kept.join("svid");
    let svid = ["--svid-file", text(&svid)];
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlc2lnbmF0dXJl";
    let in_open = open.join("svid");
    let in_shared = shared.join("svid");
    let link = directory.path().join("link");
    let nowhere = directory.path().join("nowhere/svid");
    let not_yet = directory.path().join("new/svid");
    let not_yet_either = kept.join("../new/svid");
    let long = kept.join("n".repeat(232));
    // Below a directory in which others could rename what there is.
    let wide = subdirectory(&directory, "wide");
    let in_wide = wide.join("own/svid");
    fs::create_dir(wide.join("own")).expect("made");
    fs::set_permissions(wide.join("own"), fs::Permissions::from_mode(0o700)).expect("its mode");
    fs::set_permissions(&wide, fs::Permissions::from_mode(0o777)).expect("its mode");
    let not_in_wide_yet = wide.join("new/svid");
    // What it reads leads to what it would write.
    let source = directory.path().join("source");
    symlink(kept.join("svid"), &source).expect("a link");
    fs::write(kept.join("svid"), "").expect("written");
    let ca = directory.path().join("ca.pem");
    fs::copy(&emulator.info().ca_file, &ca).expect("copied");
    let refuses = |args: &[&str], words: &[&str], what: &str| {
        let (status, said) = run_bridge(&emulator, args);
        assert_eq!(status, Some(2), "{what}: {said}");
        for word in words {
            assert!(said.contains(word), "{what}: {said}");
        }
        assert!(!said.contains("eyJ"), "{said}");
        assert!(names(&kept).is_empty(), "{what}");
    };
    let (status, said) = run_bridge(
        &emulator,
        &[&svid[..], &["--identity-token-file", text(&source)]].concat(),
    );
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("identity_token_file") && said.contains("same file"),
        "{said}"
    );
    fs::remove_file(svid[1]).expect("removed");
    for (args, words) in [
        (&[][..], &["--svid-file", "--config"][..]),
        (&["--svid-file", text(&long)], &["--svid-file", "too long"]),
        (
            &["--svid-file", text(&in_wide)],
            &["--svid-file", "0777", text(&wide)],
        ),
        (
            &["--make-directory", "--svid-file", text(&not_in_wide_yet)],
            &["--svid-file", "0777", text(&wide)],
        ),
        (&["--svid-file", text(&in_open)], &["--svid-file", "0777"]),
        (
            &["--svid-file", text(&link)],
            &["--svid-file", "symbolic link"],
        ),
        (
            &[
                "--make-directory",
                "--svid-file",
                text(&not_yet),
                "--access-token-file",
                text(&not_yet_either),
            ],
            &["--svid-file", "--access-token-file", "same file"],
        ),
        (
            &["--svid-file", text(&ca), "--ca-file", text(&ca)],
            &["--svid-file", "ca_file", "same file"],
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
        (&[svid[0], svid[1], "--mode", "+600"], &["--mode", "octal"]),
        (
            &[svid[0], svid[1], "--mode", "0o0o600"],
            &["--mode", "octal"],
        ),
        (&[svid[0], svid[1], "--owner", "+0"], &["--owner", "user"]),
        // -1, which would leave the owner as it is.
        (
            &[svid[0], svid[1], "--owner", "4294967295"],
            &["--owner", "user"],
        ),
        (
            &[svid[0], svid[1], "--owner", "0:4294967295"],
            &["--owner", "group"],
        ),
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
        refuses(args, words, &format!("{args:?}"));
    }
    if is_root {
        let args = ["--svid-file", text(&in_shared)];
        refuses(&args, &["group 54321"], "a foreign group");
        // A stranger's, where everybody may make one.
        fs::set_permissions(&wide, fs::Permissions::from_mode(0o1777)).expect("its mode");
        let own = in_wide.parent().expect("a directory");
        let below = own.join("below");
        fs::create_dir(&below).expect("made");
        std::os::unix::fs::chown(own, Some(54321), None).expect("another user");
        let below = below.join("svid");
        let args = ["--svid-file", text(&below)];
        refuses(&args, &["user 54321", text(own)], "a stranger's directory");
    }
    let config = directory.path().join("bridge.toml");
    let entry = format!("[[svid]]\npath = {:?}\n", svid[1]);
    for (toml, words) in [
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
        (
            format!("[[svid]]\npath = {config:?}\n"),
            &["svid[1].path", "--config", "same file"],
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
        refuses(&["--config", text(&config)], words, &toml);
    }
    assert_eq!(names(&open), [""; 0]);
}

#[test]
fn check_config_says_what_would_be_done_and_does_nothing() {
    let emulator = emulator();
    let directory = directory();
    let (svid, token) = pair(directory.path());
    let (ready, pid) = (directory.path().join("ready"), directory.path().join("pid"));
    let more = [
        "--check-config",
        "--keep-on-denial",
        "--remove-on-exit",
        "--ready-file",
        text(&ready),
        "--signal",
        text(&pid),
        "--signal-name=usr2",
    ];
    let args = keeping(&svid, &token);
    let checked = command(&emulator, &[&args[..], &more].concat());
    let checked = { checked }.output().expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for words in [
        text(&svid),
        text(&token),
        "0600",
        "https://api.openai.com/v1",
        "agent.sock",
        "withdrawn",
        "when it ends",
        text(&ready),
        "SIGUSR2",
        text(&pid),
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

/// Where nobody names a socket there is one all the same.
#[test]
fn the_socket_of_its_own_is_no_file_to_keep() {
    let emulator = emulator();
    let directory = directory();
    let svid = directory.path().join("svidex-bridge.sock");
    let refused = command(&emulator, &["--svid-file", text(&svid)])
        .env("RUNTIME_DIRECTORY", directory.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("status_socket") && said.contains("same file"),
        "{said}"
    );
}
