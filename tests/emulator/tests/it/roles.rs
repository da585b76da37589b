//! The program: roles apart, restarts, and `run`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use spiffe::WorkloadApiClient;
use svidex_emulator::{AUDIENCE, Emulator, Info, Options, Role};

use crate::bench::{http_client, json_of, post, request};

/// A process of the program; killed when dropped.
struct Process {
    child: Child,
    info: Info,
}

impl Process {
    fn start(arguments: &[&str], dir: &Path) -> Self {
        let mut child = program()
            .args(arguments)
            .arg("--dir")
            .arg(dir)
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let info = serde_json::from_str(&line).expect("JSON");
        Self { child, info }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_svidex-emulator"))
}

async fn fetch(info: &Info) -> String {
    let client = WorkloadApiClient::connect_to(&info.endpoint_socket)
        .await
        .expect("a connection");
    let svid = client
        .fetch_jwt_svid([AUDIENCE], None)
        .await
        .expect("an SVID");
    svid.token().to_owned()
}

#[tokio::test]
async fn agent_and_openai_apart_and_the_agent_keeps_its_identity_when_killed() {
    let dir = tempfile::tempdir().expect("a directory");
    let agent_dir = dir.path().join("agent");
    let agent = Process::start(&["agent"], &agent_dir);
    assert!(agent.info.token_endpoint.is_empty() && !agent.info.token_file.is_empty());
    let trust = [
        "openai",
        "--trust-issuer",
        &agent.info.issuer,
        "--trust-ca",
        &agent.info.ca_file,
    ];
    let openai = Process::start(&trust, &dir.path().join("openai"));
    assert!(openai.info.endpoint_socket.is_empty());
    let http = http_client(&openai.info.ca_file);

    let old = fetch(&agent.info).await;
    let before = agent.info.clone();
    drop(agent);
    let answer = post(&http, &openai.info.token_endpoint, &request(&old))
        .await
        .expect("an answer");
    assert_eq!(
        json_of(answer).await["error"],
        "temporarily_unavailable",
        "nobody to ask for keys"
    );

    let agent = Process::start(&["agent"], &agent_dir);
    assert_eq!(agent.info, before);
    for token in [old, fetch(&agent.info).await] {
        let answer = post(&http, &openai.info.token_endpoint, &request(&token)).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
}

#[test]
fn a_process_ends_with_its_standard_input_and_prints_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut process = Process::start(&["serve"], dir.path());
    drop(process.child.stdin.take());
    let status = process.child.wait().expect("an end");
    assert!(status.success());
    let mut rest = String::new();
    process
        .child
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut rest)
        .expect("text");
    assert_eq!(rest, "");
}

#[test]
fn run_sets_the_environment_and_passes_the_status_on() {
    let script = r#"
        test -S "${SPIFFE_ENDPOINT_SOCKET#unix://}" || exit 10
        test -f "$SSL_CERT_FILE" -a "$SSL_CERT_FILE" = "$NODE_EXTRA_CA_CERTS" || exit 11
        test -z "${OPENAI_API_KEY+set}" || exit 12
        printf '%s\n' "$OPENAI_IDENTITY_PROVIDER_ID $OPENAI_SERVICE_ACCOUNT_ID"
        printf '%s\n' "$SVIDEX_TOKEN_ENDPOINT $OPENAI_BASE_URL $SVIDEX_EMULATOR_CONTROL"
        printf '%s\n' "$SVIDEX_EMULATOR_INFO"
        exit 7
    "#;
    let mut command = program();
    command.args(["run", "--svid-ttl-seconds", "30", "--", "sh", "-c", script]);
    let output = command
        .env("OPENAI_API_KEY", "sk-x")
        .output()
        .expect("an end");
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stdout = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<_> = stdout.lines().collect();
    let info: Info = serde_json::from_str(lines[2]).expect("JSON");
    assert_eq!(lines[0], "idp_emulator sa_emulator");
    assert_eq!(
        lines[1],
        format!(
            "{} {} {}",
            info.token_endpoint, info.api_base_url, info.control
        )
    );
    assert!(
        !Path::new(&info.ca_file).exists(),
        "the temporary directory is gone"
    );
}

#[test]
fn a_wrong_command_line_fails_with_a_reason() {
    for (arguments, word) in [
        (
            &["run", "--", "/nonexistent/program"][..],
            "/nonexistent/program",
        ),
        (
            &["run", "--svid-ttl-seconds", "0", "--", "true"],
            "svid_ttl_seconds",
        ),
        (
            &["run", "--allow-subject", "*", "--", "true"],
            "allowed_subjects",
        ),
        (&["serve", "--dir", "/dev/null/x"], "/dev/null/x"),
    ] {
        let output = program().args(arguments).output().expect("an end");
        assert!(!output.status.success());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(word), "{stderr}");
    }
}

#[tokio::test]
async fn the_library_plays_roles_too() {
    let agent = Emulator::start(Options {
        role: Role::Agent,
        ..Options::default()
    });
    let role = Role::OpenAi {
        trust_issuer: format!("{}/", agent.info().issuer),
        trust_ca: Some(agent.info().ca_file.clone().into()),
    };
    let openai = Emulator::start(Options {
        role,
        ..Options::default()
    });
    let http = http_client(&openai.info().ca_file);
    let body = request(&fetch(agent.info()).await);
    let answer = post(&http, &openai.info().token_endpoint, &body)
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(json!(agent.counters().discovery), json!(1));
}
