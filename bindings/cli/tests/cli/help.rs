//! The help is the command's reference: it names every setting and status.

use crate::common::run;

/// The list of settings, in kebab case as options are.
const SETTINGS: [&str; 14] = [
    "access-token-file",
    "endpoint-socket",
    "identity-token-file",
    "audience",
    "spiffe-id",
    "hint",
    "identity-provider-id",
    "service-account-id",
    "client-id",
    "token-endpoint",
    "ca-file",
    "refresh-buffer-seconds",
    "request-timeout-seconds",
    "call-timeout-seconds",
];

/// What a command takes beside a provider's settings.
fn of_its_own(command: &str) -> &'static [&'static str] {
    match command {
        "token" | "svid" => &["format"],
        "doctor" => &["jwks-file", "admin-key-env"],
        _ => &[],
    }
}

#[test]
fn every_command_takes_every_setting_and_no_other() {
    for command in ["token", "svid", "inspect", "doctor", "setup"] {
        let help = run(&[], &[command, "--help"]);
        assert_eq!((help.status, help.stderr.as_str()), (0, ""));
        let mut options: Vec<_> = help
            .stdout
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("--"))
            .filter_map(|line| line.split_once(' ').map(|(name, _)| name))
            .collect();
        options.sort_unstable();
        let mut settings = SETTINGS.to_vec();
        settings.extend(of_its_own(command));
        settings.sort_unstable();
        assert_eq!(options, settings, "{command}");
    }
}

#[test]
fn the_help_documents_variables_and_exit_status() {
    let help = run(&[], &["token", "--help"]).stdout;
    for variable in [
        "SPIFFE_ENDPOINT_SOCKET",
        "OPENAI_IDENTITY_TOKEN_FILE",
        "SVIDEX_AUDIENCE",
        "SVIDEX_SPIFFE_ID",
        "OPENAI_IDENTITY_PROVIDER_ID",
        "OPENAI_SERVICE_ACCOUNT_ID",
        "SVIDEX_TOKEN_ENDPOINT",
        "SSL_CERT_FILE",
    ] {
        assert!(help.contains(variable), "{variable}");
    }
    let help = run(&[], &["--help"]).stdout;
    for status in 0..=6 {
        assert!(
            help.contains(&format!("\n  {status}  ")),
            "{status}\n{help}"
        );
    }
}

#[test]
fn the_version_is_the_librarys() {
    let version = run(&[], &["--version"]);
    assert_eq!(
        version.stdout,
        format!("svidex {}\n", env!("CARGO_PKG_VERSION"))
    );
}
