//! The token file, each way of writing it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::json;
use svidex_emulator::{TokenFileMode, TokenFilePlan};

use crate::bench::{Bench, LIMIT, request};

fn plan(mode: TokenFileMode) -> TokenFilePlan {
    TokenFilePlan {
        mode,
        ..TokenFilePlan::default()
    }
}

#[tokio::test]
async fn each_mode_leaves_a_new_valid_token_in_its_own_way() {
    use TokenFileMode::{Once, Rename, Symlink, Truncate};
    let bench = Bench::new();
    let path = bench.info().token_file.clone();
    let mut last = fs::read_to_string(&path).expect("written at the start");
    let mut inode = fs::metadata(&path).expect("a file").ino();
    for (mode, link, same_file) in [
        (Rename, false, false),
        (Truncate, false, true),
        (Symlink, true, false),
        (Symlink, true, false),
        (Truncate, false, false),
        (Once, false, false),
    ] {
        bench.emulator.token_file(plan(mode));
        let token = fs::read_to_string(&path).expect("a token");
        assert!(token != last, "{mode:?}");
        assert_eq!(bench.exchange(&request(&token)).await.0, 200, "{mode:?}");
        let metadata = fs::metadata(&path).expect("a file");
        assert_eq!(
            fs::symlink_metadata(&path).expect("an entry").is_symlink(),
            link,
            "{mode:?}"
        );
        assert_eq!(metadata.ino() == inode, same_file, "{mode:?}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{mode:?}");
        (last, inode) = (token, metadata.ino());
    }
    assert_eq!(bench.emulator.counters().token_file_writes, 7);
    assert_eq!(
        bench.emulator.counters().svids_minted,
        0,
        "counts calls only"
    );
}

#[test]
fn any_content_on_request() {
    let bench = Bench::new();
    let path = &bench.info().token_file;
    for content in ["", "not a token", "  padded\n"] {
        let content = Some(content.to_owned());
        bench.emulator.token_file(TokenFilePlan {
            content: content.clone(),
            ..plan(TokenFileMode::Truncate)
        });
        assert_eq!(fs::read_to_string(path).ok(), content);
    }
}

#[test]
fn the_file_is_renewed_until_told_to_stop() {
    let bench = Bench::new();
    let wait_for = |writes: u64| {
        let end = std::time::Instant::now() + LIMIT;
        while bench.emulator.counters().token_file_writes < writes {
            assert!(std::time::Instant::now() < end, "{writes} writes");
            std::thread::yield_now();
        }
    };
    bench.emulator.token_file(TokenFilePlan {
        interval_ms: Some(1),
        ..plan(TokenFileMode::Symlink)
    });
    wait_for(10);
    bench.emulator.token_file(plan(TokenFileMode::Stop));
    let writes = bench.emulator.counters().token_file_writes;
    bench
        .emulator
        .settings(json!({"alg": "ES256", "svid_ttl_seconds": 200}));
    bench.emulator.rotate_keys(None, true);
    assert_eq!(bench.emulator.counters().token_file_writes, writes);
    // Back to half of the life, and at once when the token would change.
    bench.emulator.token_file(plan(TokenFileMode::Rename));
    bench.emulator.settings(json!({"svid_ttl_seconds": 100}));
    bench.emulator.rotate_keys(None, true);
    assert_eq!(bench.emulator.counters().token_file_writes, writes + 3);
}
